"""A history as columns of numbers: what monitors and transaction checkers work on.

`Events` is a history event by event, `Columns` is one row an operation, its invocation paired with its completion, in
order of the invocations. Values, keys and fs are *codes*: dense numbers into a table of the originals, equal where
the values are equal. Operations of the nemesis are events and no rows.

`paired` refuses what no run can have produced (`harness.history.pair` is the same rule for one operation after the
other), `columns` what does not fit the convention. Both name the event, as a `Misfit`; what line that is, the
reader of the file knows.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice, repeat
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from harness.conventions import Convention, Path, Roles, parts
from harness.history import HistoryInvalid
from harness.operation import NEMESIS, Operation
from harness.values import frozen_all

__all__ = [
    "ABSENT",
    "FAIL",
    "INFO",
    "INVOKE",
    "NEVER",
    "NIL",
    "OK",
    "Codes",
    "Columns",
    "Events",
    "EventsBuilder",
    "Misfit",
    "columns",
    "columns_of",
    "events_from",
    "held_columns_of",
    "pairs_of",
    "rises",
    "without_collector",
]

Integers = npt.NDArray[np.int64]
Codings = npt.NDArray[np.int32]
Kinds = npt.NDArray[np.int8]

INVOKE, OK, FAIL, INFO = range(4)
"""Codes of the column `type`."""

_KINDS: Final = {"invoke": INVOKE, "ok": OK, "fail": FAIL, "info": INFO}

ABSENT: Final = -1
"""No value: the operation has no such part, or never came to it."""

NIL: Final = 0
"""The code of None in every table of values."""

NEVER: Final = 1 << 62
"""Position at which an operation that crashed returned."""

_SHOWN_MAX: Final = 60
"""So many characters of a value stand in a message."""

BLOCK_OPERATIONS: Final = 1 << 16
"""So many operations become columns at once: they fit the processor's cache."""

CODES_MAX: Final = (1 << 31) - 1
"""A table may hold so many originals, and a history so many events."""

NUMBER_MAX: Final = (1 << 63) - 1
"""Processes, times and indexes may be so large."""


class Misfit(HistoryInvalid):
    """An event that cannot be part of this history. `position` counts events from 0."""

    def __init__(self, position: int, what: str) -> None:
        super().__init__(f"event {position} {what}")
        self.position = position
        self.what = what


class Codes(dict[Hashable, int]):
    """Dense numbers for whatever is looked up, in order of appearance."""

    def __missing__(self, key: Hashable) -> int:
        code = self[key] = len(self)
        return code


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """A history event by event; all columns are equally long. `f` and `value` are codes of `fs` and `values`."""

    process: Integers
    type: Kinds
    f: Codings
    value: Codings
    time_ns: Integers
    index: Integers
    fs: list[str]
    values: list[Any]


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """A history operation by operation, in order of the invocations.

    `called` and `returned` are positions of events: unique, and `NEVER` where the operation has not ended ok or
    fail. `type` is `OK`, `FAIL` or `INFO`. `key` codes `keys`; `argument`, `second` and `result` code `values`;
    `ABSENT` where there is none. Results are those of operations that ended ok. Times and indexes are the
    file's own, -1 where unknown.
    """

    process: Integers
    f: Codings
    key: Codings
    argument: Codings
    second: Codings
    result: Codings
    type: Kinds
    called: Integers
    returned: Integers
    called_ns: Integers
    returned_ns: Integers
    called_index: Integers
    returned_index: Integers
    fs: list[str]
    keys: list[Any]
    values: list[Any]

    def __len__(self) -> int:
        return len(self.process)

    @property
    def nbytes(self) -> int:
        """Bytes of the columns, the tables aside."""
        arrays = [getattr(self, name) for name in self.__struct_fields__]
        return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))


