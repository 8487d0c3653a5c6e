"""What is in the causal past of each access: vector clocks over the sessions that write.

A clock has a column for every session that writes, and says how many of that session's writes are in the past of an access, itself
included. One write is in the past of another access exactly if the clock of that access has reached it. Clocks are made for a
block of columns at a time, so that memory stays bounded when processes crashed and sessions are many.

`overtaking` finds, for reads, the last write of each session to the same register that is in their past, and neither the one that they
saw nor in its past: all that the patterns of causal consistency ask about, since whatever holds of an earlier write of the session
holds of that one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from harness.checkers.causal.accesses import INITIAL, WRITE, Accesses

__all__ = ["Clocks", "Overtaken"]

Integers = npt.NDArray[np.int64]
Rows = npt.NDArray[np.uint16 | np.uint32]

BLOCK_BYTES = 1 << 28
"""So much memory the clocks of one block may take: 1,280 sessions of a hundred thousand accesses, if none writes 65,536 times."""


READS_AT_ONCE = 1024
"""Reads that are held against all sessions together: what that makes fits the processor's cache."""


class Overtaken(msgspec.Struct, frozen=True):
    """Reads, and for each a write to its register in its past that is news to the write that it saw."""

    reads: Integers
    writes: Integers


class _Index(msgspec.Struct, frozen=True):
    """The writes of one block of columns, by register and session: a group each, in order."""

    writes: Integers
    group: Integers
    place: Integers
    """Group and ordinal in one number, rising."""
    begin: Integers
    """Where each group begins in `writes`."""
    column: Integers
    """The session of each group, counted from the block's first."""
    first_group: Integers
    """Where the groups of each register begin; one more than there are registers."""


class Clocks:
    """The clocks of a history in which no access precedes itself."""

    def __init__(
        self,
        accesses: Accesses,
        order: Sequence[int],
        further: Mapping[int, list[int]] | None = None,
    ) -> None:
        """`order` is a topological one of the accesses that matter; `further`: what precedes an access besides."""
        self._accesses = accesses
        self._order = order
        self._further = further or {}
        writes = accesses.writes
        sessions = dict.fromkeys(accesses.session[write] for write in writes)
        columns = {session: column for column, session in enumerate(sessions)}
        self.columns = len(columns)
        count = len(accesses)
        self.place = np.zeros(count, np.int64)
        """Where in the order each access stands."""
        self.place[np.array(order, np.int64)] = np.arange(len(order))
        self.column = np.full(count, -1, np.int64)
        """The column of each write."""
        self.ordinal = np.full(count, -1, np.int64)
        """How many writes of its session stand in front of each write."""
        written = [0] * self.columns
        for write in writes:
            column = columns[accesses.session[write]]
            self.column[write], self.ordinal[write] = column, written[column]
            written[column] += 1
        self._number = np.uint16 if max(written, default=0) < 1 << 16 else np.uint32
        self._block = max(1, BLOCK_BYTES // (self._number().itemsize * (count + 1)))
        """Columns of one block."""
        self._key = np.array(accesses.key, np.int64)
        self._saw = np.array(accesses.saw, np.int64)
        self._kept: tuple[int, Rows] | None = None

    def rows(self, first: int) -> Rows:
        """The clocks of all accesses, for the block of columns that begins with `first`. The last row is nobody's."""
        if self._kept is not None and self._kept[0] == first:
            return self._kept[1]
        width = min(self._block, self.columns - first)
        accesses, previous, saw = self._accesses, self._accesses.previous, self._accesses.saw
        rows: Rows = np.zeros((len(accesses) + 1, width), self._number)
        column = (self.column - first).tolist()
        maximum = np.maximum
        for access in self._order:
            row = rows[access]
            writer = saw[access]
            if writer >= 0:
                maximum(rows[previous[access]], rows[writer], out=row)
            else:
                row[:] = rows[previous[access]]
            for other in self._further.get(access, ()):
                maximum(row, rows[other], out=row)
            if writer == WRITE and 0 <= column[access] < width:
                row[column[access]] += 1
        self._kept = (first, rows)
        return rows

    def blocks(self) -> Iterator[int]:
        """The first column of each block."""
        return iter(range(0, self.columns, self._block))

    def overtaking(self, reads: Integers) -> Overtaken:
        """For `reads`, which saw a write or nothing: see the module."""
        found = []
        for first in self.blocks():
            index, rows = self._index(first), self.rows(first)
            for begin in range(0, len(reads), READS_AT_ONCE):
                some = reads[begin : begin + READS_AT_ONCE]
                found.append(self._overtaking(some, index, rows))
        empty = np.empty(0, np.int64)
        return Overtaken(
            np.concatenate([empty, *[one.reads for one in found]]),
            np.concatenate([empty, *[one.writes for one in found]]),
        )

    def _overtaking(self, reads: Integers, index: _Index, rows: Rows) -> Overtaken:
        begin = index.first_group[self._key[reads]]
        counts = index.first_group[self._key[reads] + 1] - begin
        reader = np.repeat(reads, counts)
        within = np.arange(len(reader)) - np.repeat(np.cumsum(counts) - counts, counts)
        group = np.repeat(begin, counts) + within
        column = index.column[group]
        saw = self._saw[reader]
        reached = rows[reader, column]
        known = rows[np.where(saw >= 0, saw, len(self._accesses)), column]
        news = np.flatnonzero(reached > known)
        reader, group, reached, known = reader[news], group[news], reached[news], known[news]
        last = np.searchsorted(index.place, group * (len(self._accesses) + 1) + reached) - 1
        there = last >= index.begin[group]
        reader, write, known = reader[there], index.writes[last[there]], known[there]
        unknown = known <= self.ordinal[write]
        return Overtaken(reader[unknown], write[unknown])

    def _index(self, first: int) -> _Index:
        """The writes of a block, by register and session."""
        within = (self.column >= first) & (self.column < first + self._block)
        writes = np.flatnonzero(within)
        order = np.lexsort((self.ordinal[writes], self.column[writes], self._key[writes]))
        writes = writes[order]
        key, column = self._key[writes], self.column[writes] - first
        new = np.ones(len(writes), np.bool_)
        new[1:] = (np.diff(key) != 0) | (np.diff(column) != 0)
        group = np.cumsum(new) - 1
        begin = np.flatnonzero(new)
        registers = len(self._accesses.keys)
        return _Index(
            writes=writes,
            group=group,
            place=group * (len(self._accesses) + 1) + self.ordinal[writes],
            begin=begin,
            column=column[begin],
            first_group=np.searchsorted(key[begin], np.arange(registers + 1)),
        )

    def precedes(self, first: Integers, second: Integers) -> npt.NDArray[np.bool_]:
        """For each pair whether the write `first` is in the past of the access `second`."""
        known = np.zeros(len(first), np.bool_)
        possible = self.place[first] < self.place[second]
        for block in self.blocks():
            column = self.column[first] - block
            here = np.flatnonzero(possible & (column >= 0) & (column < self._block))
            if not len(here):
                continue
            reached = self.rows(block)[second[here], column[here]]
            known[here] = reached > self.ordinal[first[here]]
        return known

    def telling(self) -> Integers:
        """The reads that say something: they saw a write, or that there was none."""
        return np.flatnonzero((self._saw >= 0) | (self._saw == INITIAL))
