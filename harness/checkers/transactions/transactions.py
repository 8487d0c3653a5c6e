"""A history of transactions as columns of numbers; nothing here judges.

Loading costs more than judging, so it goes through C at every step: values are flattened by `itertools`, keys and values
become numbers, and what the numbers stand for is kept beside them. Integer values stand for themselves.

An operation whose `f` is ``txn`` is a transaction; its value is a list of ``[f, key, value]``. A fourth item of a
micro-operation is the version that the store reported for what was read or written.
A transaction that ended ``info`` knows its writes and not its reads. Whether lists or registers are meant is told by the
writes: ``append`` or ``w``, and where nothing is written by what the reads saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from harness.checkers.transactions.reported import Reported, contradiction
from harness.columns import Misfit, without_collector
from harness.operation import NEMESIS, Operation
from harness.values import Parenthesised

__all__ = [
    "FAIL",
    "INFINITY",
    "INFO",
    "NIL",
    "NO_VERSION",
    "OK",
    "READ",
    "TXN",
    "UNKNOWN",
    "WRITE",
    "Bytes",
    "Flags",
    "Integers",
    "Transactions",
    "load",
]

Integers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]

TXN = "txn"
OK, INFO, FAIL = 0, 1, 2
READ, WRITE = 0, 1
INFINITY = 1 << 40
"""Return position of a transaction that never returned."""

NIL = -(1 << 62)
"""The value of a register that was never written."""

UNKNOWN = NIL + 1
"""The value of a register's read whose result nobody knows."""

_VALUE_MAX = 1 << 60
"""Integers up to here stand for themselves; histories with larger ones get numbers for all values."""

NO_VERSION = -1
"""The store reported no version."""

_CODES = {"r": READ, "append": WRITE, "w": WRITE}
_STATUS = {"ok": OK, "fail": FAIL}


class Transactions(msgspec.Struct, frozen=True, kw_only=True):
    """Transactions in order of their invocation, and their micro-operations in order.

    `called` and `returned` are positions in the history. `begin` has one entry more than there are transactions: the
    micro-operations of transaction t are `begin[t]` to `begin[t + 1]`; in the same way `offset` says where in
    `elements` the list is that a micro-operation read. `value` is what was written, or what a register's read saw.
    `names` says what the numbers in `value` and `elements` stand for; None where they are the values.
    """

    kind: Literal["list-append", "rw-register"]
    process: Integers
    called: Integers
    returned: Integers
    status: Bytes
    begin: Integers
    transaction: Integers
    f: Bytes
    key: Integers
    value: Integers
    version: Integers
    offset: Integers
    elements: Integers
    keys: list[Any]
    names: list[Any] | None

    def name(self, value: int) -> Any:
        """Return the value that a number stands for."""
        if value == NIL:
            return None
        return value if self.names is None else self.names[value]

    def read(self, position: int) -> Any:
        """Return what the read at `position` saw."""
        if self.kind == "rw-register":
            return self.name(int(self.value[position]))
        low, high = self.offset[position : position + 2]
        return [self.name(value) for value in self.elements[low:high].tolist()]

    def micro_operation(self, position: int) -> list[Any]:
        """Return one micro-operation as the history has it."""
        key = self.keys[self.key[position]]
        if self.f[position] == WRITE:
            f = "append" if self.kind == "list-append" else "w"
            return [f, key, self.name(int(self.value[position]))]
        known = self.status[self.transaction[position]] == OK
        return ["r", key, self.read(position) if known else None]


class _Rows(msgspec.Struct, frozen=True):
    """Transactions on their way from the history to the columns, in order of invocation."""

    process: list[int] = []
    called: list[int] = []
    returned: list[int] = []
    status: list[int] = []
    value: list[Any] = []

    def shown_at(self, row: int) -> int:
        """Return the position of the event that has the value."""
        return self.returned[row] if self.status[row] == OK else self.called[row]


class _Unfit(Exception):
    """What is wrong with the micro-operation at `position`."""

    def __init__(self, position: int, what: str) -> None:
        super().__init__(what)
        self.position = position
        self.what = what


def load(history: Sequence[Operation]) -> Transactions:
    """Return the transactions of `history`.

    Raises `Misfit` naming the event whose value is no list of micro-operations, mixes lists with registers, or cannot be judged.
    """
    with without_collector():
        rows = _rows(history)
        return _columns(rows)