class EventsBuilder:
    """Gathers blocks of events.

    A value is told apart by the key that comes with it: equal keys, one code. `originals` makes the table of values
    from the keys at the end.
    """

    def __init__(self) -> None:
        self.codes = Codes()
        self._fs = Codes()
        self._blocks: list[tuple[Any, ...]] = []
        self._count = 0

    def add(self, operations: Sequence[Any], keys: Iterable[Hashable]) -> None:
        """Add a block of objects with the fields of `Operation`, and for each the key of its value."""
        codes, fs, count = self.codes, self._fs, len(operations)
        if self._count + count > CODES_MAX:
            raise Misfit(CODES_MAX, f"is one more than the {CODES_MAX:,} that there may be")
        try:
            self._blocks.append(
                (
                    np.fromiter([one.process for one in operations], np.int64, count),
                    np.fromiter([_KINDS[one.type] for one in operations], np.int8, count),
                    np.fromiter([fs[one.f] for one in operations], np.int32, count),
                    np.fromiter([codes[key] for key in keys], np.int32, count),
                    np.fromiter([one.time_ns for one in operations], np.int64, count),
                    np.fromiter([one.index for one in operations], np.int64, count),
                )
            )
        except OverflowError:
            raise self._too_large(operations) from None
        self._count += count

    def _too_large(self, operations: Sequence[Any]) -> Misfit:
        """The error for the first event with a number that no column can hold."""
        for place, one in enumerate(operations):
            if max(map(abs, (one.process, one.time_ns, one.index))) > NUMBER_MAX:
                return Misfit(self._count + place, "has a number of more than 63 bits")
        raise AssertionError("numbers that fit one by one fit together")

    def events(self, originals: Callable[[list[Any]], list[Any]]) -> Events:
        """All that was added, with the table `originals(keys)`."""
        empty = (np.int64, np.int8, np.int32, np.int32, np.int64, np.int64)
        blocks = self._blocks or [tuple(np.empty(0, kind) for kind in empty)]
        process, kind, f, value, time_ns, index = (
            np.concatenate(column) for column in zip(*blocks, strict=True)
        )
        return Events(
            process=process,
            type=kind,
            f=f,
            value=value,
            time_ns=time_ns,
            index=index,
            fs=[str(name) for name in self._fs],
            values=originals(list(self.codes)),
        )


def events_from(operations: Iterable[Operation]) -> Events:
    """The events of `operations`. Raises what their iterator raises."""
    builder = EventsBuilder()
    originals: list[Any] = []
    waiting = iter(operations)
    with without_collector():
        while block := list(islice(waiting, BLOCK_OPERATIONS)):
            values = [one.value for one in block]
            keys = frozen_all(values)
            builder.add(block, keys)
            codes = builder.codes
            if len(codes) > len(originals):
                for key, value in zip(keys, values, strict=True):
                    if codes[key] == len(originals):
                        originals.append(value)
        return builder.events(lambda _keys: originals)


