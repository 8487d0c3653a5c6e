"""A counter that is only ever raised: reads of the value say what increments stand before them.

Reads stand in order of what they saw, in stages that time must agree with (`stages`). Between two neighbouring stages exactly
as many increments of one take effect as the values differ; behind the last, all that are left. An increment may stand in
the gaps from the first whose later reads all returned after its call to the last whose earlier reads were all
called before its return. Two increments may always change places if time puts them the other way round, so these
intervals are all there is to respect: filling the gaps from the left by earliest deadline succeeds if anything does. A crashed
increment has no deadline and is never owed. Where amounts differ, `amounts` fills the gaps. A key with one that is not
positive is not judged.
"""

from __future__ import annotations

import heapq

import msgspec
import numpy as np

from harness.checkers.linearizable.amounts import Add, Filling, fill
from harness.checkers.linearizable.calls import INFINITY, Calls, Column, Kind, Monitored
from harness.checkers.linearizable.stages import inversions, no_keys

__all__ = ["judge_counter", "order_counter"]


class _Filled(msgspec.Struct):
    """What became of one key: an order that explains it, or rows at which that failed."""

    order: list[int]
    window: tuple[int, ...] = ()
    known: bool = True


def judge_counter(calls: Calls) -> Monitored:
    """Judge every key of a counter to which the monitor applies."""
    applies = ~no_keys(calls.keys)
    applies[calls.key[(calls.kind == Kind.ADD) & (calls.value < 1)]] = False
    valid = applies.copy()
    window: tuple[int, ...] = ()
    for key, rows in _keys(calls):
        if applies[key]:
            found = _fill(calls, rows)
            applies[key] = found.known
            if not found.known:
                valid[key] = False
            elif found.window:
                valid[key] = False
                window = window or found.window
    return Monitored(applies=applies, valid=valid, window=window)


def order_counter(calls: Calls) -> Column:
    """Return rows in an order that explains every key that is valid."""
    orders = [_fill(calls, rows).order for _, rows in _keys(calls)]
    return np.array([row for order in orders for row in order], dtype=np.int64)


def _keys(calls: Calls) -> list[tuple[int, Column]]:
    """Return each key with its rows, in order of their calls."""
    if not len(calls):
        return []
    order = np.argsort(calls.key, kind="stable")
    keys, begin = np.unique(calls.key[order], return_index=True)
    return list(zip(keys.tolist(), np.split(order, begin[1:]), strict=True))


def _fill(calls: Calls, rows: Column) -> _Filled:
    """Put one key's increments into the gaps between its reads."""
    definite = calls.returned[rows] < INFINITY
    reading = calls.kind[rows] == Kind.READ
    reads, adds = rows[reading & definite], rows[~reading]
    values, stage = np.unique(calls.value[reads], return_inverse=True)
    if len(values) and values[0] < 0:
        return _Filled([], (int(reads[stage == 0][0]),))
    called, returned = calls.called[reads], calls.returned[reads]
    pairs = inversions(np.zeros_like(stage), stage, called, returned)
    if len(pairs):
        return _Filled([], tuple(sorted(reads[pairs[0]].tolist())))
    last_call = np.full(len(values), -1, dtype=np.int64)
    np.maximum.at(last_call, stage, called)
    first_return = np.full(len(values), INFINITY, dtype=np.int64)
    np.minimum.at(first_return, stage, returned)
    earlier = np.maximum.accumulate(last_call)
    later = np.minimum.accumulate(first_return[::-1])[::-1]
    opens = np.searchsorted(later, calls.called[adds], side="right")
    closes = np.searchsorted(earlier, calls.returned[adds], side="left")
    nowhere = np.flatnonzero(opens > closes)
    if len(nowhere):
        return _Filled([], _around(calls, int(adds[nowhere[0]]), reads))
    by_opening = np.argsort(opens, kind="stable")
    room = np.diff(values, prepend=0).tolist()
    by_stage = np.argsort(stage, kind="stable")
    members = np.split(reads[by_stage], np.cumsum(np.bincount(stage))[:-1])[: len(values)]
    if (calls.value[adds] != 1).any():
        spans = np.stack(
            [calls.returned[adds], adds, calls.called[adds], calls.value[adds], opens, closes]
        )
        found = fill([Add(*span) for span in spans.T.tolist()], room)
        return _filled(found, [member.tolist() for member in members])
    return _sweep(
        list(zip(opens[by_opening].tolist(), closes[by_opening].tolist(), strict=True)),
        adds[by_opening].tolist(),
        calls.returned[adds[by_opening]].tolist(),
        room,
        [member.tolist() for member in members],
    )


def _around(calls: Calls, add: int, reads: Column) -> tuple[int, ...]:
    """Return an increment that fits in no gap, with the two reads that say so: one before it saw more than one behind it."""
    before = reads[calls.returned[reads] < calls.called[add]]
    behind = reads[calls.called[reads] > calls.returned[add]]
    highest = before[np.argmax(calls.value[before])]
    lowest = behind[np.argmin(calls.value[behind])]
    return tuple(sorted([add, int(highest), int(lowest)]))


def _filled(found: Filling, reads: list[list[int]]) -> _Filled:
    """Return the order, or a read that nothing leads to, with the one before it and who could have taken effect."""
    if found.failed < 0:
        last = found.gaps[-1]
        each = zip(found.gaps[:-1], reads, strict=True)
        return _Filled([row for gap, read in each for row in (*gap, *read)] + last)
    shown = [reads[gap][0] for gap in range(max(found.failed - 1, 0), found.failed + 1)]
    return _Filled([], tuple(sorted([*shown, *found.waiting])), found.known)


def _sweep(
    spans: list[tuple[int, int]],
    adds: list[int],
    returned: list[int],
    room: list[int],
    reads: list[list[int]],
) -> _Filled:
    """Fill gap after gap by earliest deadline; `reads` stand behind the gap of their number."""
    waiting: list[tuple[int, int, int]] = []
    order: list[int] = []
    following = 0
    for gap, needed in enumerate(room):
        while following < len(adds) and spans[following][0] <= gap:
            heapq.heappush(waiting, (spans[following][1], returned[following], adds[following]))
            following += 1
        if len(waiting) < needed:
            return _Filled([], (reads[gap][0],))
        taken = sorted(heapq.heappop(waiting)[2] for _ in range(needed))
        if waiting and waiting[0][0] <= gap:
            return _Filled([], tuple(sorted([waiting[0][2], reads[gap][0]])))
        order += [*taken, *reads[gap]]
    left = [row for _, end, row in waiting if end < INFINITY]
    left += [
        row
        for row, end in zip(adds[following:], returned[following:], strict=True)
        if end < INFINITY
    ]
    return _Filled(order + sorted(left))
