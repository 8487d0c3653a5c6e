"""The places of a sweep (`sweep`): rows of numbers, and which of two is at least as good as the other.

A row holds a state, the open steps taken as bits of two words (each open step has a slot), the position of the last write
that was put in order, the last node of its trail, how many needs it has met, and, where they are counted, the crashed steps it has
used, `FIELDS` classes to a word. Trails share their beginnings: a tree of nodes (parent, step). Code here is compiled: see the rules in `compiled`.
"""

# ruff: noqa: PLR0917 - compiled functions know no keyword-only arguments

from __future__ import annotations

from typing import Any, NamedTuple

from harness.checkers.linearizable.compiled import compiled
from harness.checkers.linearizable.encoding import NOTHING, Steps

__all__ = [
    "BUSY",
    "COMPARED",
    "DEAD_AT",
    "FIELDS",
    "FORGETS",
    "GONE",
    "HIGH",
    "LOW",
    "NOW_PLACES",
    "OPEN_COUNT",
    "OPEN_MAX",
    "SCORE",
    "SERIAL",
    "SLOTS_LEFT",
    "STATE",
    "TRAIL",
    "TRAIL_LENGTH",
    "TRIES",
    "TRIES_MAX",
    "USED",
    "USED_MOST",
    "WIDTH",
    "WROTE",
    "Open",
    "Room",
    "close_first",
    "copied",
    "forgotten",
    "inserted",
    "met",
    "noted",
    "open_step",
    "spent",
    "use_one",
    "used",
    "widest",
]

STATE, LOW, HIGH, WROTE, TRAIL, SCORE, USED = range(7)
"""Columns of a row; words from `USED` on count crashed steps."""

(
    OPEN_COUNT,
    TRAIL_LENGTH,
    SERIAL,
    BUSY,
    WIDTH,
    TRIES,
    COMPARED,
    TRIES_MAX,
    SLOTS_LEFT,
    DEAD_AT,
    FORGETS,
) = range(11)
"""Numbers in `Room.now`: open steps, nodes of the trail, serial numbers of the return and of the place that is looked at,
columns of a row, steps tried, places compared, how much of both there may be, slots that are free, returns that were passed before a
dead end, and whether crashed steps were forgotten."""

NOW_PLACES = 11

GONE = -9
"""State of a row whose place was dropped."""

FIELDS, _FIELD_BITS = 5, 12
USED_MOST = (1 << (_FIELD_BITS - 1)) - 1
"""Crashed steps of one class that a place can use; the highest bit of a field is free for comparing."""

_COMPARED_PER_TRY = 32
"""Comparisons of places that count as one step tried."""

_GUARDS = sum(1 << (_FIELD_BITS * (field + 1) - 1) for field in range(FIELDS))
_WORD_BITS = 62
OPEN_MAX = 2 * _WORD_BITS
"""Operations that may be open at one time."""


class Open(NamedTuple):
    """The open steps, the one that returns first in front."""

    step: Any
    need: Any
    lead: Any
    low: Any
    high: Any
    called: Any
    returned: Any
    from_low: Any
    from_high: Any
    """The slots of the open steps that lead to what this one needs."""
    later: Any
    """Whether a step that leads there will still be called before this one returns."""
    masks: Any
    """Slots of the writes (two words) and of the steps that only see (two words)."""


class Room(NamedTuple):
    """What a sweep changes."""

    front: Any
    found: Any
    pool: Any
    """Rows: the places behind the last return, those through the present one, and those on their way."""
    found_table: Any
    found_stamp: Any
    pool_table: Any
    pool_stamp: Any
    parent: Any
    taken: Any
    """The trail: node -> the node before it, and its step (``~step`` for one that is passed)."""
    available: Any
    """Crashed class -> steps of it called so far."""
    lead_low: Any
    lead_high: Any
    """State -> slots of the open steps that lead to it."""
    tried: Any
    """State -> the last look at a place in which a write, and (odd) a conditional step, led to it."""
    needed: Any
    crashed_lead: Any
    wanted: Any
    """States that something at hand needs, and the crashed classes that lead there."""
    wanted_kinds: Any
    pointer: Any
    """State -> how far the calls of the steps that lead to it are behind."""
    slot: Any
    """Step -> its slot."""
    slots: Any
    """The slots that are free, the next one last."""
    moved: Any
    """Room for the numbers of nodes."""
    now: Any


