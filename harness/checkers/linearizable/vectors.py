"""Operations on several registers at once as steps: which values each must find, and which it leaves.

A *pair* is a register and a value in it, numbered densely over all keys; pair r is the one that register r begins with. The state of
a key is one pair for each of its registers. What a transaction reads it must find, unless it put something there before; the last value
that it puts into a register stays. Who reads two values of one register, or other than what it put itself, needs the pair that never is.

Definite steps stand by key and call, crashed ones behind all of them, likewise. Of a crashed operation nobody knows what it read; one
that puts nothing is no step.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np

from harness.checkers.linearizable.calls import INFINITY, NIL, Calls, Column, Flags, Kind
from harness.checkers.linearizable.encoding import marks

__all__ = ["Encoded", "Steps", "encode", "keys_apart", "touched"]


class Steps(NamedTuple):
    """The columns of a search, one line per key, definite step, step, need, put, or pair."""

    begin: Any
    """Key -> its first definite step (and one more line)."""
    crash_begin: Any
    """Key -> its first crashed step, of all steps (and one more line)."""
    order_begin: Any
    """Key -> where its steps begin when those of a key stand together."""
    called: Any
    """Step -> position; of crashed ones the returns are `INFINITY`."""
    returned: Any
    need_begin: Any
    """Step -> its first need (and one more line); so `put_begin`."""
    need: Any
    put_begin: Any
    put: Any
    register: Any
    """Pair -> its register."""
    mark: Any
    """Two random numbers of each step and of each pair, for the hash of what is taken and of the state."""
    other_mark: Any
    pair_mark: Any
    other_pair_mark: Any


class Encoded(msgspec.Struct, frozen=True, kw_only=True):
    """Steps, the row of each, and how much there is of everything."""

    steps: Steps
    rows: Column
    keys: int
    registers: int
    pairs: int


def touched(calls: Calls) -> tuple[Column, Column, Column, Column]:
    """Return row, register, value, and whether it is put, of everything that the operations see and put, in order."""
    sizes = calls.sizes()
    threes = calls.kind == Kind.TXN_MANY
    width = np.where(threes, 3, 2)
    row = np.repeat(np.arange(len(calls)), sizes // width)
    if not len(row):
        return row, row, row, row
    begin = calls.begin[:-1][row]
    first = np.concatenate([[0], np.cumsum(sizes // width)])[:-1][row]
    place = begin + (np.arange(len(row)) - first) * width[row]
    three = threes[row]
    puts = np.where(three, calls.items[place], calls.kind[row] == Kind.WRITE_MANY)
    return row, calls.items[place + three], calls.items[place + three + 1], puts.astype(np.int64)


def keys_apart(calls: Calls) -> Column:
    """Return new keys: registers that no operation joins, not even through others, are objects of their own.

    Linearizability is local (Herlihy & Wing 1990), so each may be judged alone. What touches no register stays with the first of its key.
    """
    row, register, _, _ = touched(calls)
    place, count = _numbered(calls.key[row], register)
    group = list(range(count))

    def first_of(one: int) -> int:
        while group[one] != one:
            group[one] = group[group[one]]
            one = group[one]
        return one

    beside = row[1:] == row[:-1]
    for joined in np.unique(place[:-1][beside] * count + place[1:][beside]).tolist():
        one, other = first_of(joined // count), first_of(joined % count)
        group[max(one, other)] = min(one, other)
    firsts = np.array([first_of(one) for one in group], dtype=np.int64)
    apart = np.full(len(calls), -1, dtype=np.int64)
    apart[row] = firsts[place] if len(place) else 0
    _, old = np.unique(calls.key, return_inverse=True)
    lone = apart < 0
    of_key = np.full(int(old.max(initial=-1)) + 1, -1, dtype=np.int64)
    of_key[old[~lone]] = apart[~lone]
    alone = of_key < 0
    of_key[alone] = len(group) + np.flatnonzero(alone)
    apart[lone] = of_key[old[lone]]
    _, dense = np.unique(apart, return_inverse=True)
    return dense.astype(np.int64)


def encode(calls: Calls) -> Encoded:
    """Encode all keys of `calls`, whose numbers are dense."""
    row, register, value, puts = touched(calls)
    keys = calls.keys
    place, registers = _numbered(calls.key[row], register)
    pair, beyond = _numbered(place, value)
    first_pair = np.zeros(beyond, dtype=np.int64)
    first_pair[pair] = place
    pair = np.where(value == NIL, place, registers + 1 + pair)
    known = calls.returned < INFINITY
    needs, left = _needs_and_puts(row, place, pair, puts == 1, registers)
    needs = needs[:, known[needs[0]]]
    changes = np.zeros(len(calls), dtype=np.bool_)
    changes[left[0]] = True
    by_key = np.argsort(calls.key, kind="stable")
    first = by_key[known[by_key]]
    last = by_key[(~known & changes)[by_key]]
    rows = np.concatenate([first, last])
    lines = np.arange(keys + 1)
    begin = np.searchsorted(calls.key[first], lines)
    crash_begin = np.searchsorted(calls.key[last], lines)
    step = np.full(len(calls), len(rows))
    step[rows] = np.arange(len(rows))
    need_begin, need = _by_step(step, needs, len(rows))
    put_begin, put = _by_step(step, left, len(rows))
    count = registers + 1 + beyond
    return Encoded(
        steps=Steps(
            begin=begin,
            crash_begin=len(first) + crash_begin,
            order_begin=begin + crash_begin,
            called=calls.called[rows],
            returned=calls.returned[rows],
            need_begin=need_begin,
            need=need,
            put_begin=put_begin,
            put=put,
            register=np.concatenate([np.arange(registers), [0], first_pair]),
            mark=marks(len(rows), 1),
            other_mark=marks(len(rows), 2),
            pair_mark=marks(count, 3),
            other_pair_mark=marks(count, 4),
        ),
        rows=rows,
        keys=keys,
        registers=registers,
        pairs=count,
    )


def _numbered(one: Column, other: Column) -> tuple[Column, int]:
    """Return a dense number for each two numbers, and how many there are."""
    code = one * (int(other.max(initial=0)) + 1) + other
    distinct, numbers = np.unique(code, return_inverse=True)
    return numbers.reshape(-1), len(distinct)


def _needs_and_puts(
    row: Column, place: Column, pair: Column, puts: Flags, never: int
) -> tuple[Column, Column]:
    """Return which pair each row needs, and which it leaves: two lines, rows and pairs."""
    order = np.lexsort((place, row))
    row, place, pair, puts = row[order], place[order], pair[order], puts[order]
    index = np.arange(len(row))
    fresh = np.ones(len(row), dtype=np.bool_)
    fresh[1:] = (row[1:] != row[:-1]) | (place[1:] != place[:-1])
    latest = np.maximum.accumulate(np.where(puts, index, -1))
    before = np.concatenate([[-1], latest])[: len(row)]
    own = before >= np.maximum.accumulate(np.where(fresh, index, 0))
    fits = own & (pair[before] == pair)
    seen = ~puts & ~fits
    width = int(pair.max(initial=never)) + 1
    needed = np.unique((row * width + np.where(own, never, pair))[seen])
    ends = np.ones(len(row), dtype=np.bool_)
    ends[:-1] = fresh[1:]
    group_begin = np.flatnonzero(fresh)
    stays = latest[ends]
    stays = stays[stays >= group_begin]
    return np.stack([needed // width, needed % width]), np.stack([row[stays], pair[stays]])


def _by_step(step: Column, pairs: Column, count: int) -> tuple[Column, Column]:
    """Return where the pairs of each step begin (and one more line), and these; of rows that are no step nothing stays."""
    of = step[pairs[0]]
    order = np.argsort(of, kind="stable")
    of, pair = of[order], pairs[1][order]
    begin = np.searchsorted(of, np.arange(count + 1))
    return begin, pair[: begin[-1]]
