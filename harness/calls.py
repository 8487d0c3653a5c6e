"""From columns to calls: what each f of a convention means to the judges of `harness.checkers.linearizable`.

`MEANINGS` says for each model which kind an f is and which columns hold what it did; `calls_of` fills the columns of
`Calls`. Operations that failed are left out, so a call knows its row: `Called.rows`. What no model can express (a read that
is no list, a value that could be cut in two ways) is a `Misfit`.

A key-value store whose ``append`` joins strings is the one with work to do: what ``get`` saw is cut into the strings that were
put and appended, which works where none of them begins with another. Where nobody appends, a store is one of registers, and
``""`` what a key holds before it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, pairwise
from typing import Any, Final

import msgspec
import numpy as np

from harness.checkers.linearizable.calls import NIL, Calls, Column, Kind
from harness.checkers.linearizable.vectors import keys_apart
from harness.columns import ABSENT, FAIL, Codes, Columns, Misfit
from harness.conventions import UNCOMPARED
from harness.values import frozen, frozen_all

__all__ = ["MEANINGS", "Called", "calls_of"]


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """One f: its kind, and the columns of its value, its second value and its items; ``""`` where it has none.

    `amount` says that the value stands for itself and is no code, `owned` that the value is whose process it is.
    """

    kind: Kind
    value: str = ""
    value_to: str = ""
    items: str = ""
    amount: bool = False
    owned: bool = False


class Called(msgspec.Struct, frozen=True):
    """Calls, and the row of `Columns` that each came from."""

    calls: Calls
    rows: Column


_PUTS: Final = {"read": False, "r": False, "write": True, "w": True}
"""What a transaction does to one of several registers -> whether it puts something there."""

_READ_ALL: Final = Meaning(kind=Kind.READ_LIST, items="result")
_APPEND: Final = Meaning(kind=Kind.APPEND, value="argument")
_INSERT: Final = Meaning(kind=Kind.INSERT, value="argument")
_REMOVE: Final = Meaning(kind=Kind.REMOVE, value="result")
_WRITE: Final = Meaning(kind=Kind.WRITE, value="argument")
_MANY: Final = Meaning(kind=Kind.TXN_MANY)
"""Reads and writes of several registers: its value says which."""

_REGISTER: Final = {
    "read": Meaning(kind=Kind.READ, value="result"),
    "write": _WRITE,
    "cas": Meaning(kind=Kind.CAS, value="argument", value_to="second"),
}

MEANINGS: Final[dict[str, dict[str, Meaning]]] = {
    "register": _REGISTER,
    "append": {"read": _READ_ALL, "append": _APPEND},
    "kv": {"get": _READ_ALL, "put": _WRITE, "append": _APPEND},
    "set": {"add": Meaning(kind=Kind.ADD, value="argument"), "read": _READ_ALL},
    "queue": {"enqueue": _INSERT, "dequeue": _REMOVE},
    "stack": {"push": _INSERT, "pop": _REMOVE},
    "counter": {
        "add": Meaning(kind=Kind.ADD, value="argument", amount=True),
        "read": Meaning(kind=Kind.READ, value="result", amount=True),
    },
    "multi-register": {"txn": _MANY},
    "mutex": {"acquire": Meaning(kind=Kind.ACQUIRE), "release": Meaning(kind=Kind.RELEASE)},
    "owner-mutex": {
        "acquire": Meaning(kind=Kind.ACQUIRE, owned=True),
        "release": Meaning(kind=Kind.RELEASE, owned=True),
    },
}
"""What the operations of each convention mean."""

_BESIDE: Final = {"mutex": "write", "owner-mutex": "write"}
"""Convention -> the f that is told beside its object's own, of what a lock guards, and says nothing of the object."""

_KV_WITHOUT_APPEND: Final = {"get": _REGISTER["read"], "put": _WRITE}
"""A store to which nobody appends is one of registers, which a monitor can judge."""

Cut = Callable[[Any], list[Any] | None]
"""From what a read saw to its items; None where it has none."""


