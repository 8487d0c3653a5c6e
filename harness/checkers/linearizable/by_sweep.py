"""One key's sweep from outside: what it starts from, how much room and patience it gets, and its answer.

A hasty sweep comes first, then one that does not count crashed steps, then ones that count while they have room. None knows lists.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from harness.checkers.linearizable.calls import Calls, Column
from harness.checkers.linearizable.compiled import COMPILED, column
from harness.checkers.linearizable.encoding import Encoded, Steps, encode
from harness.checkers.linearizable.places import (
    DEAD_AT,
    FIELDS,
    FORGETS,
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

__all__ = ["BREADTHS", "CONVICTING", "WIDE_BREADTHS", "Manner", "Swept", "sweep_key"]


class Manner(NamedTuple):
    """Places kept, and kept in hard stretches (if that is more, a sweep is hasty), and whether crashed steps are counted."""

    most: int
    most_ever: int
    counts: bool = True


BREADTHS = (Manner(5, 256), Manner(512, 512, counts=False), Manner(64, 64), Manner(512, 512))
"""A hasty sweep, one that counts nothing, and two that forget."""

WIDE_BREADTHS = (Manner(4096, 4096, counts=False), Manner(32768, 32768)) if COMPILED else ()
"""So for what is hard, where many crashed operations could each stand for another; these need some memory."""

CONVICTING = (*BREADTHS[1:], *WIDE_BREADTHS[:1])
"""Sweeps that can come to a dead end."""

_TRIES_MIN, _TRIES_PER_STEP = 100_000, 60
"""Work of one sweep, at most, beside that for each step of the history."""

_BYTES = 8
_PLACES_MIN = 4
"""Places below which a sweep that is short of memory is not worth a try."""

_NODES_PER_STEP = 64


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What sweeps found: as `Found`, with rows of the calls in `order` when the key is valid."""

    valid: bool | Literal["unknown"]
    steps: int
    explained: int
    order: Column
    dead_at: int = 0
    """Returns that were passed before the dead end of an invalid key."""


def sweep_key(
    calls: Calls,
    model: str,
    budget: Budget,
    breadths: tuple[Manner, ...] = BREADTHS,
    patience: int = 0,
    *,
    any_start: bool = False,
) -> Swept:
    """Sweep over the calls of one key (whose number is 0), with few places first, fewer where memory is short: see `BREADTHS`.

    Each sweep may take `patience` steps, or, with none, what is usual for the length of the history. With `any_start` the key may begin
    in any state.
    """
    encoded = encode(calls, model)
    nothing = np.zeros(0, dtype=np.int64)
    steps = encoded.steps
    if encoded.lists:
        return Swept(valid="unknown", steps=0, explained=0, order=nothing)
    native = Steps(*(column(numbers) for numbers in steps))
    line = _timeline(encoded)
    near = Open(*(_zeros(OPEN_MAX + 1) for _ in Open._fields))
    starts = column(np.arange(encoded.states if any_start else 1))
    spent_tries = explained = 0
    patience = patience or _TRIES_MIN + _TRIES_PER_STEP * len(steps.called)
    for manner in breadths:
        most, most_ever, counts = _fitting(encoded, manner, len(starts), budget.sweep_bytes_max)
        if most_ever < min(manner.most_ever, _PLACES_MIN):
            continue
        room = _room(encoded, most_ever, len(starts), counts=counts)
        memory = _memory(len(steps.called), most, room.now[WIDTH])
        tries_max = min(patience, budget.steps_max - spent_tries)
        ended = sweep(native, line, room, near, memory, starts, most, most_ever, tries_max)
        spent_tries += spent(room)
        order = _zeros(len(encoded.rows))
        length = 0 if room.now[FORGETS] else way(native, room, order)
        explained = max(explained, length)
        if ended == EXPLAINED:
            rows = encoded.rows[np.asarray(order)[:length]]
            return Swept(valid=True, steps=spent_tries, explained=length, order=rows)
        if ended == DEAD_END:
            return Swept(
                valid=False,
                steps=spent_tries,
                explained=explained,
                order=nothing,
                dead_at=int(room.now[DEAD_AT]),
            )
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
    kinds = np.argsort(steps.crash_lead, kind="stable")
    leading = np.flatnonzero(lead >= 0)
    leading = leading[np.lexsort((called[leading], lead[leading]))]
    return Timeline(
        events=column(event[np.argsort(position)]),
        produced_begin=column(np.searchsorted(lead[leading], np.arange(encoded.states + 1))),
        produced=column(called[leading]),
        kinds_begin=column(np.searchsorted(steps.crash_lead[kinds], np.arange(encoded.states + 1))),
        kinds_leading=column(kinds),
    )


class _Sizes(NamedTuple):
    width: int
    kept: int
    pool: int
    nodes: int


def _sizes(encoded: Encoded, most_ever: int, starts: int, *, counts: bool) -> _Sizes:
    """Return how long a row is, and how many rows and nodes a sweep with at most so many places needs."""
    steps, kinds = encoded.steps, len(encoded.steps.crash_need)
    crowd = OPEN_MAX + kinds
    return _Sizes(
        width=USED + -(-kinds // FIELDS) * counts,
        kept=most_ever + crowd + starts + 2,
        pool=32 * most_ever + 6 * crowd + starts,
        nodes=2 * (2 * most_ever + starts + crowd) * (OPEN_MAX + 2)
        + _NODES_PER_STEP * len(steps.called),
    )


def _slots(sizes: _Sizes) -> int:
    return 2 << (sizes.pool + sizes.kept).bit_length()


def _numbers(encoded: Encoded, most_ever: int, starts: int, *, counts: bool) -> int:
    """Return how many numbers the rows, tables and trails of a sweep hold, about."""
    sizes = _sizes(encoded, most_ever, starts, counts=counts)
    rows = (sizes.pool + 2 * sizes.kept) * sizes.width
    return rows + 4 * _slots(sizes) + 3 * sizes.nodes


def _fitting(encoded: Encoded, manner: Manner, starts: int, bytes_max: int) -> Manner:
    """Return the manner with as many places as fit into the memory."""
    most_ever = manner.most_ever
    while (
        most_ever
        and _numbers(encoded, most_ever, starts, counts=manner.counts) * _BYTES > bytes_max
    ):
        most_ever //= 2
    return Manner(min(manner.most, most_ever), most_ever, manner.counts)


def _room(encoded: Encoded, most_ever: int, starts: int, *, counts: bool) -> Room:
    """Return empty room for at most so many places."""
    steps, kinds = encoded.steps, len(encoded.steps.crash_need)
    sizes = _sizes(encoded, most_ever, starts, counts=counts)
    width, kept, pool, nodes = sizes
    slots = _slots(sizes)
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
        wanted=_zeros(states),
        wanted_kinds=_zeros(kinds),
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