def _columns(rows: _Rows) -> Transactions:
    count = len(rows.process)
    try:
        flat = list(chain.from_iterable(rows.value))
        f_names = list(map(itemgetter(0), flat))
        key_names = list(map(itemgetter(1), flat))
        values = list(map(itemgetter(2), flat))
        codes = _column(map(_CODES.__getitem__, f_names), len(flat), np.int8)
        length = _column(map(len, rows.value), count)
    except (KeyError, IndexError, TypeError):
        raise _malformed(rows) from None
    begin = np.concatenate(([0], np.cumsum(length)))
    status = _column(rows.status, count, np.int8)
    transaction = np.repeat(np.arange(count), length)
    known = status[transaction] == OK
    key, keys = _numbered(key_names)
    try:
        kind = _kind(f_names, values, known)
        columns = _lists if kind == "list-append" else _registers
        value, offset, elements, names = columns(codes, values, known)
        version = _reported(flat)
    except _Unfit as unfit:
        raise Misfit(rows.shown_at(int(transaction[unfit.position])), unfit.what) from None
    transactions = Transactions(
        kind=kind,
        process=_column(rows.process, count),
        called=_column(rows.called, count),
        returned=_column(rows.returned, count),
        status=status,
        begin=begin,
        transaction=transaction,
        f=codes,
        key=key,
        value=value,
        version=version,
        offset=offset,
        elements=elements,
        keys=keys,
        names=names,
    )
    _refuse_contradiction(transactions)
    return transactions


def _refuse_contradiction(transactions: Transactions) -> None:
    """Raise `Misfit` where reported versions contradict each other (see `reported`); lists show theirs themselves."""
    if transactions.kind == "list-append":
        return
    row = transactions.transaction
    at = np.flatnonzero((transactions.version != NO_VERSION) & (transactions.status[row] == OK))
    found = contradiction(
        Reported(
            position=at,
            transaction=row[at],
            key=transactions.key[at],
            value=transactions.value[at],
            version=transactions.version[at],
            writes=transactions.f[at] == WRITE,
        )
    )
    if found is None:
        return
    one, two = (
        f"{transactions.micro_operation(at)} as version {transactions.version[at]}" for at in found
    )
    late = int(transactions.returned[row[found[1]]])
    raise Misfit(late, f"reports {two}, and an earlier event {one}: they contradict each other")


def _malformed(rows: _Rows) -> Misfit:
    """Return the error for the first value that is no list of micro-operations."""
    for row, value in enumerate(rows.value):
        what = _problem_with(value)
        if what:
            return Misfit(rows.shown_at(row), what)
    raise AssertionError("values that are transactions one by one are transactions together")


def _problem_with(value: Any) -> str:
    """Return what keeps `value` from being a transaction."""
    rule = "and a transaction is a list of [f, key, value] with f one of r, w, append"
    if not isinstance(value, (list, tuple)):
        return f"has the value {value!r}, {rule}"
    for item in value:
        fits = isinstance(item, (list, tuple)) and len(item) > 2
        if not fits or not isinstance(item[0], str) or item[0] not in _CODES:
            return f"has the micro-operation {item!r}, {rule}"
    return ""


def _rows(history: Sequence[Operation]) -> _Rows:
    """Pair invocations with completions."""
    rows = _Rows()
    pending: dict[int, int] = {}
    for position, operation in enumerate(history):
        process = operation.process
        if operation.f != TXN or process == NEMESIS:
            continue
        kind = operation.type
        if kind == "invoke":
            pending[process] = len(rows.process)
            rows.process.append(process)
            rows.called.append(position)
            rows.returned.append(INFINITY)
            rows.status.append(INFO)
            rows.value.append(operation.value)
            continue
        row = pending.pop(process, None)
        if row is None:
            raise Misfit(position, f"completes a transaction that process {process} never invoked")
        if kind == "info":
            continue
        rows.returned[row] = position
        rows.status[row] = _STATUS[kind]
        if kind == "ok":
            rows.value[row] = operation.value
    return rows


def _column(numbers: Iterable[int], count: int, kind: Any = np.int64) -> Any:
    return np.fromiter(numbers, kind, count)


