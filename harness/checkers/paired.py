"""Invocations joined with their completions, for checkers that look at whole operations. Nothing here judges.

Positions count the events of the history, so that "before" is a comparison of numbers. Operations of the nemesis are left out.
What no run can have produced is refused long before (`harness.history.pair`, `harness.columns`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from harness.operation import NEMESIS, Operation

__all__ = ["NEVER", "Paired", "paired", "shown"]

NEVER = 1 << 62
"""Position at which an operation returned that ended neither ok nor fail: it may take effect at any time."""


class Paired(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One operation. `asked` is the invoked value, `told` the completed one, None where nothing completed it.

    `type` is ``info`` for what never completed, too. `called` and `returned` are positions. `index` is the history's own index
    of the last event there is, or that event's position where the history has no indexes.
    """

    process: int
    f: str
    type: Literal["ok", "fail", "info"]
    called: int
    returned: int
    asked: Any
    told: Any
    called_ns: int
    returned_ns: int
    index: int

    @property
    def ok(self) -> bool:
        """Whether it is known to have taken effect."""
        return self.type == "ok"

    @property
    def possible(self) -> bool:
        """Whether it may have taken effect."""
        return self.type != "fail"


def paired(history: Sequence[Operation]) -> list[Paired]:
    """The operations of clients in order of their invocations."""
    begun: dict[int, int] = {}
    ends: list[tuple[int, Operation, int, Operation | None]] = []
    for position, event in enumerate(history):
        process = event.process
        if process == NEMESIS:
            continue
        if event.type == "invoke":
            begun[process] = len(ends)
            ends.append((position, event, -1, None))
        else:
            place = begun.pop(process)
            called, invoked, _, _ = ends[place]
            ends[place] = (called, invoked, position, event)
    return [_joined(*end) for end in ends]


def _joined(called: int, invoked: Operation, returned: int, ended: Operation | None) -> Paired:
    last = invoked if ended is None else ended
    kind: Any = "info" if ended is None else ended.type
    position = called if ended is None else returned
    return Paired(
        process=invoked.process,
        f=invoked.f,
        type=kind,
        called=called,
        returned=NEVER if kind == "info" else returned,
        asked=invoked.value,
        told=None if ended is None else ended.value,
        called_ns=invoked.time_ns,
        returned_ns=-1 if ended is None else ended.time_ns,
        index=position if last.index < 0 else last.index,
    )


def shown(*operations: Paired) -> dict[str, Any]:
    """Fields of a finding that name `operations`: their indexes in order, and the time of the last."""
    ordered = sorted(operations, key=lambda one: one.index)
    times = [max(one.called_ns, one.returned_ns) for one in ordered]
    return {"operations": [one.index for one in ordered], "time_ns": max(times, default=-1)}
