"""Registers judged along the time of the history: a sweep over events that keeps what the state can be, just in time.

A *place* is a state, the set of open operations that have taken effect, and how many crashed ones of each class have. At a
return every place must have the operation that returns: where it lacks, other open operations are put in front of it, in
every way, and nothing more is decided than that (Lowe 2017, just-in-time linearization). What keeps the places few:

* a read that fits is taken at once;
* an open write that was called before the last write that was put in order can stand right in front of that one, where
  nobody sees it: when it returns it is *passed* for nothing;
* of steps that lead to one state only the most demanding ones are tried, of equals the one that returns first; a crashed step
  only where a definite one cannot do it, and only when some open step needs the state;
* a place is dead when an open step needs a state that nothing called before its return leads to;
* a place is dropped where another is at least as good: the same state and the same conditional steps taken, no
  write taken that the other has not, what it lacks free to pass, and no more crashed steps used.

All that is exact: a sweep that looked at everything proves what it says, and nothing is hashed away. Two kinds are not, each on
one side. A *hasty* one keeps few places, those that met most needs, and uses crashed steps only where nothing else leads on. Where it
comes to nothing it goes back some returns and passes that stretch with more places; when that fails too it has no opinion. A
*forgetful* one that has too many places takes back what crashed steps they have used, or never counts them: all that its places can
do then is at least what was possible, so that only its dead end proves something. A thorough sweep forgets before it leaves anything out.

At most `OPEN_MAX` operations may be open at one time. Code here is compiled: see the rules in `compiled`.
"""

# ruff: noqa: PLR0917 - compiled functions know no keyword-only arguments

from __future__ import annotations

from typing import Any, NamedTuple

from harness.checkers.linearizable.compiled import compiled
from harness.checkers.linearizable.encoding import NOTHING, Steps
from harness.checkers.linearizable.places import (
    COMPARED,
    DEAD_AT,
    FORGETS,
    OPEN_COUNT,
    OPEN_MAX,
    SLOTS_LEFT,
    STATE,
    TRAIL,
    TRAIL_LENGTH,
    TRIES,
    TRIES_MAX,
    USED,
    USED_MOST,
    WIDTH,
    WROTE,
    Open,
    Room,
    close_first,
    copied,
    forgotten,
    open_step,
    spent,
    widest,
)
from harness.checkers.linearizable.returns import Timeline, pass_return

__all__ = ["DEAD_END", "EXPLAINED", "NO_OPINION", "STRIDE", "Memory", "sweep", "way"]

EXPLAINED, DEAD_END, NO_OPINION = 1, 0, 2
"""What a sweep of one key ended with: an order, a proof that there is none, or neither."""

STRIDE = 24
"""A hasty sweep remembers its front every so many returns. It goes back as many at first; each time it fails before it is
through, twice as many."""

_REPLAYED_PER_TRY = 8
"""Events of which the bookkeeping is done again that count as one step tried."""


class Memory(NamedTuple):
    """Where a hasty sweep can go back to: the front as it was at every so many returns."""

    rows: Any
    count: Any
    """Returns / `STRIDE` -> how many places; so for whether something had been left out, and the length of the trail."""
    left_out: Any
    trail: Any


@compiled
def _begin(steps: Steps, line: Timeline, room: Room) -> None:
    """Make room for a sweep over one key, or over its bookkeeping again."""
    for slot in range(OPEN_MAX):
        room.slots[slot] = OPEN_MAX - 1 - slot
    room.now[OPEN_COUNT], room.now[SLOTS_LEFT] = 0, OPEN_MAX
    for kind in range(len(steps.crash_need)):
        room.available[kind] = 0
    for state in range(len(room.pointer)):
        room.pointer[state] = line.produced_begin[state]


@compiled
def _call(steps: Steps, room: Room, near: Open, event: int) -> bool:
    """Do the bookkeeping of a call; returns whether there was a slot."""
    definite = len(steps.called)
    if event < definite:
        return open_step(steps, room, near, event)
    kind = steps.crash_of[event - definite]
    room.available[kind] = min(room.available[kind] + 1, USED_MOST)
    return True


@compiled
def _replay(steps: Steps, line: Timeline, room: Room, near: Open, returns: int) -> int:
    """Do the bookkeeping of everything up to and with a number of returns; returns the event behind them."""
    _begin(steps, line, room)
    event = 0
    while returns > 0:
        if line.events[event] >= 0:
            _call(steps, room, near, line.events[event])
        else:
            close_first(room, near)
            returns -= 1
        event += 1
    return event


@compiled
def _remember(room: Room, memory: Memory, returns: int, places: int, left_out: int) -> None:
    """Remember the front, or the best of it."""
    width = room.now[WIDTH]
    share = len(memory.rows) // len(memory.count)
    at = returns // STRIDE
    most = share // width
    for place in range(min(places, most)):
        copied(room.front, place * width, memory.rows, at * share + place * width, width)
    memory.count[at] = min(places, most)
    memory.left_out[at] = left_out or places > most
    memory.trail[at] = room.now[TRAIL_LENGTH]


@compiled
def _recall(room: Room, memory: Memory, at: int) -> None:
    """Put a front that was remembered back."""
    width = room.now[WIDTH]
    share = len(memory.rows) // len(memory.count)
    for place in range(memory.count[at]):
        copied(memory.rows, at * share + place * width, room.front, place * width, width)
    room.now[TRAIL_LENGTH] = memory.trail[at]


