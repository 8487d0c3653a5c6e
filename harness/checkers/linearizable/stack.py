"""A stack whose values are unique: peeled from the outside, all keys and all parts at once.

Operations are paired by value (`containers`). A value whose insertion and removal overlap can go in and out at one moment and
says nothing more; any other is certainly inside from the return of its insertion to the call of its removal. Where at some
moment nothing is certainly inside, the history falls into two parts that are judged apart. In a part without such a moment the
stack is never empty in between, so one value lies below all others: it can be any whose insertion was called before
all others returned and whose removal returned after all others were called (if there is an order at all, there
is one with it outermost). Such values are taken away, the rest falls into parts again, and so on; a part with no such value has
no order. Removals that found nothing need a moment between the parts of the first round.

Each round costs what is left in it, so a history costs its length times its depth; a bound on the whole work has a name.
"""

from __future__ import annotations

import numpy as np

from harness.checkers.linearizable.calls import Calls, Column, Flags, Monitored
from harness.checkers.linearizable.containers import Values, covering, found_empty, paired
from harness.checkers.linearizable.stages import no_keys

__all__ = ["WORK_MAX", "judge_stack"]

WORK_MAX = 200_000_000
"""Values looked at, over all rounds; what is not settled then is left to the search."""


def judge_stack(calls: Calls) -> Monitored:
    """Judge every key of a stack to which the monitor applies."""
    values = paired(calls)
    valid = values.applies.copy()
    windows = list(values.broken[:1])
    for rows in values.broken:
        valid[calls.key[list(rows)]] = False

    wrong = np.flatnonzero(~found_empty(values))
    valid[calls.key[values.empty[wrong]]] = False
    if len(wrong) and not windows:
        begin, finish = values.empty_called[wrong[0]], values.empty_returned[wrong[0]]
        inside = values.rows_of(covering(values, int(begin), int(finish)))
        windows.append(tuple(sorted([*inside, int(values.empty[wrong[0]])])))

    unsettled, stuck = _peel(values, valid)
    valid[unsettled] = False
    if len(stuck) and not windows:
        windows.append(values.rows_of(stuck))
    applies = values.applies & (valid | ~values.uncertain) & ~unsettled
    judged = [rows for rows in windows if applies[calls.key[rows[0]]]]
    return Monitored(applies=applies, valid=valid & applies, window=judged[0] if judged else ())


def _peel(values: Values, valid: Flags) -> tuple[Flags, Column]:
    """Peel until nothing is left; marks keys with a part that cannot be peeled as not valid.

    Returns the keys that were not settled, and the values of the first part that could not be peeled.
    """
    left, right = values.insert_returned, values.remove_called
    alive = np.flatnonzero((left < right) & valid[values.key])
    alive = alive[np.argsort(left[alive])]
    stuck = alive[:0]
    work = 0
    while len(alive):
        work += len(alive)
        if work > WORK_MAX:
            break
        reach = np.maximum.accumulate(right[alive])
        opens = np.ones(len(alive), dtype=np.bool_)
        opens[1:] = left[alive[1:]] > reach[:-1]
        part = np.cumsum(opens) - 1
        begins = np.flatnonzero(opens)
        first_return = left[alive[begins]]
        last_call = np.append(reach[begins[1:] - 1], reach[-1])
        outermost = (values.insert_called[alive] < first_return[part]) & (
            values.remove_returned[alive] > last_call[part]
        )
        peeled = np.bincount(part[outermost], minlength=len(begins)) > 0
        if not peeled.all():
            bad = np.flatnonzero(~peeled)
            if not len(stuck):
                stuck = alive[part == bad[0]]
            valid[values.key[alive[begins[bad]]]] = False
        alive = alive[~outermost & valid[values.key[alive]]]
    unsettled = no_keys(len(valid))
    unsettled[values.key[alive]] = True
    return unsettled, stuck
