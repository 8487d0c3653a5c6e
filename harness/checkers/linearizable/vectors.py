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

from harness.checkers.linearizable.calls import INFINITY, NIL, Calls, Column, Kind
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


class _Pairs:
    """Numbers for registers and pairs as they turn up."""

    def __init__(self, registers: dict[tuple[int, int], int]) -> None:
        self._registers = registers
        self.never = len(registers)
        """The pair that no register ever is."""
        self._numbers: dict[tuple[int, int], int] = {}
        self.register = [*range(len(registers)), 0]

    def number(self, key: int, register: int, value: int) -> int:
        place = self._registers[key, register]
        if value == NIL:
            return place
        number = self._numbers.setdefault((place, value), len(self.register))
        if number == len(self.register):
            self.register.append(place)
        return number


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
    _, place = np.unique(np.stack([calls.key[row], register]), axis=1, return_inverse=True)
    place = place.reshape(-1)
    group = list(range(int(place.max(initial=-1)) + 1))

    def first_of(one: int) -> int:
        while group[one] != one:
            group[one] = group[group[one]]
            one = group[one]
        return one

    before, before_row = -1, -1
    for here, here_row in zip(place.tolist(), row.tolist(), strict=True):
        if here_row == before_row:
            one, other = first_of(before), first_of(here)
            group[max(one, other)] = min(one, other)
        before, before_row = here, here_row
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
    registers: dict[tuple[int, int], int] = {}
    for whose in zip(calls.key[row].tolist(), register.tolist(), strict=True):
        registers.setdefault(whose, len(registers))
    pairs = _Pairs(registers)
    definite = calls.returned < INFINITY
    needs: list[list[int]] = [[] for _ in range(len(calls))]
    left: list[dict[int, int]] = [{} for _ in range(len(calls))]
    told = (calls.key[row], row, register, value, puts, definite[row])
    for key, at, place, seen, put, known in zip(*(one.tolist() for one in told), strict=True):
        pair = pairs.number(key, place, seen)
        if put:
            left[at][place] = pair
        elif known and place in left[at]:
            needs[at] += [] if left[at][place] == pair else [pairs.never]
        elif known:
            needs[at].append(pair)
    by_key = np.argsort(calls.key, kind="stable")
    first = by_key[definite[by_key]]
    changes = np.array([bool(one) for one in left], dtype=np.bool_)
    last = by_key[(~definite & changes)[by_key]]
    rows = np.concatenate([first, last])
    lines = np.arange(keys + 1)
    begin = np.searchsorted(calls.key[first], lines)
    crash_begin = np.searchsorted(calls.key[last], lines)
    need_begin, need = _flat([list(dict.fromkeys(needs[at])) for at in rows.tolist()])
    put_begin, put = _flat([list(left[at].values()) for at in rows.tolist()])
    count = len(pairs.register)
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
            register=np.array(pairs.register, dtype=np.int64),
            mark=marks(len(rows), 1),
            other_mark=marks(len(rows), 2),
            pair_mark=marks(count, 3),
            other_pair_mark=marks(count, 4),
        ),
        rows=rows,
        keys=keys,
        registers=len(registers),
        pairs=count,
    )


def _flat(lists: list[list[int]]) -> tuple[Column, Column]:
    """Return where each list begins when all stand behind each other (and one more line), and that."""
    begin = np.concatenate([[0], np.cumsum([len(one) for one in lists], dtype=np.int64)])
    return begin, np.fromiter((one for each in lists for one in each), np.int64, int(begin[-1]))
