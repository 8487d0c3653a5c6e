"""What a transaction does: its micro-operations one after the other on a draft, which counts as a whole or not at all.

Pure: rows come in through a function, changes go out as a table, and whoever asked decides what becomes of them. So the
same code serves transactions of the log, which are staged with their session in one durable batch, and those that only look,
which are answered from a replica's state without an entry. Nothing here knows of retries, of the log or of a disk.

A micro-operation sees what those before it did. The first that cannot be done ends the transaction with an error, the same on
every replica. What one transaction may result in is bounded, because the session keeps it (`RESULT_BYTES_MAX`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from cluster.machine.kv_requests import (
    KvResponse,
    MicroOp,
    MicroOperation,
    decode_value,
    encode_value,
)
from cluster.machine.rows import user_key

__all__ = ["RESULT_BYTES_MAX", "Changes", "transact"]

RESULT_BYTES_MAX = 1 << 20
"""Most bytes that the results of one transaction may encode to."""

Changes = dict[bytes, bytes | None]
"""Store key -> its new value, None: removed; in the order in which keys were first changed."""

_SUM_MAX: Final = (1 << 63) - 1
_NOTHING: Final = encode_value(None)


class _Refused(Exception):
    """A micro-operation cannot be done; `word` is the error of the response."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class _Mismatch(_Refused):
    """A comparison found another value."""

    def __init__(self, found: Any) -> None:
        super().__init__("mismatch")
        self.found = found


class _Draft:
    """The changes of one transaction in front of the rows."""

    def __init__(self, read: Callable[[bytes], bytes | None]) -> None:
        self.changes: Changes = {}
        self._read = read

    def get(self, key: bytes) -> bytes | None:
        return self.changes[key] if key in self.changes else self._read(key)

    def value(self, key: bytes) -> Any:
        stored = self.get(key)
        return None if stored is None else decode_value(stored)

    def list_at(self, key: bytes) -> list[Any]:
        present = self.value(key)
        if present is None:
            return []
        if not isinstance(present, list):
            raise _Refused("not_a_list")
        return present


def transact(
    read: Callable[[bytes], bytes | None], operations: Sequence[MicroOperation]
) -> tuple[KvResponse, Changes]:
    """Do `operations` on the rows that `read` finds by their store key; return the response, and the changes to make.

    A response that is not ok comes without changes. Raises what `read` raises.
    """
    draft = _Draft(read)
    results: list[Any] = []
    try:
        for operation in operations:
            step = _STEPS[operation.op]
            results.append(step(draft, user_key(operation.key), operation.value))
    except _Mismatch as mismatch:
        found = mismatch.found if _fits(mismatch.found) else None
        return KvResponse(False, [len(results), found], mismatch.word), {}
    except _Refused as refused:
        return KvResponse(False, None, refused.word), {}
    if not _fits(results):
        return KvResponse(False, None, "too_large"), {}
    return KvResponse(True, results), draft.changes


def _fits(result: Any) -> bool:
    return len(encode_value(result)) <= RESULT_BYTES_MAX


def _read(draft: _Draft, key: bytes, _: Any) -> Any:
    return draft.value(key)


def _write(draft: _Draft, key: bytes, value: Any) -> None:
    draft.changes[key] = encode_value(value)


def _delete(draft: _Draft, key: bytes, _: Any) -> None:
    draft.changes[key] = None


def _append(draft: _Draft, key: bytes, value: Any) -> None:
    draft.changes[key] = encode_value([*draft.list_at(key), value])


def _take(draft: _Draft, key: bytes, _: Any) -> Any:
    present = draft.list_at(key)
    if not present:
        return None
    draft.changes[key] = encode_value(present[1:])
    return present[0]


def _add(draft: _Draft, key: bytes, amount: Any) -> int:
    present = draft.value(key)
    if present is not None and type(present) is not int:
        raise _Refused("not_a_number")
    total: int = (present or 0) + amount
    if abs(total) > _SUM_MAX:
        raise _Refused("too_large")
    draft.changes[key] = encode_value(total)
    return total


def _compare(draft: _Draft, key: bytes, expected: Any) -> None:
    stored = draft.get(key)
    if (_NOTHING if stored is None else stored) != encode_value(expected):
        raise _Mismatch(draft.value(key))


_STEPS: Final[dict[MicroOp, Callable[[_Draft, bytes, Any], Any]]] = {
    "r": _read,
    "w": _write,
    "delete": _delete,
    "append": _append,
    "take": _take,
    "add": _add,
    "compare": _compare,
}