def calls_of(
    columns: Columns,
    convention: str,
    refused: Column | None = None,
    initial: Any = None,
    silent: Column | None = None,
) -> Called:
    """The calls of `columns`, of several registers with keys of their own (`keys_apart`). Raises Misfit.

    The rows `refused` are compare-and-sets that failed and saw another value, `silent` ones say nothing and are left out; `initial` is
    what registers hold in the beginning.
    """
    taken = columns.type != FAIL
    if _BESIDE.get(convention) in columns.fs:
        taken &= columns.f != columns.fs.index(_BESIDE[convention])
    if silent is not None:
        taken[silent] = False
    if refused is not None:
        taken[refused] = True
    rows = np.flatnonzero(taken)
    filled = _Filled(columns, rows, initial, compared=convention not in UNCOMPARED)
    meanings = MEANINGS[convention]
    cut: Cut = _items
    if convention == "kv" and "append" in columns.fs:
        cut = _pieces(columns)
    elif convention == "kv":
        meanings = _KV_WITHOUT_APPEND
    if convention == "multi-register":
        filled.many_registers()
    for code in np.unique(columns.f[rows]).tolist():
        chosen = np.flatnonzero(columns.f[rows] == code)
        meaning = meanings.get(columns.fs[code])
        if meaning is _MANY:
            continue
        if meaning is None:
            first = int(columns.called[rows[chosen[0]]])
            raise Misfit(first, f"({columns.fs[code]}) cannot be judged with {', '.join(meanings)}")
        filled.kind[chosen] = meaning.kind
        filled.put(filled.value, chosen, meaning.value, amount=meaning.amount)
        filled.put(filled.value_to, chosen, meaning.value_to)
        if meaning.owned:
            filled.own(chosen)
        if meaning.items:
            filled.cut(chosen, meaning.items, cut)
    if meanings is _KV_WITHOUT_APPEND:
        filled.empty_is_nothing()
    filled.kind[columns.type[rows] == FAIL] = Kind.CAS_REFUSED
    begin = np.concatenate(([0], np.cumsum(filled.sizes)))
    calls = Calls(
        called=columns.called[rows],
        returned=columns.returned[rows],
        key=np.maximum(columns.key[rows], 0).astype(np.int64),
        kind=filled.kind,
        value=filled.value,
        value_to=filled.value_to,
        begin=begin,
        items=filled.items(),
    )
    if convention == "multi-register":
        calls = msgspec.structs.replace(calls, key=keys_apart(calls))
    return Called(calls, rows)


