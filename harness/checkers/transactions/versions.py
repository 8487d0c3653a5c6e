"""Which write is behind a (key, value), and which micro-operations of a transaction share a key; nothing here judges.

Both are needed for every element of a history, so both work on whole columns: a table per key where its values lie close
together (as counters do), a sorted column otherwise.
"""

from __future__ import annotations

import msgspec
import numpy as np

from harness.checkers.transactions.transactions import (
    INFO,
    READ,
    WRITE,
    Flags,
    Integers,
    Transactions,
)

__all__ = ["NOBODY", "Groups", "Writes", "group", "spans"]

NOBODY = -1
"""No micro-operation."""

_TABLE_FACTOR = 16
"""A table may have this many places for each write; beyond it a sorted column needs less."""


class Writes:
    """Finds the micro-operation that wrote a (key, value); every write of every transaction is known here."""

    def __init__(self, transactions: Transactions) -> None:
        positions = np.flatnonzero(transactions.f == WRITE)
        keys, values = transactions.key[positions], transactions.value[positions]
        count = len(transactions.keys)
        self._low = np.full(count, np.iinfo(np.int64).max)
        high = np.full(count, -1 - np.iinfo(np.int64).max)
        np.minimum.at(self._low, keys, values)
        np.maximum.at(high, keys, values)
        places = np.maximum(high.astype(float) - self._low.astype(float) + 1, 0)
        self._dense = bool(places.sum() <= _TABLE_FACTOR * len(positions) + 1)
        if self._dense:
            self._span = np.where(high < self._low, 0, high - self._low + 1)
            self._base = np.cumsum(self._span) - self._span
            table_size = int(self._span.sum()) + 1
        else:
            self._distinct = np.unique(values)
            self._pairs = np.unique(self._pair(keys, values))
            table_size = len(self._pairs) + 1
        self._table = np.full(table_size, NOBODY, np.int64)
        places_of_writes = self._place(keys, values)
        self._table[places_of_writes] = positions
        self.repeated: Integers = positions[self._table[places_of_writes] != positions]
        """Writes of a value that was written to the same key again: versions cannot be told apart."""

    def find(self, keys: Integers, values: Integers) -> Integers:
        """Return for each (key, value) the position of its write, `NOBODY` where there is none."""
        found: Integers = self._table[self._place(keys, values)]
        return found

    def _place(self, keys: Integers, values: Integers) -> Integers:
        """Return the place in the table; the last place is nobody's."""
        if self._dense:
            place = values - self._low[keys]
            inside = (values >= self._low[keys]) & (place < self._span[keys])
            return np.where(inside, self._base[keys] + place, len(self._table) - 1)
        if not len(self._pairs):
            return np.zeros(len(keys), np.int64)
        pairs = self._pair(keys, values)
        place = np.minimum(np.searchsorted(self._pairs, pairs), len(self._pairs) - 1)
        known = self._distinct[self._rank(values)] == values
        return np.where(known & (self._pairs[place] == pairs), place, len(self._pairs))

    def _rank(self, values: Integers) -> Integers:
        return np.minimum(np.searchsorted(self._distinct, values), len(self._distinct) - 1)

    def _pair(self, keys: Integers, values: Integers) -> Integers:
        return keys * len(self._distinct) + self._rank(values)


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """Micro-operations that share transaction and key with another one, group by group and in their order.

    `position` is the micro-operation; `first` and `last` are the bounds of each one's group, as indices into these columns.
    `reading` marks reads whose result is known.
    """

    position: Integers
    first: Integers
    last: Integers
    reading: Flags

    def before(self, chosen: Flags) -> Integers:
        """Return for each the index of the last chosen one before it in its group, or `NOBODY`."""
        index = np.arange(len(self.position))
        latest = np.maximum.accumulate(np.where(chosen, index, NOBODY))
        before = np.concatenate(([NOBODY], latest))[: len(index)]
        return np.where(before >= self.first, before, NOBODY)

    def behind(self, chosen: Flags) -> Integers:
        """Return for each the index of the first chosen one behind it in its group, or `NOBODY`."""
        index = np.arange(len(self.position))
        earliest = np.minimum.accumulate(np.where(chosen, index, len(index))[::-1])[::-1]
        behind = np.concatenate((earliest, [len(index)]))[1:]
        return np.where(behind <= self.last, behind, NOBODY)


def group(transactions: Transactions) -> tuple[Groups, Flags]:
    """Return the groups of more than one, and for each micro-operation whether it is its group's last write."""
    pair = transactions.transaction * max(len(transactions.keys), 1) + transactions.key
    order = np.argsort(pair, kind="stable")
    sorted_pair = pair[order]
    same = sorted_pair[1:] == sorted_pair[:-1]
    shared = np.concatenate((same, [False])) | np.concatenate(([False], same))
    shared = shared[: len(order)]
    position = order[shared]
    start, end = spans(sorted_pair[shared])
    length = end - start
    unknown = transactions.status[transactions.transaction[position]] >= INFO
    groups = Groups(
        position=position,
        first=np.repeat(start, length),
        last=np.repeat(end - 1, length),
        reading=(transactions.f[position] == READ) & ~unknown,
    )
    final = transactions.f == WRITE
    writing = transactions.f[position] == WRITE
    index = np.arange(len(position))
    last_write = np.full(len(start), NOBODY)
    if len(start):
        last_write = np.maximum.reduceat(np.where(writing, index, NOBODY), start)
    final[position] = writing & (np.repeat(last_write, length) == index)
    return groups, final


def spans(sorted_column: Integers) -> tuple[Integers, Integers]:
    """Return where each run of equal numbers starts, and where it ends."""
    change = np.flatnonzero(sorted_column[1:] != sorted_column[:-1]) + 1
    if not len(sorted_column):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate(([0], change)), np.concatenate((change, [len(sorted_column)]))
