"""What every operation of a log's clients sent and polled. Nothing here judges.

Operations: ``send``, ``poll`` and ``txn``, whose value is a list of micro-operations, and ``assign`` and ``subscribe`` [k ...]. Invoked
``[send, k, v]`` ends as ``[send, k, [offset, v]]``, the offset None where nobody knows it; ``[poll]`` ends as
``[poll, {k: [[offset, v] ...]}]``. Messages of a key are unique. A key is known by how it is written, for JSON has no maps whose
keys are numbers.

A poll hands out only what is safe, whatever becomes of its transaction, so polls of operations that crashed or failed count as what
was seen of the log; as what somebody was *shown*, only those that ended ok.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from harness.checkers.paired import Paired
from harness.values import ATOMS, frozen

__all__ = ["LogOperation", "Message", "log_operations"]

MOVING: Final = ("send", "poll", "txn")
CHOOSING: Final = ("assign", "subscribe")


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message at its offset, -1 where that is unknown; `value` in a form that can be compared."""

    offset: int
    value: Any


class LogOperation(msgspec.Struct, frozen=True):
    """What one operation sent and polled, by key and in order; of `assign` and `subscribe` the keys that were `chosen`."""

    operation: Paired
    sent: dict[str, list[Message]]
    polled: dict[str, list[Message]]
    chosen: frozenset[str] | None = None

    @property
    def ok(self) -> bool:
        """Whether it is known to have taken effect."""
        return self.operation.ok


def log_operations(operations: Sequence[Paired]) -> list[LogOperation]:
    """All that moved messages or chose keys, in order of the invocations."""
    found = []
    for one in operations:
        value = one.asked if one.told is None else one.told
        if one.f in MOVING:
            found.append(_moved(one, value or []))
        elif one.f in CHOOSING:
            found.append(LogOperation(one, {}, {}, frozenset(map(str, value or []))))
    return found


def _moved(one: Paired, micro_operations: Sequence[Any]) -> LogOperation:
    sent: dict[str, list[Message]] = {}
    polled: dict[str, list[Message]] = {}
    for micro in micro_operations:
        if micro[0] == "send":
            sent.setdefault(str(micro[1]), []).append(_message(micro[2]))
        elif len(micro) > 1:
            for key, pairs in (micro[1] or {}).items():
                polled.setdefault(str(key), []).extend(map(_message, pairs))
    return LogOperation(one, sent, polled)


def _message(given: Any) -> Message:
    offset, value = given if isinstance(given, list) else (None, given)
    if type(value) not in ATOMS:
        value = frozen(value)
    return Message(-1 if offset is None else offset, value)
