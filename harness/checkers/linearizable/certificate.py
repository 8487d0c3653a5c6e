"""The monitors, and orders that explain valid histories: what a verdict can be checked by.

An order comes from the monitor or the search that judged the key, and `verify` checks it; the monitors of queues
and stacks make none, so there a search does. Windows of monitors come with their verdicts, others from `windows`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from harness.checkers.linearizable.by_search import search_each_key
from harness.checkers.linearizable.calls import Calls, Column, Kind, Monitored
from harness.checkers.linearizable.counter import judge_counter, order_counter
from harness.checkers.linearizable.growing_set import judge_growing_set, order_growing_set
from harness.checkers.linearizable.queue import judge_queue, judge_unordered_queue
from harness.checkers.linearizable.search import Budget
from harness.checkers.linearizable.stack import judge_stack
from harness.checkers.linearizable.zones import judge_zones, order_by_zones

__all__ = ["MONITORS", "Monitor", "monitor_for", "order_of"]


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
    "unordered-queue": Monitor("unordered queue", judge_unordered_queue, None),
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
