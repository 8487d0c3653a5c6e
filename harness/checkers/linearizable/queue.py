"""Queues whose values are unique, first in, first out or in no order: O(n log n), all keys at once.

With operations paired by value (`containers`) a queue is linearizable iff (Henzinger, Sezgin & Vafeiadis 2013)

1. every removed value was inserted, once, and is removed once, not before its insertion was called;
2. for no two values was one inserted before the other (the first insertion returned before the second was called) and
   removed after it; a value that stays is removed after everything;
3. every removal that found nothing has a moment at which no value was certainly inside.

The second asks, for each value, for the latest removal among values inserted before it: a running maximum. A queue without an order
needs the other two: each value can leave as soon as it must and come as late as it may, whatever the others do.
"""

from __future__ import annotations

import numpy as np

from harness.checkers.linearizable.calls import Calls, Column, Monitored
from harness.checkers.linearizable.containers import Values, covering, found_empty, paired

__all__ = ["judge_queue", "judge_unordered_queue"]


def judge_queue(calls: Calls) -> Monitored:
    """Judge every key of a queue to which the monitor applies."""
    return _judged(calls, ordered=True)


def judge_unordered_queue(calls: Calls) -> Monitored:
    """Judge every key of a queue that hands out what it likes, where the monitor applies."""
    return _judged(calls, ordered=False)


def _judged(calls: Calls, *, ordered: bool) -> Monitored:
    values = paired(calls)
    valid = values.applies.copy()
    windows = list(values.broken[:1])
    for rows in values.broken:
        valid[calls.key[list(rows)]] = False

    if ordered:
        overtaken, overtaking = _overtaken(values)
        valid[values.key[overtaken]] = False
        if len(overtaken) and not windows:
            windows.append(values.rows_of(np.append(overtaking, overtaken[0])))

    wrong = np.flatnonzero(~found_empty(values))
    valid[calls.key[values.empty[wrong]]] = False
    if len(wrong) and not windows:
        begin, finish = values.empty_called[wrong[0]], values.empty_returned[wrong[0]]
        inside = values.rows_of(covering(values, int(begin), int(finish)))
        windows.append(tuple(sorted([*inside, int(values.empty[wrong[0]])])))

    applies = values.applies & (valid | ~values.uncertain)
    judged = [rows for rows in windows if applies[calls.key[rows[0]]]]
    return Monitored(applies=applies, valid=valid & applies, window=judged[0] if judged else ())


def _overtaken(values: Values) -> tuple[Column, Column]:
    """Return lines of values that left before one that was in first, and of those that were in before the first of them."""
    order = np.argsort(values.insert_returned)
    latest = np.maximum.accumulate(values.remove_called[order])
    earlier = np.searchsorted(values.insert_returned[order], values.insert_called) - 1
    late = np.where(earlier >= 0, latest[earlier], -1) if len(order) else latest
    overtaken = np.flatnonzero(late > values.remove_returned)
    return overtaken, np.flatnonzero(np.isin(values.remove_called, late[overtaken[:1]]))