def _kind(
    f_names: list[str], values: list[Any], known: Flags
) -> Literal["list-append", "rw-register"]:
    used = set(f_names)
    if {"append", "w"} <= used:
        later = max(f_names.index("append"), f_names.index("w"))
        what = "mixes append and w: lists and registers are judged apart"
        raise _Unfit(later, f"uses {f_names[later]}, so the history {what}")
    if "append" in used:
        return "list-append"
    read = (values[position] for position in np.flatnonzero(known).tolist())
    lists = "w" not in used and any(isinstance(value, list) for value in read)
    return "list-append" if lists else "rw-register"


def _frozen(value: Any) -> Any:
    """Return `value` in a form that can be a dictionary key."""
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return tuple((name, _frozen(item)) for name, item in sorted(value.items()))
    return value


def _numbered(names: list[Any]) -> tuple[Integers, list[Any]]:
    """Number `names` in order of appearance; returns the numbers, and the names by number."""
    try:
        distinct = list(dict.fromkeys(names))
    except TypeError:
        names = [_frozen(name) for name in names]
        distinct = list(dict.fromkeys(names))
    numbers = {name: number for number, name in enumerate(distinct)}
    return _column(map(numbers.__getitem__, names), len(names)), distinct


def _integers(parts: Sequence[Sequence[Any]]) -> Integers | None:
    """Return the items of all parts as they are, or None where they are no integers of a moderate size."""
    if set(map(type, chain.from_iterable(parts))) - {int}:
        return None
    try:
        found: Integers = _column(chain.from_iterable(parts), sum(map(len, parts)))
    except OverflowError:
        return None
    moderate = found.max(initial=0) < _VALUE_MAX and found.min(initial=0) > -_VALUE_MAX
    return found if moderate else None


def _lists(
    codes: Bytes, values: list[Any], known: Flags
) -> tuple[Integers, Integers, Integers, list[Any] | None]:
    """Return the columns value, offset, elements, names of lists; a read of None saw the empty list."""
    read = (codes == READ) & known
    results = [values[position] for position in np.flatnonzero(read).tolist()]
    strange = set(map(type, results)) - {list, Parenthesised, tuple, type(None)}
    if strange:
        at = next(number for number, result in enumerate(results) if type(result) in strange)
        what = f"reads {results[at]!r}, and a read of a key that is appended to gives a list"
        raise _Unfit(int(np.flatnonzero(read)[at]), what)
    lists = [() if result is None else result for result in results]
    length = np.zeros(len(values), np.int64)
    length[read] = _column(map(len, lists), len(lists))
    elements = _integers(lists)
    written = np.flatnonzero(codes == WRITE)
    appended = [values[position] for position in written.tolist()]
    names: list[Any] | None = None
    arguments = _integers([appended])
    if elements is None or arguments is None:
        seen = list(chain.from_iterable(lists))
        both, names = _numbered(seen + appended)
        elements, arguments = both[: len(seen)], both[len(seen) :]
    value = np.full(len(values), UNKNOWN, np.int64)
    value[written] = arguments
    return value, np.concatenate(([0], np.cumsum(length))), elements, names


def _registers(
    codes: Bytes, values: list[Any], known: Flags
) -> tuple[Integers, Integers, Integers, list[Any] | None]:
    """Return the columns value, offset, elements, names of registers; nothing is in the lists."""
    blind = (codes == READ) & ~known
    nothing = np.fromiter((value is None for value in values), np.bool_, len(values))
    value = np.full(len(values), NIL, np.int64)
    there = ~nothing & ~blind
    given = [values[position] for position in np.flatnonzero(there).tolist()]
    names: list[Any] | None = None
    numbers = _integers([given])
    if numbers is None:
        numbers, names = _numbered(given)
    value[there] = numbers
    value[blind] = UNKNOWN
    erased = np.flatnonzero(nothing & (codes == WRITE))
    if len(erased):
        what = "writes null, which could not be told from a key never written"
        raise _Unfit(int(erased[0]), what)
    return value, np.zeros(len(values) + 1, np.int64), np.zeros(0, np.int64), names


def _reported(flat: list[Any]) -> Integers:
    """Return the reported versions."""
    version = np.full(len(flat), NO_VERSION, np.int64)
    if max(map(len, flat), default=0) > 3:
        for position, item in enumerate(flat):
            if len(item) > 3 and item[3] is not None:
                if type(item[3]) is not int or not 0 <= item[3] < _VALUE_MAX:
                    raise _Unfit(
                        position,
                        f"reports the version {item[3]!r}, and a reported version is a number from 0 on",
                    )
                version[position] = item[3]
    return version