@compiled
def copied(source: Any, begin: int, target: Any, there: int, width: int) -> None:
    """Copy a row."""
    for column in range(width):
        target[there + column] = source[begin + column]


@compiled
def spent(room: Room) -> int:
    """Return the work done, in steps tried."""
    return int(room.now[TRIES] + room.now[COMPARED] // _COMPARED_PER_TRY)


@compiled
def noted(room: Room, rows: Any, base: int, step: int) -> None:
    """Put a step behind the trail of a place."""
    node = room.now[TRAIL_LENGTH]
    room.parent[node] = rows[base + TRAIL]
    room.taken[node] = step
    rows[base + TRAIL] = node
    room.now[TRAIL_LENGTH] = node + 1


@compiled
def met(room: Room, near: Open, rows: Any, base: int) -> None:
    """Take every open step that sees the state and changes nothing."""
    state = rows[base + STATE]
    for i in range(room.now[OPEN_COUNT]):
        taken = rows[base + LOW] & near.low[i] or rows[base + HIGH] & near.high[i]
        if near.lead[i] < 0 and near.need[i] == state and not taken:
            rows[base + LOW] |= near.low[i]
            rows[base + HIGH] |= near.high[i]
            rows[base + SCORE] += 1
            noted(room, rows, base, near.step[i])


@compiled
def used(room: Room, rows: Any, base: int, kind: int) -> int:
    """Return how many crashed steps of a class a place has used: none where rows do not count them."""
    if room.now[WIDTH] == USED:
        return 0
    return int(rows[base + USED + kind // FIELDS] >> (_FIELD_BITS * (kind % FIELDS))) & USED_MOST


@compiled
def use_one(room: Room, rows: Any, base: int, kind: int) -> None:
    """Use one more crashed step of a class."""
    if room.now[WIDTH] > USED:
        rows[base + USED + kind // FIELDS] += 1 << (_FIELD_BITS * (kind % FIELDS))


@compiled
def _as_good(near: Open, rows: Any, one: int, other: int, width: int, count: int) -> bool:
    """Return whether place `one` can do whatever `other` can; their states and conditional steps are the same."""
    masks = near.masks
    if rows[one + WROTE] < rows[other + WROTE]:
        return False
    low, high = rows[one + LOW], rows[one + HIGH]
    other_low, other_high = rows[other + LOW], rows[other + HIGH]
    if (other_low & masks[2]) & ~low or (other_high & masks[3]) & ~high:
        return False
    if (low & masks[0]) & ~other_low or (high & masks[1]) & ~other_high:
        return False
    for word in range(USED, width):
        if ((rows[other + word] | _GUARDS) - rows[one + word]) & _GUARDS != _GUARDS:
            return False
    missing_low, missing_high = (other_low & masks[0]) & ~low, (other_high & masks[1]) & ~high
    if missing_low or missing_high:
        for i in range(count):
            missing = missing_low & near.low[i] or missing_high & near.high[i]
            if missing and near.called[i] > rows[one + WROTE]:
                return False
    return True


@compiled
def inserted(room: Room, near: Open, rows: Any, count: int, table: Any, stamp: Any) -> bool:
    """Compare the place behind `count` others with those like it; returns whether it stays, and drops what it outdoes."""
    width, now, masks = room.now[WIDTH], room.now[SERIAL], near.masks
    base = count * width
    keep_low, keep_high = ~(masks[0] | masks[2]), ~(masks[1] | masks[3])
    low, high, state = (
        rows[base + LOW] & keep_low,
        rows[base + HIGH] & keep_high,
        rows[base + STATE],
    )
    mixed = (state + 1) * 0x1F359E37 ^ (low & 0x7FFFFFFF) * 0x5E3779B1 ^ (low >> 31) * 0x45EBCA6B
    mixed ^= (high & 0x7FFFFFFF) * 0x42B2AE35 ^ (high >> 31) * 0x27D4EB2F
    last = len(table) - 1
    place = (mixed ^ (mixed >> 29)) & last
    while stamp[place] == now:
        other = table[place] * width
        if (
            rows[other + STATE] == state
            and rows[other + LOW] & keep_low == low
            and rows[other + HIGH] & keep_high == high
        ):
            room.now[COMPARED] += 1
            if _as_good(near, rows, other, base, width, room.now[OPEN_COUNT]):
                return False
            if _as_good(near, rows, base, other, width, room.now[OPEN_COUNT]):
                rows[other + STATE] = GONE
        place = (place + 1) & last
    stamp[place] = now
    table[place] = count
    return True


@compiled
def forgotten(room: Room, near: Open, rows: Any, count: int) -> int:
    """Count no crashed step as used: places can only do more then, and many are outdone. Returns how many are left."""
    width = room.now[WIDTH]
    room.now[SERIAL] += 1
    there = 0
    for place in range(count):
        if rows[place * width + STATE] != GONE:
            copied(rows, place * width, rows, there * width, width)
            for word in range(USED, width):
                rows[there * width + word] = 0
            there += inserted(room, near, rows, there, room.found_table, room.found_stamp)
    return there


@compiled
def widest(rows: Any, count: int, most: int, width: int) -> int:
    """Keep the `most` places that met most needs, and drop the rest; returns how many there are now."""
    lowest = highest = NOTHING
    kept = 0
    for place in range(count):
        if rows[place * width + STATE] != GONE:
            score = rows[place * width + SCORE]
            lowest = score if not kept else min(lowest, score)
            highest = score if not kept else max(highest, score)
            if place != kept:
                copied(rows, place * width, rows, kept * width, width)
            kept += 1
    bound, better = highest, 0
    while kept > most and bound > lowest:
        reaching = 0
        for place in range(kept):
            reaching += rows[place * width + SCORE] >= bound
        if reaching > most:
            break
        better = reaching
        bound -= 1
    if kept <= most:
        return kept
    equal, there = most - better, 0
    for place in range(kept):
        score = rows[place * width + SCORE]
        if score > bound or (score == bound and equal > 0):
            equal -= score == bound
            if place != there:
                copied(rows, place * width, rows, there * width, width)
            there += 1
    return there


@compiled
def open_step(steps: Steps, room: Room, near: Open, step: int) -> bool:
    """Add a step that is called to the open ones; returns whether there was a slot for it."""
    now = room.now
    if not now[SLOTS_LEFT]:
        return False
    now[SLOTS_LEFT] -= 1
    slot = room.slots[now[SLOTS_LEFT]]
    room.slot[step] = slot
    place = now[OPEN_COUNT]
    while place > 0 and near.returned[place - 1] > steps.returned[step]:
        _moved(near, place - 1, place)
        place -= 1
    near.step[place] = step
    near.need[place] = steps.need[step]
    near.lead[place] = steps.lead[step]
    near.called[place] = steps.called[step]
    near.returned[place] = steps.returned[step]
    near.low[place] = 1 << slot if slot < _WORD_BITS else 0
    near.high[place] = 0 if slot < _WORD_BITS else 1 << (slot - _WORD_BITS)
    now[OPEN_COUNT] += 1
    return True


@compiled
def close_first(room: Room, near: Open) -> None:
    """Take the step that returned from the open ones."""
    now = room.now
    room.slots[now[SLOTS_LEFT]] = room.slot[near.step[0]]
    now[SLOTS_LEFT] += 1
    now[OPEN_COUNT] -= 1
    for place in range(now[OPEN_COUNT]):
        _moved(near, place + 1, place)


@compiled
def _moved(near: Open, source: int, target: int) -> None:
    near.step[target] = near.step[source]
    near.need[target] = near.need[source]
    near.lead[target] = near.lead[source]
    near.low[target] = near.low[source]
    near.high[target] = near.high[source]
    near.called[target] = near.called[source]
    near.returned[target] = near.returned[source]
