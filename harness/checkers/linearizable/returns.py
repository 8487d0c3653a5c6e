"""How the places of a sweep pass one return: what may stand in front of the operation that returns, and what is worth trying.

Of the rules at the head of `sweep`, those about steps stand here, those about places in `places`. Code here is compiled: see the
rules in `compiled`.
"""

# ruff: noqa: PLR0917 - compiled functions know no keyword-only arguments

from __future__ import annotations

from typing import Any, NamedTuple

from harness.checkers.linearizable.compiled import compiled
from harness.checkers.linearizable.encoding import Steps
from harness.checkers.linearizable.places import (
    BUSY,
    GONE,
    HIGH,
    LOW,
    OPEN_COUNT,
    OPEN_MAX,
    SCORE,
    SERIAL,
    STATE,
    TRAIL_LENGTH,
    TRIES,
    TRIES_MAX,
    WIDTH,
    WROTE,
    Open,
    Room,
    copied,
    inserted,
    met,
    noted,
    spent,
    use_one,
    used,
)

__all__ = ["Timeline", "pass_return"]

_POOL_PER_PLACE = 32
"""Places looked at in front of one return, for each place that may be kept."""


class Timeline(NamedTuple):
    """One key's events in their order, and for each state the calls of the steps that lead to it."""

    events: Any
    """A definite step at its call, ``~step`` at its return; definite steps + n for the call of crashed step n."""
    produced_begin: Any
    produced: Any
    kinds_begin: Any
    """State -> the first of the crashed classes that lead to it, in `kinds_leading`."""
    kinds_leading: Any


@compiled
def _look_around(line: Timeline, room: Room, near: Open, here: int) -> None:
    """Find for each open step which open ones lead to what it needs, and whether one called before its return will."""
    count = room.now[OPEN_COUNT]
    for kind in range(4):
        near.masks[kind] = 0
    for i in range(count):
        lead, need = near.lead[i], near.need[i]
        if lead >= 0:
            room.lead_low[lead] = 0
            room.lead_high[lead] = 0
        if need >= 0:
            room.lead_low[need] = 0
            room.lead_high[need] = 0
        if need < 0:
            near.masks[0] |= near.low[i]
            near.masks[1] |= near.high[i]
        elif lead < 0:
            near.masks[2] |= near.low[i]
            near.masks[3] |= near.high[i]
    for i in range(count):
        if near.lead[i] >= 0:
            room.lead_low[near.lead[i]] |= near.low[i]
            room.lead_high[near.lead[i]] |= near.high[i]
    for i in range(count):
        need = near.need[i]
        if need >= 0:
            near.from_low[i] = room.lead_low[need]
            near.from_high[i] = room.lead_high[need]
            end = line.produced_begin[need + 1]
            at = room.pointer[need]
            while at < end and line.produced[at] < here:
                at += 1
            room.pointer[need] = at
            near.later[i] = at < end and line.produced[at] < near.returned[i]


@compiled
def _is_dead(line: Timeline, room: Room, near: Open, base: int) -> bool:
    """Return whether an open step of the place at `base` of the pool can never have what it needs."""
    rows = room.pool
    state, low, high = rows[base + STATE], rows[base + LOW], rows[base + HIGH]
    for i in range(room.now[OPEN_COUNT]):
        need = near.need[i]
        if need < 0 or need == state or near.later[i]:
            continue
        if low & near.low[i] or high & near.high[i]:
            continue
        if near.from_low[i] & ~low or near.from_high[i] & ~high:
            continue
        able = False
        for at in range(line.kinds_begin[need], line.kinds_begin[need + 1]):
            kind = line.kinds_leading[at]
            if used(room, rows, base, kind) < room.available[kind]:
                able = True
                break
        if not able:
            return True
    return False


@compiled
def _arrive(room: Room, near: Open, width: int, at: int, kept: int) -> int:
    """Sort the place at the end of the pool: into those that are through, those that go on, or neither.

    `at` and `kept` are how many there are of both; returns the new numbers as ``at << 32 | kept``.
    """
    pool, found = room.pool, room.found
    base = at * width
    low, high = near.low[0], near.high[0]
    taken = pool[base + LOW] & low or pool[base + HIGH] & high
    passes = near.need[0] < 0 and near.called[0] < pool[base + WROTE]
    if taken or passes:
        there = kept * width
        copied(pool, base, found, there, width)
        if taken:
            found[there + LOW] &= ~low
            found[there + HIGH] &= ~high
        else:
            noted(room, found, there, ~near.step[0])
        if inserted(room, near, found, kept, room.found_table, room.found_stamp):
            kept += 1
    if not taken and inserted(room, near, pool, at, room.pool_table, room.pool_stamp):
        at += 1
    return (at << 32) | kept


@compiled
def _try_definite(
    room: Room, near: Open, width: int, origin: int, i: int, at: int, here: int
) -> bool:
    """Put open step `i` behind place `origin`, as the place at the end of the pool; returns whether it is worth trying."""
    pool = room.pool
    base, there = origin * width, at * width
    lead, need = near.lead[i], near.need[i]
    if lead < 0 or pool[base + LOW] & near.low[i] or pool[base + HIGH] & near.high[i]:
        return False
    busy = room.now[BUSY]
    if room.tried[2 * lead + 1] == busy:
        return False
    if need >= 0:
        if need != pool[base + STATE]:
            return False
        room.tried[2 * lead + 1] = busy
    else:
        if room.tried[2 * lead] == busy:
            return False
        room.tried[2 * lead] = busy
    copied(pool, base, pool, there, width)
    pool[there + LOW] |= near.low[i]
    pool[there + HIGH] |= near.high[i]
    pool[there + STATE] = lead
    if need < 0:
        pool[there + WROTE] = here
    else:
        pool[there + SCORE] += 1
    noted(room, pool, there, near.step[i])
    return True


