"""One key's sweep from outside: what it starts from, how much room and patience it gets, and its answer.

A hasty sweep comes first, then one that leaves nothing out while there are few enough places. Neither knows lists.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np

from harness.checkers.linearizable.calls import Calls, Column
from harness.checkers.linearizable.compiled import COMPILED, column
from harness.checkers.linearizable.encoding import Encoded, Steps, encode
from harness.checkers.linearizable.places import (
    FIELDS,
    NOW_PLACES,
    OPEN_MAX,
    USED,
    WIDTH,
    Open,
    Room,
    spent,
)
from harness.checkers.linearizable.returns import Timeline
from harness.checkers.linearizable.search import Budget
from harness.checkers.linearizable.sweep import (
    DEAD_END,
    EXPLAINED,
    STRIDE,
    Memory,
    sweep,
    way,
)

__all__ = ["BREADTHS", "WIDE_BREADTHS", "Swept", "sweep_key"]

BREADTHS = ((8, 256), (512, 512))
"""Places kept and places kept in hard stretches, for a hasty sweep and for a thorough one."""

WIDE_BREADTHS = ((32768, 32768),) if COMPILED else ()
"""So for a thorough sweep of what is hard, where many crashed operations could each stand for another; it needs some memory."""

_TRIES_MIN, _TRIES_PER_STEP = 100_000, 60
"""Work of one sweep, at most, beside that for each step of the history."""

_KINDS_MAX = 400
"""Classes of crashed steps from which on rows would be too long."""

_NODES_PER_STEP = 64


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What sweeps found: as `Found`, with rows of the calls in `order` when the key is valid."""

    valid: bool | Literal["unknown"]
    steps: int
    explained: int
    order: Column


def sweep_key(
    calls: Calls,
    model: str,
    budget: Budget,
    breadths: tuple[tuple[int, int], ...] = BREADTHS,
    patience: int = 0,
) -> Swept:
    """Sweep over the calls of one key (whose number is 0), with few places first: see `BREADTHS`.

    Each sweep may take `patience` steps, or, with none, what is usual for the length of the history.
    """
    encoded = encode(calls, model)
    nothing = np.zeros(0, dtype=np.int64)
    steps, kinds = encoded.steps, len(encoded.steps.crash_need)
    if encoded.lists or kinds > _KINDS_MAX:
        return Swept(valid="unknown", steps=0, explained=0, order=nothing)
    native = Steps(*(column(numbers) for numbers in steps))
    line = _timeline(encoded)
    near = Open(*(_zeros(OPEN_MAX + 1) for _ in Open._fields))
    spent_tries = explained = 0
    patience = patience or _TRIES_MIN + _TRIES_PER_STEP * len(steps.called)
    for most, most_ever in breadths:
        room = _room(encoded, most_ever)
        memory = _memory(len(steps.called), most, USED + -(-kinds // FIELDS))
        tries_max = min(patience, budget.steps_max - spent_tries)
        ended = sweep(native, line, room, near, memory, most, most_ever, tries_max)
        spent_tries += spent(room)
        order = _zeros(len(encoded.rows))
        length = way(native, room, order)
        explained = max(explained, length)
        if ended == EXPLAINED:
            rows = encoded.rows[np.asarray(order)[:length]]
            return Swept(valid=True, steps=spent_tries, explained=length, order=rows)
        if ended == DEAD_END:
            return Swept(valid=False, steps=spent_tries, explained=explained, order=nothing)
        if spent_tries >= budget.steps_max:
            break
    return Swept(valid="unknown", steps=spent_tries, explained=explained, order=nothing)


def _zeros(count: int) -> Any:
    return column(np.zeros(max(count, 1), dtype=np.int64))


def _timeline(encoded: Encoded) -> Timeline:
    """Return the events of the key, and who leads where when."""
    steps = encoded.steps
    definite, crashed = np.arange(len(steps.called)), np.arange(len(steps.crash_called))
    position = np.concatenate([steps.called, steps.returned, steps.crash_called])
    event = np.concatenate([definite, ~definite, len(definite) + crashed])
    lead = np.concatenate([steps.lead, steps.crash_lead[steps.crash_of]])
    called = np.concatenate([steps.called, steps.crash_called])
    leading = np.flatnonzero(lead >= 0)
    leading = leading[np.lexsort((called[leading], lead[leading]))]
    return Timeline(
        events=column(event[np.argsort(position)]),
        produced_begin=column(np.searchsorted(lead[leading], np.arange(encoded.states + 1))),
        produced=column(called[leading]),
    )


def _room(encoded: Encoded, most_ever: int) -> Room:
    """Return empty room for at most so many places."""
    steps, kinds = encoded.steps, len(encoded.steps.crash_need)
    width = USED + -(-kinds // FIELDS)
    kept = most_ever + OPEN_MAX + kinds + 2
    pool = 32 * most_ever + 6 * (OPEN_MAX + kinds)
    slots = 2 << (pool + kept).bit_length()
    nodes = 2 * (2 * most_ever + OPEN_MAX + kinds) * (OPEN_MAX + 2) + _NODES_PER_STEP * len(
        steps.called
    )
    states = encoded.states
    room = Room(
        front=_zeros(kept * width),
        found=_zeros(kept * width),
        pool=_zeros(pool * width),
        found_table=_zeros(slots),
        found_stamp=_zeros(slots),
        pool_table=_zeros(slots),
        pool_stamp=_zeros(slots),
        parent=_zeros(nodes),
        taken=_zeros(nodes),
        available=_zeros(kinds),
        lead_low=_zeros(states),
        lead_high=_zeros(states),
        tried=_zeros(2 * states),
        needed=_zeros(states),
        crashed_lead=_zeros(states),
        pointer=_zeros(states),
        slot=_zeros(len(steps.called)),
        slots=_zeros(OPEN_MAX),
        moved=_zeros(nodes),
        now=_zeros(NOW_PLACES),
    )
    room.now[WIDTH] = width
    return room


def _memory(returns: int, most: int, width: int) -> Memory:
    count = returns // STRIDE + 1
    return Memory(
        rows=_zeros(count * most * width),
        count=_zeros(count),
        left_out=_zeros(count),
        trail=_zeros(count),
    )
