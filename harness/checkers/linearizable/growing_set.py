"""A set that only grows, read as a whole, each element added once: O(n log n) in operations and items seen.

Whole reads order everything. Those of a linearizable set hold one another, so they stand in order of their size, reads of equal
size being equal; an element goes in between the last read without it and the first with it; one that no
read saw goes behind all reads. What is left to ask is whether time agrees with these stages (`stages`). A crashed add counts
when its element was seen. A key in which an element is added twice is not judged here.
"""

from __future__ import annotations

import msgspec
import numpy as np

from harness.checkers.linearizable.calls import INFINITY, Calls, Column, Flags, Kind, Monitored
from harness.checkers.linearizable.stages import (
    dense,
    finite_returns,
    horizon,
    inversions,
    no_keys,
)

__all__ = ["judge_growing_set", "order_growing_set"]


class _Stages(msgspec.Struct):
    """Which rows count, in which stage of its key each stands, and the rows that break the order of reads."""

    applies: Flags
    rows: Column
    stage: Column
    broken: list[tuple[int, ...]]


def judge_growing_set(calls: Calls) -> Monitored:
    """Judge every key of a set to which the monitor applies."""
    found = _stages(calls)
    rows = found.rows
    returned = finite_returns(calls, horizon(calls))
    pairs = inversions(calls.key[rows], found.stage, calls.called[rows], returned[rows])
    broken = found.broken + [(first, second) for first, second in rows[pairs].tolist()]
    valid = found.applies.copy()
    for window in broken:
        valid[calls.key[list(window)]] = False
    return Monitored(
        applies=found.applies, valid=valid, window=tuple(sorted(broken[0])) if broken else ()
    )


def order_growing_set(calls: Calls) -> Column:
    """Return rows in an order that explains every key that is valid."""
    found = _stages(calls)
    rows = found.rows
    return rows[np.lexsort((calls.called[rows], found.stage, calls.key[rows]))]


def _stages(calls: Calls) -> _Stages:
    """Stand every row that counts in its stage: 2 s for reads of size rank s, 2 s - 1 for elements first seen there."""
    adds = calls.kind == Kind.ADD
    definite = calls.returned < INFINITY
    reads = np.flatnonzero(~adds & definite)
    sizes = calls.sizes()[reads]
    seen = calls.select(reads).items if len(calls.begin) else np.zeros(0, dtype=np.int64)
    reader = np.repeat(np.arange(len(reads)), sizes)
    rank = _rank_by_size(calls.key[reads], sizes)
    item_key = calls.key[reads][reader]
    (numbers,), codes = dense(
        np.concatenate([calls.key, item_key]), np.concatenate([calls.value, seen])
    )
    added, saw = numbers[: len(calls)], numbers[len(calls) :]
    times = np.bincount(added[adds], minlength=codes)
    applies = ~no_keys(calls.keys)
    applies[calls.key[adds & (times[added] > 1)]] = False

    first = np.full(codes, len(reads) + 1, dtype=np.int64)
    np.minimum.at(first, saw, rank[reader])
    broken = _broken_reads(
        reads=reads,
        rank=rank,
        key=calls.key[reads],
        reader=reader,
        saw=saw,
        first=first,
        exists=times > 0,
    )
    kept = [window for window in broken if applies[calls.key[window[0]]]]

    behind = len(reads) + 1
    unseen = first[added] == behind
    counts = applies[calls.key] & np.where(adds, definite | ~unseen, definite)
    stage = np.where(unseen, 2 * behind, 2 * first[added] - 1)
    stage[reads] = 2 * rank
    rows = np.flatnonzero(counts)
    return _Stages(applies=applies, rows=rows, stage=stage[rows], broken=kept)


def _rank_by_size(key: Column, sizes: Column) -> Column:
    """Return for each read how many smaller sizes its key's reads have, counted from 1."""
    order = np.lexsort((sizes, key))
    new_key = np.ones(len(order), dtype=np.bool_)
    new_key[1:] = np.diff(key[order]) != 0
    new = new_key.copy()
    new[1:] |= np.diff(sizes[order]) != 0
    total = np.cumsum(new)
    before = np.maximum.accumulate(np.where(new_key, total - 1, 0))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = total - before
    return rank


def _broken_reads(
    *,
    reads: Column,
    rank: Column,
    key: Column,
    reader: Column,
    saw: Column,
    first: Column,
    exists: Flags,
) -> list[tuple[int, ...]]:
    """Return rows of reads that hold what was never added or hold it twice, and of reads that do not hold one another."""
    broken: list[tuple[int, ...]] = [(row,) for row in reads[reader[~exists[saw]]].tolist()]
    order = np.lexsort((saw, reader))
    twice = (np.diff(saw[order]) == 0) & (np.diff(reader[order]) == 0)
    broken += [(row,) for row in reads[reader[order[1:][twice]]].tolist()]
    by_rank = np.lexsort((rank, key))
    wide = len(reads) + 3
    line = key[by_rank] * wide + rank[by_rank]
    owner = np.zeros(len(first), dtype=np.int64)
    owner[saw] = key[reader]
    seen = np.unique(saw)
    from_there = np.searchsorted(line, owner[seen] * wide + wide - 1) - np.searchsorted(
        line, owner[seen] * wide + first[seen]
    )
    missed = seen[np.bincount(saw, minlength=len(first))[seen] != from_there]
    for element in missed.tolist():
        holders = reader[saw == element]
        alike = key == owner[element]
        later = np.flatnonzero(alike & (rank >= first[element]))
        without = later[~np.isin(later, holders)]
        if len(without):
            holder = holders[np.argmin(rank[holders])]
            broken.append((int(reads[holder]), int(reads[without[0]])))
    return broken