class _Filled:
    """The columns of `Calls` on their way."""

    def __init__(self, columns: Columns, rows: Column, initial: Any, *, compared: bool) -> None:
        self._columns = columns
        self._rows = rows
        count = len(rows)
        self.kind = np.zeros(count, np.int64)
        self.value = np.zeros(count, np.int64)
        self.value_to = np.zeros(count, np.int64)
        self.sizes = np.zeros(count, np.int64)
        self._lists: dict[int, list[int]] = {}
        """Code of what a read saw -> codes of its items."""
        self._seen = np.full(count, ABSENT, np.int64)
        self._given = np.zeros(0, np.int64)
        """All items, where they stand in the values themselves."""
        values = columns.values if compared else [None]
        self._codes = Codes({key: code for code, key in enumerate(frozen_all(values))})
        self._initial = self._codes[frozen(initial)]
        """Code that changes places with that of None."""
        self._codes[None], self._codes[frozen(initial)] = self._initial, NIL

    def own(self, chosen: Column) -> None:
        """Fill the values of `chosen` with codes of their processes, none of which is that of nobody."""
        processes = self._columns.process
        self.value[chosen] = (
            np.searchsorted(np.unique(processes), processes[self._rows[chosen]]) + 1
        )

    def put(self, column: Column, chosen: Column, source: str, *, amount: bool = False) -> None:
        """Fill `chosen` of a column with the codes of `source`, or with the amounts that they stand for."""
        if not source:
            return
        codes = getattr(self._columns, source)[self._rows[chosen]].astype(np.int64)
        known = codes != ABSENT
        if amount:
            for code in np.unique(codes[known]).tolist():
                if type(self._columns.values[code]) is not int:
                    raise self._misfit(chosen[codes == code], "holds an amount that is no integer")
            amounts = [self._columns.values[code] for code in codes[known].tolist()]
            column[chosen[known]] = amounts
        else:
            column[chosen] = self._from_initial(np.where(known, codes, NIL))

    def _from_initial(self, codes: Column) -> Column:
        """The same codes, with that of the initial value for `NIL` and the other way round."""
        if self._initial == NIL:
            return codes
        places = np.where(codes == self._initial, NIL, codes)
        return np.where(codes == NIL, self._initial, places)

    def cut(self, chosen: Column, source: str, cut: Cut) -> None:
        """Find the items that `chosen` saw; each different value is cut once."""
        codes = getattr(self._columns, source)[self._rows[chosen]]
        for code in np.unique(codes[codes != ABSENT]).tolist():
            items = cut(self._columns.values[code])
            if items is None:
                raise self._misfit(chosen[codes == code], "saw what has no items")
            self._lists[code] = [self._codes[key] for key in frozen_all(items)]
        self._seen[chosen] = codes
        lengths = {code: len(items) for code, items in self._lists.items()}
        self.sizes[chosen] = [lengths.get(code, 0) for code in codes.tolist()]

    def many_registers(self) -> None:
        """Fill everything from lists of [f, register, value]; a read that saw nil says nothing."""
        columns = self._columns
        result, argument = columns.result[self._rows], columns.argument[self._rows]
        done = np.where(result != ABSENT, result, argument)
        told = [columns.values[code] for code in done.tolist()]
        try:
            puts, registers, values = _triples(chain.from_iterable(told))
        except (LookupError, TypeError, ValueError):
            raise self._misfit(_first_wrong(told), "is no list of reads and writes") from None
        codes = Codes()
        items = np.stack(
            [
                np.fromiter(puts, np.int64, len(puts)),
                np.fromiter([codes[one] for one in frozen_all(registers)], np.int64, len(puts)),
                np.fromiter([self._codes[one] for one in frozen_all(values)], np.int64, len(puts)),
            ],
            axis=1,
        )
        sizes = np.fromiter(map(len, told), np.int64, len(told))
        row = np.repeat(np.arange(len(told)), sizes)
        written = np.bincount(row, items[:, 0], len(told)).astype(np.int64)
        self.kind[:] = np.where(written == sizes, Kind.WRITE_MANY, Kind.TXN_MANY)
        self.kind[written == 0] = Kind.READ_MANY
        silent = np.fromiter([one is None for one in values], np.bool_, len(values))
        kept = np.repeat(((items[:, 0] == 1) | ~silent)[:, None], 3, axis=1)
        kept[:, 0] &= self.kind[row] == Kind.TXN_MANY
        self.sizes[:] = np.bincount(row, kept.sum(axis=1), len(told))
        self._given = items[kept]

    def empty_is_nothing(self) -> None:
        """Let the empty string be what a key holds that nobody wrote."""
        empty = self._codes.get("", NIL)
        self.value[self.value == empty] = NIL

    def items(self) -> Column:
        """All items, row after row."""
        if len(self._given):
            return self._given
        seen = self._seen[self._seen != ABSENT].tolist()
        count = int(self.sizes.sum())
        return np.fromiter((item for code in seen for item in self._lists[code]), np.int64, count)

    def _misfit(self, chosen: Column, what: str) -> Misfit:
        row = int(self._rows[chosen[0]])
        name = self._columns.fs[self._columns.f[row]]
        return Misfit(int(self._columns.called[row]), f"({name}) {what}")


def _triples(told: Iterable[Any]) -> tuple[list[bool], list[Any], list[Any]]:
    """Take [f, register, value] apart: whether each puts, registers, values. Raises LookupError, TypeError or ValueError."""
    puts, registers, values = [], [], []
    for f, register, value in told:
        puts.append(_PUTS[f])
        registers.append(register)
        values.append(value)
    return puts, registers, values


def _first_wrong(told: list[Any]) -> Column:
    """Return the place of the first value that is no list of reads and writes."""
    for place, one in enumerate(told):
        try:
            _triples(one)
        except (LookupError, TypeError, ValueError):
            return np.array([place])
    raise AssertionError("values that can be taken apart one by one can be together")


def _items(value: Any) -> list[Any] | None:
    """The items of a list or set; nothing was seen where there is none."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else None


def _pieces(columns: Columns) -> Cut:
    """How to cut what a ``get`` saw into what was put and appended. Raises Misfit."""
    given = np.unique(columns.argument[columns.argument != ABSENT]).tolist()
    codes = {
        str(columns.values[code]): code for code in given if isinstance(columns.values[code], str)
    }
    words = sorted(codes)
    for word, following in pairwise(["", *words]):
        if following.startswith(word) and (word or not following):
            first = np.flatnonzero(columns.argument == codes[following])[0]
            what = f"gives what could be read in two ways: {following!r} begins with {word!r}"
            raise Misfit(int(columns.called[first]), what)
    known = frozenset(words)
    lengths = sorted({len(word) for word in words})

    def cut(value: Any) -> list[Any] | None:
        if not isinstance(value, str):
            return [value] if value is not None and not isinstance(value, list) else _items(value)
        pieces, place = [], 0
        while place < len(value):
            fits = [
                end for end in (place + length for length in lengths) if value[place:end] in known
            ]
            end = fits[0] if fits else len(value)
            pieces.append(value[place:end])
            place = end
        return pieces

    return cut
