"""What the monitors share: time as one line for all keys, values as dense codes, and orders that are forced in stages.

A monitor often knows an order of groups that any explanation must follow (readers of the first list, appends behind
it, readers of the second ...). Then all that time can object to is one pair: an operation of a later group that returned before
one of an earlier group was called. `inversions` finds such pairs by a running maximum, for all keys at once.
"""

from __future__ import annotations

import numpy as np

from harness.checkers.linearizable.calls import INFINITY, NIL, Calls, Column, Flags

__all__ = ["dense", "finite_returns", "horizon", "inversions", "no_keys", "spread", "uncovered"]

_SPARE = 4
_SPARE_MIN = 1024
"""A table of keys times values may be this many times longer than the history (or this long)."""


def horizon(calls: Calls) -> int:
    """Return a position behind all others."""
    returned = calls.returned[calls.returned < INFINITY]
    last_return = int(returned.max()) if len(returned) else 0
    return max(last_return, int(calls.called[-1]) if len(calls) else 0) + 1


def finite_returns(calls: Calls, end: int) -> Column:
    """Return the return positions, `end` for operations that never returned."""
    return np.minimum(calls.returned, end)


def spread(position: Column, key: Column, end: int) -> Column:
    """Return positions of all keys on one line, each key on a stretch of its own; positions are -1 .. `end` + 1."""
    shifted: Column = key * (end + 3) + position + 1
    return shifted


def no_keys(keys: int) -> Flags:
    """Return a flag for each key, none of them set."""
    return np.zeros(keys, dtype=np.bool_)


def dense(key: Column, *values: Column) -> tuple[list[Column], int]:
    """Number the pairs (key, value) of some value columns; returns the numbers, and how many there may be.

    The pair (key, `NIL`) has the number of the key.
    """
    keys = int(key.max()) + 1 if len(key) else 0
    largest = max((int(value.max()) for value in values if len(value)), default=0)
    room = max(_SPARE * len(key), _SPARE_MIN)
    if keys * largest <= room:
        return [_apart(key, keys + key * largest + value - 1, value) for value in values], (
            keys * (largest + 1)
        )
    if largest <= room:
        owner = np.full(largest + 1, -1, dtype=np.int64)
        for value in values:
            owner[value] = key
        if all(bool(((owner[value] == key) | (value == NIL)).all()) for value in values):
            return [_apart(key, keys + value - 1, value) for value in values], keys + largest
    joined = np.concatenate([key * largest + value - 1 for value in values])
    found, numbers = np.unique(joined, return_inverse=True)
    parts = np.split(numbers.astype(np.int64) + keys, len(values))
    return [_apart(key, part, value) for part, value in zip(parts, values, strict=True)], (
        keys + len(found)
    )


def _apart(key: Column, number: Column, value: Column) -> Column:
    return np.where(value == NIL, key, number)


def inversions(segment: Column, stage: Column, called: Column, returned: Column) -> Column:
    """Return the pairs (of rows) that the order of stages forbids, one for each row that is too early.

    In each segment no row may return before a row of an earlier stage was called. Segments and stages
    are numbers from zero; one line of the result is (row called too late, row returned too early).
    """
    if not len(segment):
        return np.zeros((0, 2), dtype=np.int64)
    order = np.lexsort((called, stage, segment))
    end = int(called.max()) + 2
    sorted_segment, sorted_stage = segment[order], stage[order]
    latest = np.maximum.accumulate(sorted_segment * end + called[order])
    change = np.ones(len(order), dtype=np.bool_)
    change[1:] = (np.diff(sorted_segment) != 0) | (np.diff(sorted_stage) != 0)
    begin = np.maximum.accumulate(np.where(change, np.arange(len(order)), 0))
    before = begin - 1
    inside = (before >= 0) & (sorted_segment[before] == sorted_segment)
    earlier = np.where(inside, latest[before] - sorted_segment * end, -1)
    early = np.flatnonzero(returned[order] < earlier)
    by_call = np.argsort(called)
    late = by_call[np.searchsorted(called[by_call], earlier[early])]
    return np.stack([late, order[early]], axis=1)


def uncovered(left: Column, right: Column, begin: Column, finish: Column) -> Flags:
    """Return for each stretch begin .. finish whether some point of it lies in none of the intervals left .. right.

    The intervals must be open ended at distinct positions and sorted by `left`; all lie on one line.
    """
    if not len(left):
        return np.ones(len(begin), dtype=np.bool_)
    reach = np.maximum.accumulate(right)
    gap = np.ones(len(left), dtype=np.bool_)
    gap[1:] = left[1:] > reach[:-1]
    first = np.flatnonzero(gap)
    block_left = left[first]
    block_right = np.append(reach[first[1:] - 1], reach[-1])
    block = np.searchsorted(block_left, begin) - 1
    covered = (block >= 0) & (block_right[block] > finish)
    return ~covered
