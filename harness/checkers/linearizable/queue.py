"""A first-in, first-out queue whose values are unique: O(n log n), all keys at once.

With operations paired by value (`containers`) a queue is linearizable iff (Henzinger, Sezgin & Vafeiadis 2013)

1. every removed value was inserted, once, and is removed once, not before its insertion was called;
2. for no two values was one inserted before the other (the first insertion returned before the second was called) and
   removed after it; a value that stays is removed after everything;
3. every removal that found nothing has a moment at which no value was certainly inside.

The second asks, for each value, for the latest removal among values inserted before it: a running maximum.
"""

from __future__ import annotations

import numpy as np

from harness.checkers.linearizable.calls import Calls, Monitored
from harness.checkers.linearizable.containers import covering, found_empty, paired

__all__ = ["judge_queue"]


def judge_queue(calls: Calls) -> Monitored:
    """Judge every key of a queue to which the monitor applies."""
    values = paired(calls)
    valid = values.applies.copy()
    windows = list(values.broken[:1])
    for rows in values.broken:
        valid[calls.key[list(rows)]] = False

    order = np.argsort(values.insert_returned)
    latest = np.maximum.accumulate(values.remove_called[order])
    earlier = np.searchsorted(values.insert_returned[order], values.insert_called) - 1
    late = np.where(earlier >= 0, latest[earlier], -1) if len(order) else latest
    overtaken = np.flatnonzero(late > values.remove_returned)
    valid[values.key[overtaken]] = False
    if len(overtaken) and not windows:
        second = overtaken[0]
        first = np.flatnonzero(values.remove_called == late[second])
        windows.append(values.rows_of(np.append(first, second)))

    wrong = np.flatnonzero(~found_empty(values))
    valid[calls.key[values.empty[wrong]]] = False
    if len(wrong) and not windows:
        begin, finish = values.empty_called[wrong[0]], values.empty_returned[wrong[0]]
        inside = values.rows_of(covering(values, int(begin), int(finish)))
        windows.append(tuple(sorted([*inside, int(values.empty[wrong[0]])])))

    applies = values.applies & (valid | ~values.uncertain)
    judged = [rows for rows in windows if applies[calls.key[rows[0]]]]
    return Monitored(applies=applies, valid=valid & applies, window=judged[0] if judged else ())