@contextmanager
def without_collector() -> Iterator[None]:
    """Load in bulk without the cyclic collector, which would walk every live object again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _paired(events: Events) -> tuple[Integers, Integers]:
    """Positions of all client invocations, rising, and of their completions (-1: none). Raises Misfit."""
    clients = np.flatnonzero(events.process != NEMESIS)
    order = clients[np.argsort(_narrow(events.process[clients]), kind="stable")]
    process, kind = events.process[order], events.type[order]
    same = process[1:] == process[:-1]
    before, after = kind[:-1], kind[1:]
    invoked = kind == INVOKE
    begun = np.zeros(len(order), bool)
    begun[1:] = same & invoked[:-1]
    lone = order[~invoked & ~begun]
    crashed = order[1:][same & (before == INFO)]
    doubled = order[1:][same & invoked[:-1] & (after == INVOKE)]
    places = np.flatnonzero(invoked)
    follows = np.zeros(len(order), bool)
    follows[:-1] = same & (after != INVOKE)
    called = order[places]
    returned = np.where(follows[places], order[np.minimum(places + 1, len(order) - 1)], -1)
    ended = returned >= 0
    strange = returned[ended][events.f[called[ended]] != events.f[returned[ended]]]
    fallen = _fallen(events.index)
    faults = (
        (crashed, "goes on with a process that crashed"),
        (doubled, "is invoked while its process has another under way"),
        (lone, "completes what was never invoked"),
        (strange, "completes an operation with another f"),
        (fallen, "has an index that does not rise"),
    )
    found = [(int(at.min()), what) for at, what in faults if len(at)]
    if found:
        position, what = min(found, key=lambda fault: fault[0])
        raise Misfit(position, f"({_place(events, position)}) {what}")
    rising = np.argsort(called)
    return called[rising], returned[rising]


def _narrow(numbers: Integers) -> npt.NDArray[Any]:
    """The same numbers in 16 bits where they fit: those are sorted in linear time."""
    fits = not len(numbers) or int(numbers.max()) < 1 << 15
    return numbers.astype(np.int16) if fits else numbers


def _fallen(index: Integers) -> Integers:
    """Positions of events whose known index is not above all before it; none where indexes stand twice.

    Those count something else than the history (each process its own operations, say), and are no order.
    """
    known = np.flatnonzero(index != -1)
    fallen = known[1:][np.diff(index[known]) <= 0]
    if len(fallen) and len(np.unique(index[known])) < len(known):
        return fallen[:0]
    return fallen


def rises(columns: Columns) -> bool:
    """Whether no index of the file stands twice."""
    both = np.concatenate([columns.called_index, columns.returned_index])
    known = both[both != -1]
    return bool((np.diff(columns.called_index) > 0).all()) or len(np.unique(known)) == len(known)


def _place(events: Events, position: int) -> str:
    kind = list(_KINDS)[events.type[position]]
    return f"{kind} {events.fs[events.f[position]]} of process {events.process[position]}"


def columns(events: Events, convention: Convention, *, compared: bool = True) -> Columns:
    """Pair `events` and take their values apart by `convention`. Raises Misfit.

    Not `compared`, each value has a code of its own, whatever it equals.
    """
    called, returned = _paired(events)
    ended = returned >= 0
    kind = np.where(ended, events.type[returned], INFO).astype(np.int8)
    taken = _Parts(events, called, np.where(kind == OK, returned, -1), compared=compared)
    f = events.f[called]
    for code in np.unique(f).tolist():
        rows = np.flatnonzero(f == code)
        roles = convention.get(events.fs[code])
        if roles is None:
            known = ", ".join(convention)
            first = int(called[rows[0]])
            raise Misfit(
                first, f"({_place(events, first)}) is none of the operations of this model: {known}"
            )
        _refuse_keys(events, int(called[rows[0]]), taken.completed[rows], roles)
        taken.take(rows, "key", taken.called, roles.key)
        taken.take(rows, "argument", taken.called, roles.argument)
        taken.take(rows, "second", taken.called, roles.second)
        taken.take(rows, "result", taken.completed, roles.result)
    return Columns(
        process=events.process[called],
        f=f,
        **taken.columns,
        type=kind,
        called=called,
        returned=np.where((kind == OK) | (kind == FAIL), returned, NEVER),
        called_ns=events.time_ns[called],
        returned_ns=np.where(ended, events.time_ns[returned], -1),
        called_index=events.index[called],
        returned_index=np.where(ended, events.index[returned], -1),
        fs=events.fs,
        keys=taken.keys,
        values=taken.values,
    )


def _refuse_keys(events: Events, position: int, completed: Integers, roles: Roles) -> None:
    """Raise Misfit where what is only answered is asked with [key, nil] and not answered otherwise, and nobody spoke of keys."""
    asked = events.values[events.value[position]] if len(events.values) else None
    if roles.key is not None or roles.argument is not None or roles.result != ():
        return
    if isinstance(asked, list) and len(asked) == 2 and asked[1] is None:
        told = completed[completed >= 0][:1].tolist()
        answers = [events.values[events.value[place]] for place in told]
        if any(not isinstance(one, list) or len(one) != 2 or one[0] != asked[0] for one in answers):
            return
        what = f"is asked with [{asked[0]!r}, nil]: values are [key, value], each key stands alone (--independent)"
        raise Misfit(position, f"({_place(events, position)}) {what}")


def columns_of(operations: Iterable[Operation], convention: Convention) -> Columns:
    """`operations` in columns. Raises Misfit."""
    return columns(events_from(operations), convention)


def held_columns_of(operations: Sequence[Operation], convention: Convention) -> Columns:
    """The same for whoever judges the operations themselves: no two values are compared, which is most of the work. Raises Misfit."""
    builder = EventsBuilder()
    builder.add(operations, range(len(operations)))
    values = [one.value for one in operations]
    return columns(builder.events(lambda _keys: values), convention, compared=False)


def pairs_of(operations: Sequence[Operation], convention: Convention) -> Columns:
    """`operations` in columns that know pairs, fs and times, and no values. Raises Misfit."""
    builder = EventsBuilder()
    builder.add(operations, repeat(None, len(operations)))
    return columns(builder.events(lambda keys: keys), dict.fromkeys(convention, Roles()))


class _Parts:
    """Takes the values of events apart; every different value once."""

    def __init__(
        self, events: Events, called: Integers, completed: Integers, *, compared: bool
    ) -> None:
        self.called = called
        self.completed = completed
        """Positions of the completions that are ok; -1 for other rows."""
        self.keys: list[Any] = []
        self.values: list[Any] = [None]
        self._tables = {"key": (Codes(), self.keys)}
        shared = Codes({None: NIL})
        for name in ("argument", "second", "result"):
            self._tables[name] = (shared, self.values)
        self._events = events
        self._compared = compared
        self.columns = {name: np.full(len(called), ABSENT, np.int32) for name in self._tables}

    def take(self, rows: Integers, column: str, positions: Integers, path: Path | None) -> None:
        """Fill `rows` of a column with what `path` finds in the values of the events at `positions`."""
        if path is None:
            return
        rows = rows[positions[rows] >= 0]
        events = self._events
        codes = events.value[positions[rows]]
        used = np.zeros(len(events.values), bool)
        used[codes] = True
        values = [events.values[code] for code in np.flatnonzero(used).tolist()]
        try:
            originals = parts(values, path)
        except (LookupError, TypeError):
            raise self._misfit(positions[rows], codes, path) from None
        known, table = self._tables[column]
        if column != "key" and not self._compared:
            self.columns[column][rows] = len(table) + np.searchsorted(np.flatnonzero(used), codes)
            table.extend(originals)
            return
        keys = frozen_all(originals)
        found = [known[key] for key in keys]
        if keys is originals:
            table.extend(islice(known, len(table), None))
        elif len(known) > len(table):
            for code, original in zip(found, originals, strict=True):
                if code == len(table):
                    table.append(original)
        translation = np.empty(len(events.values), np.int32)
        translation[used] = found
        self.columns[column][rows] = translation[codes]

    def _misfit(self, positions: Integers, codes: Codings, path: Path) -> Misfit:
        """The error for the first value that has no such part."""
        for position, code in zip(positions.tolist(), codes.tolist(), strict=True):
            try:
                parts([self._events.values[code]], path)
            except (LookupError, TypeError):
                place = _place(self._events, position)
                value = repr(self._events.values[code])
                shown = value if len(value) <= _SHOWN_MAX else f"{value[:_SHOWN_MAX]} ..."
                what = f"has the value {shown}, and a list such as [key, value] or [old, new] is expected"
                return Misfit(position, f"({place}) {what}")
        raise AssertionError("values that have the part one by one have it together")