@compiled
def _mark_leads(steps: Steps, line: Timeline, room: Room, near: Open, base: int) -> int:
    """Mark the states that steps at hand lead to, for `_try_crashed`, and list the crashed classes that lead to what is needed.

    Needed is what an open step sees, and what a crashed one sees that leads to something needed. Returns how many classes.
    """
    pool, busy = room.pool, room.now[BUSY]
    state = pool[base + STATE]
    wanted = listed = 0
    for i in range(room.now[OPEN_COUNT]):
        if pool[base + LOW] & near.low[i] or pool[base + HIGH] & near.high[i]:
            continue
        lead, need = near.lead[i], near.need[i]
        if need >= 0 and room.needed[need] != busy:
            room.needed[need] = busy
            room.wanted[wanted] = need
            wanted += 1
        if lead >= 0 and need < 0:
            room.tried[2 * lead] = busy
        elif lead >= 0 and need == state:
            room.tried[2 * lead + 1] = busy
    place = 0
    while place < wanted:
        lead = room.wanted[place]
        place += 1
        for at in range(line.kinds_begin[lead], line.kinds_begin[lead + 1]):
            kind = line.kinds_leading[at]
            if lead != state and used(room, pool, base, kind) < room.available[kind]:
                need = steps.crash_need[kind]
                room.wanted_kinds[listed] = kind
                listed += 1
                if need == state:
                    room.crashed_lead[lead] = busy
                if need >= 0 and room.needed[need] != busy:
                    room.needed[need] = busy
                    room.wanted[wanted] = need
                    wanted += 1
    return listed


@compiled
def _try_crashed(
    steps: Steps, room: Room, width: int, origin: int, kind: int, at: int, here: int
) -> bool:
    """Put a crashed step of a class behind place `origin`, as `_try_definite` does."""
    pool, busy = room.pool, room.now[BUSY]
    base, there = origin * width, at * width
    number = used(room, pool, base, kind)
    need, lead = steps.crash_need[kind], steps.crash_lead[kind]
    if need >= 0 and need != pool[base + STATE]:
        return False
    if room.tried[2 * lead + 1] == busy:
        return False
    if need < 0 and (room.tried[2 * lead] == busy or room.crashed_lead[lead] == busy):
        return False
    copied(pool, base, pool, there, width)
    use_one(room, pool, there, kind)
    pool[there + STATE] = lead
    pool[there + SCORE] -= 1
    if need < 0:
        pool[there + WROTE] = here
    noted(room, pool, there, len(steps.called) + steps.class_begin[kind] + number)
    return True


@compiled
def pass_return(
    steps: Steps, line: Timeline, room: Room, near: Open, places: int, most: int, hasty: int
) -> int:
    """Bring the places of the front over the return of the first open step; those that are through stand in `found`.

    Returns how many, and whether something was left out, as ``left_out << 32 | how many``. Tries are counted in `now`.
    """
    here = near.returned[0]
    kinds = len(steps.crash_need)
    width = room.now[WIDTH]
    pool = room.pool
    crowd = OPEN_MAX + kinds
    pool_most = min(len(pool) // width, _POOL_PER_PLACE * most + 4 * crowd) - crowd
    trail_most = len(room.parent) - crowd * (OPEN_MAX + 2)
    _look_around(line, room, near, here)
    room.now[SERIAL] += 1
    at = kept = 0
    for place in range(places):
        if room.front[place * width + STATE] != GONE:
            copied(room.front, place * width, pool, at * width, width)
            met(room, near, pool, at * width)
            both = _arrive(room, near, width, at, kept)
            at, kept = both >> 32, both & 0xFFFFFFFF
    origin = crashing = 0
    while (
        kept < most
        and at < pool_most
        and room.now[TRAIL_LENGTH] < trail_most
        and spent(room) < room.now[TRIES_MAX]
    ):
        crashed = origin == at
        if crashed and (crashing == at or (hasty and kept > 0)):
            break
        place = crashing if crashed else origin
        if crashed:
            crashing += 1
        else:
            origin += 1
        if pool[place * width + STATE] == GONE:
            continue
        room.now[BUSY] += 1
        choices = room.now[OPEN_COUNT]
        if crashed:
            choices = _mark_leads(steps, line, room, near, place * width)
        for choice in range(choices):
            if crashed:
                kind = room.wanted_kinds[choice]
                fits = _try_crashed(steps, room, width, place, kind, at, here)
            else:
                fits = _try_definite(room, near, width, place, choice, at, here)
            if fits:
                room.now[TRIES] += 1
                met(room, near, pool, at * width)
                if not _is_dead(line, room, near, at * width):
                    both = _arrive(room, near, width, at, kept)
                    at, kept = both >> 32, both & 0xFFFFFFFF
    left_out = origin < at or (kinds > 0 and crashing < at)
    return (int(left_out) << 32) | kept
