"""What a verdict can be checked by: an order that explains a valid history, a small window that nothing explains.

An order comes from the monitor or the search that judged the key, and `verify` checks it; the monitors of queues
and stacks make none, so there a search does. A window comes from a history by *sound* steps only, ones that never make an
explainable history inexplicable:

* what happened after some position is cut off, and what had not returned then may or may not have happened;
* reads may go; in registers writes too whose value nobody left needs; in containers all operations of one value.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from harness.checkers.linearizable.by_search import search_each_key
from harness.checkers.linearizable.calls import INFINITY, NIL, Calls, Column, Kind, Monitored
from harness.checkers.linearizable.counter import judge_counter, order_counter
from harness.checkers.linearizable.growing_set import judge_growing_set, order_growing_set
from harness.checkers.linearizable.queue import judge_queue
from harness.checkers.linearizable.search import SEES_ONLY, Budget
from harness.checkers.linearizable.stack import judge_stack
from harness.checkers.linearizable.zones import judge_zones, order_by_zones

__all__ = ["MONITORS", "Monitor", "monitor_for", "order_of", "window_of"]

_WORK_MAX = 1_000_000
"""Steps searched and rows looked at while rows go; then a window stays as it is."""

_CUT_BUDGET = Budget(steps_max=500_000, remembered_max=500_000)
_TEST_BUDGET = Budget(steps_max=50_000, remembered_max=50_000)
"""What one judgement may use while the end is cut off (a few of them), and while rows go; one that needs more counts as
explained."""


class Monitor(msgspec.Struct, frozen=True):
    """A monitor, and what turns its verdict into an order, where it can."""

    name: str
    judge: Callable[[Calls], Monitored]
    order: Callable[[Calls], Column] | None


_ZONES = Monitor("zones", judge_zones, order_by_zones)

MONITORS = {
    "register": _ZONES,
    "cas-register": _ZONES,
    "kv": _ZONES,
    "set": Monitor("growing set", judge_growing_set, order_growing_set),
    "counter": Monitor("counter", judge_counter, order_counter),
    "queue": Monitor("queue", judge_queue, None),
    "stack": Monitor("stack", judge_stack, None),
}


def monitor_for(calls: Calls, model: str) -> Monitor | None:
    """Return the monitor that may judge keys of `calls`; a key-value store is one of registers while nobody appends."""
    if model == "kv" and np.isin(calls.kind, (Kind.APPEND, Kind.READ_LIST)).any():
        return None
    return MONITORS.get(model)


def order_of(calls: Calls, model: str, budget: Budget) -> Column:
    """Return rows in an order that explains every key that is linearizable and could be settled within `budget`."""
    parts = []
    rest = np.arange(len(calls))
    monitor = monitor_for(calls, model)
    if monitor is not None and monitor.order is not None:
        found = monitor.judge(calls)
        good = np.flatnonzero((found.applies & found.valid)[calls.key])
        parts.append(good[monitor.order(calls.select(good))] if len(good) else good)
        rest = np.flatnonzero(~found.applies[calls.key])
    if len(rest):
        searched = search_each_key(calls.select(rest), model, budget)
        parts += [rest[order] for order in searched.orders]
    return np.concatenate(parts) if parts else rest


def window_of(calls: Calls, model: str) -> tuple[int, ...]:
    """Return few rows of `calls` (of one key, not linearizable) that are not linearizable by themselves.

    Their returns count as in the prefix of the history that ends where the last of them is needed.
    """
    positions = np.unique(calls.returned[calls.returned < INFINITY])
    low, high = 0, len(positions) - 1
    while low < high:
        middle = (low + high) // 2
        if _inexplicable(_until(calls, int(positions[middle])), model, _CUT_BUDGET)[0]:
            high = middle
        else:
            low = middle + 1
    if not len(positions):
        return ()
    short = _until(calls, int(positions[low]))
    kept = np.arange(len(short))
    unit = len(kept)
    work = 0
    while unit > 1:
        unit = (unit + 1) // 2
        begin = 0
        while begin < len(kept) and work < _WORK_MAX:
            fewer = _closed(short, model, np.delete(kept, np.s_[begin : begin + unit]))
            wrong = False
            if len(fewer) < len(kept):
                wrong, steps = _inexplicable(short.select(fewer), model, _TEST_BUDGET)
                work += steps + len(fewer)
            if wrong:
                kept = fewer
            else:
                begin += unit
    return tuple(kept.tolist())


def _inexplicable(calls: Calls, model: str, budget: Budget) -> tuple[bool, int]:
    """Return whether no order explains `calls`, as far as `budget` can tell, and what it cost."""
    found = search_each_key(calls, model, budget)
    return bool((found.valid == 0).any()), int(found.steps.sum())


def _until(calls: Calls, position: int) -> Calls:
    """Return the history as it was at `position`."""
    begun = calls.select(np.flatnonzero(calls.called <= position))
    returned = np.where(begun.returned <= position, begun.returned, INFINITY)
    return msgspec.structs.replace(begun, returned=returned)


def _closed(calls: Calls, model: str, kept: Column) -> Column:
    """Return `kept` and the rows without which it would say more than the history did."""
    needed = np.zeros(len(calls), dtype=np.bool_)
    needed[kept] = True
    if model in ("queue", "stack"):
        inside = calls.value != NIL
        needed |= inside & np.isin(calls.value, calls.value[needed & inside])
    elif model in ("register", "cas-register"):
        written = np.where(calls.kind == Kind.CAS, calls.value_to, calls.value)
        writing, seeing = calls.kind != Kind.READ, calls.kind != Kind.WRITE
        size = -1
        while size != needed.sum():
            size = needed.sum()
            needed |= writing & np.isin(written, calls.value[needed & seeing])
    else:
        needed |= ~np.isin(calls.kind, sorted(SEES_ONLY))
    return np.flatnonzero(needed)
