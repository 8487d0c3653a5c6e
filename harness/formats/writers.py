"""The formats that a history can be written in, by name: what ``reprise convert`` offers.

``edn`` and ``jsonl`` hold every history; ``plume`` and ``awdit`` hold committed transactions over registers and the order inside each
session, and refuse what they cannot say. In these an indeterminate transaction is written, with its writes alone, if somebody read one of
them, for then it happened; otherwise it is left out, and so is what failed where the format has no word for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Final

from msgspec.structs import replace

from harness.errors import UserMistake
from harness.formats import jepsen_edn, jsonl
from harness.formats.sessions import INITIAL
from harness.operation import NEMESIS, Operation
from harness.values import frozen

__all__ = ["WRITERS", "write_awdit", "write_plume"]

Transaction = tuple[int, list[Any], bool]
"""Session, micro-operations, and whether it happened."""


def _transactions(operations: Iterable[Operation]) -> list[Transaction]:
    """Transactions by session in order of their completions, those that happened and those that failed. Raises UserMistake."""
    asked: dict[int, Any] = {}
    found: list[Transaction] = []
    unsure: list[tuple[int, list[Any]]] = []
    for one in operations:
        if one.process == NEMESIS:
            continue
        if one.f != "txn":
            raise UserMistake(f"this format holds transactions, and the history has a {one.f}")
        if one.type == "invoke":
            asked[one.process] = one.value
            continue
        value = asked.pop(one.process, None) if one.type != "ok" else one.value
        asked.pop(one.process, None)
        if one.type == "info":
            unsure.append((one.process, value))
        else:
            found.append((one.process, _registers(value), one.type == "ok"))
    unsure += list(asked.items())
    seen = {
        (frozen(key), frozen(item))
        for _, done, ok in found
        if ok
        for f, key, item in done
        if f == "r"
    }
    for session, value in unsure:
        writes = [micro for micro in _registers(value) if micro[0] == "w"]
        if any((frozen(key), frozen(item)) in seen for _, key, item in writes):
            found.append((session, writes, True))
    return found


def _registers(value: Any) -> list[Any]:
    """The micro-operations of a transaction over registers. Raises UserMistake."""
    if not isinstance(value, list) or not all(
        isinstance(micro, list) and len(micro) == 3 and micro[0] in ("r", "w") for micro in value
    ):
        raise UserMistake(
            f"this format holds reads and writes of registers, and the history has {value!r}"
        )
    return value


class _Numbers:
    """Keys and values as whole numbers: as they are where all of them are above 0, else numbered in order of appearance."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._plain = all(type(item) is int and item >= 0 for item in items)
        self._codes: dict[Any, int] = {}

    def of(self, item: Any) -> int:
        """The number of `item`."""
        if self._plain:
            return int(item)
        return self._codes.setdefault(frozen(item), len(self._codes) + 1)


def _numbered(
    transactions: list[Transaction],
) -> Iterator[tuple[int, list[tuple[str, int, int]], bool]]:
    """The same with numbers for keys and values; `INITIAL` for what a key holds before it is written. Raises UserMistake."""
    every = [micro for _, done, _ in transactions for micro in done]
    keys = _Numbers([key for _, key, _ in every])
    values = _Numbers([item for _, _, item in every if item is not None])
    zero = any(item == INITIAL and f == "w" for f, _, item in every)
    if zero:
        raise UserMistake(
            f"the history writes {INITIAL}, which this format keeps for what was never written"
        )
    for session, done, ok in transactions:
        told = [
            (f, keys.of(key), INITIAL if item is None else values.of(item))
            for f, key, item in done
            if ok or f == "w"
        ]
        yield session, told, ok


def write_plume(operations: Iterable[Operation], file: BinaryIO) -> None:
    """One ``r(key,value,session,transaction)`` a line; transaction -1 holds the writes that failed. Raises UserMistake."""
    number = 0
    for session, done, ok in _numbered(_transactions(operations)):
        name = number if ok else -1
        file.writelines(f"{f}({key},{item},{session},{name})\n".encode() for f, key, item in done)
        number += ok and bool(done)


def write_awdit(operations: Iterable[Operation], file: BinaryIO) -> None:
    """Sessions behind a first one that writes what the keys begin with. Raises UserMistake."""
    sessions: dict[int, list[str]] = {}
    keys: dict[int, None] = {}
    for session, done, ok in _numbered(_transactions(operations)):
        if ok and done:
            keys.update(dict.fromkeys(key for _, key, _ in done))
            lines = "".join(f"{f} {key} {item}\n" for f, key, item in done)
            sessions.setdefault(session, []).append(lines)
    first = "".join(f"w {key} {INITIAL}\n" for key in keys)
    told = [first, *("-----\n".join(lines) for lines in sessions.values())]
    file.write("=====\n".join(told).encode())


def _indexed(operations: Iterable[Operation]) -> Iterator[Operation]:
    """The same, with its place for the index of an operation that has none."""
    for place, one in enumerate(operations):
        yield one if one.index >= 0 else replace(one, index=place)


def _edn(operations: Iterable[Operation], file: BinaryIO) -> None:
    jepsen_edn.write(_indexed(operations), file)


def _jsonl(operations: Iterable[Operation], file: BinaryIO) -> None:
    jsonl.write(_indexed(operations), file)


WRITERS: Final[dict[str, Callable[[Iterable[Operation], BinaryIO], None]]] = {
    "jsonl": _jsonl,
    "edn": _edn,
    "plume": write_plume,
    "awdit": write_awdit,
}
"""Every format that a history is written in as operations."""