@compiled
def _pack(room: Room, places: int) -> None:
    """Forget the nodes of the trail that lead to no place."""
    width, count = room.now[WIDTH], room.now[TRAIL_LENGTH]
    for node in range(count):
        room.moved[node] = NOTHING
    for place in range(places):
        node = room.front[place * width + TRAIL]
        while node >= 0 and room.moved[node] == NOTHING:
            room.moved[node] = 0
            node = room.parent[node]
    there = 0
    for node in range(count):
        if room.moved[node] == 0:
            parent = room.parent[node]
            room.taken[there] = room.taken[node]
            room.parent[there] = room.moved[parent] if parent >= 0 else NOTHING
            room.moved[node] = there
            there += 1
    for place in range(places):
        node = room.front[place * width + TRAIL]
        if node >= 0:
            room.front[place * width + TRAIL] = room.moved[node]
    room.now[TRAIL_LENGTH] = there


@compiled
def _start(room: Room, starts: Any) -> None:
    """Fill the front with a place for each state that the key may begin in."""
    width = room.now[WIDTH]
    for place in range(len(starts)):
        for column in range(width):
            room.front[place * width + column] = 0
        room.front[place * width + STATE] = starts[place]
        room.front[place * width + WROTE] = NOTHING
        room.front[place * width + TRAIL] = NOTHING


@compiled
def _pass(
    steps: Steps,
    line: Timeline,
    room: Room,
    near: Open,
    places: int,
    breadth: int,
    hasty: int,
    hard: int,
) -> int:
    """Pass a return, as `pass_return`; a sweep that is not hasty forgets, and tries again, where it would leave something out."""
    both = pass_return(steps, line, room, near, places, breadth, int(hasty and not hard))
    if both >> 32 and not hasty and room.now[WIDTH] > USED:
        room.now[FORGETS] = 1
        _pack(room, places)
        places = forgotten(room, near, room.front, places)
        both = pass_return(steps, line, room, near, places, breadth, 0)
    return int(both)


@compiled
def sweep(
    steps: Steps,
    line: Timeline,
    room: Room,
    near: Open,
    memory: Memory,
    starts: Any,
    most: int,
    most_ever: int,
    tries_max: int,
) -> int:
    """Sweep over one key with at most `most` places, hastily and in stretches with up to `most_ever` if that is more.

    `starts` are the states that the key may begin in. Returns what it ended with; the first place of the front is then the longest way.
    """
    now, width = room.now, room.now[WIDTH]
    hasty = most < most_ever
    trail_most = len(room.parent) - (
        2 * most_ever + len(starts) + OPEN_MAX + len(steps.crash_need)
    ) * (OPEN_MAX + 2)
    _begin(steps, line, room)
    now[TRAIL_LENGTH], now[TRIES], now[COMPARED] = 0, 0, 0
    now[TRIES_MAX] = tries_max
    _start(room, starts)
    places, returns, event, left_out = len(starts), 0, 0, False
    now[FORGETS] = width == USED and len(steps.crash_need) > 0
    breadth, back, through = most, STRIDE, 0
    while event < len(line.events):
        if line.events[event] >= 0:
            if not _call(steps, room, near, line.events[event]):
                return NO_OPINION
            event += 1
            continue
        if hasty and returns % STRIDE == 0:
            _remember(room, memory, returns, places, left_out)
        if now[TRAIL_LENGTH] > trail_most and not hasty:
            _pack(room, places)
        if spent(room) >= tries_max or now[TRAIL_LENGTH] > trail_most:
            return NO_OPINION
        hard = breadth > most
        both = _pass(steps, line, room, near, places, breadth, int(hasty), int(hard))
        kept = both & 0xFFFFFFFF
        left_out = left_out or both >> 32 > 0
        if kept == 0:
            if not left_out:
                now[DEAD_AT] = returns
                return DEAD_END
            breadth *= 2
            if breadth > most_ever or not hasty:
                return NO_OPINION
            through = max(through, returns)
            at = max(returns - back, 0) // STRIDE
            back *= 2
            returns = at * STRIDE
            event = _replay(steps, line, room, near, returns)
            now[TRIES] += event // _REPLAYED_PER_TRY
            _recall(room, memory, at)
            places, left_out = memory.count[at], memory.left_out[at]
            continue
        close_first(room, near)
        left_out = left_out or kept > breadth
        places = widest(room.found, kept, breadth, width)
        for column in range(places * width):
            room.front[column] = room.found[column]
        returns += 1
        event += 1
        if returns > through + STRIDE:
            breadth, back = most, STRIDE
    return NO_OPINION if now[FORGETS] else EXPLAINED


@compiled
def way(steps: Steps, room: Room, order: Any) -> int:
    """Fill `order` with the steps of the first place of the front; returns how many there are.

    A step that was passed stands right in front of the write that came before its return.
    """
    definite = len(steps.called)
    length = 0
    node = room.front[TRAIL]
    while node >= 0:
        length += 1
        node = room.parent[node]
    place, passed = length, 0
    node = room.front[TRAIL]
    while node >= 0:
        step = room.taken[node]
        node = room.parent[node]
        if step < 0:
            room.moved[passed] = ~step
            passed += 1
            continue
        place -= 1
        order[place] = step
        if step < definite:
            writes = steps.need[step] < 0
        else:
            writes = steps.crash_need[steps.crash_of[step - definite]] < 0
        while writes and passed > 0:
            passed -= 1
            place -= 1
            order[place] = room.moved[passed]
    return length
