"""The search of `search` at compiled speed, for what has one small state (`encoding`); all keys in one call.

Depth first: take a step that fits and of its class returns first, settle what costs nothing, go on;
when stuck, undo. Definite steps not taken are a linked list in order of their calls, from which a step is unlinked and linked
again in no time (Knuth's dancing links); of a crashed class only a count is kept, its steps being taken in order of their
calls. A configuration is remembered as 128 bits of the steps taken (Zobrist: each step has two random marks, a set is their
exclusive or) and the state. Four things beyond the plain search cost no order:

* a write that nobody will read, over a state that nobody will need any more, is taken at once;
* a state that a definite step still needs is not left when no step can bring it back;
* a place is left at once when a ready step needs a state that nothing called before its return leads to;
* a crashed step is taken only if some step needs what it leads to.

Two sets with one hash could only make a history look *illegal*: that verdict is confirmed by who asks (`judge`).
Code here is compiled: see the rules in `compiled`.
"""

# ruff: noqa: PLR0917 - compiled functions know no keyword-only arguments

from __future__ import annotations

from typing import Any, NamedTuple

from harness.checkers.linearizable.calls import INFINITY
from harness.checkers.linearizable.compiled import compiled
from harness.checkers.linearizable.encoding import NOTHING, Steps

__all__ = [
    "FREE",
    "GAIN",
    "ILLEGAL",
    "LEGAL",
    "NOW_PLACES",
    "OUT_OF_ROOM",
    "OUT_OF_STEPS",
    "PREFERENCE",
    "TRIED_MOST",
    "Answers",
    "Table",
    "Work",
    "run",
]

LEGAL, ILLEGAL, OUT_OF_STEPS, OUT_OF_ROOM = 1, 0, 2, 3
"""What a search of one key ended with."""

FREE = -9
"""State of a slot of the table that holds nothing."""

_HASH, _OTHER_HASH, _LENGTH, _OUTSTANDING, _STAMP, _REMEMBERED, PREFERENCE, GAIN, TRIED_MOST = (
    range(9)
)
"""Places in `Work.now`: hashes of what is taken, how many steps that is, definite ones left that need a state, a serial
number of the last look around, configurations remembered, the preference of this turn, how many more tries it has for each step of
the longest order, and how many it has at most."""


NOW_PLACES = 9


class Work(NamedTuple):
    """What a search changes. Everything is as it was when a key is done."""

    following: Any
    preceding: Any
    """Definite step -> its neighbours among those not taken; each key has a head behind all steps."""
    crash_taken: Any
    """Crashed class -> how many of its steps are taken."""
    interest: Any
    """State -> steps not taken that need it; `demand` counts the definite ones, `producers` those that lead to it."""
    demand: Any
    producers: Any
    stamp: Any
    """Class -> the look around in which a definite step of it was found ready; `earliest` is its first return."""
    earliest: Any
    trail: Any
    """Steps in the order in which they were taken."""
    wanted: Any
    """State -> the look around in which a ready step was found to need it; `deadline` is the first return of such steps."""
    deadline: Any
    frame_length: Any
    """Depth -> length of the trail when that choice was made, the state then, and the return of the last choice tried."""
    frame_state: Any
    frame_last: Any
    now: Any


class Table(NamedTuple):
    """The configurations remembered, and in `used` where they are."""

    hash: Any
    other_hash: Any
    state: Any
    used: Any


class Answers(NamedTuple):
    """Key -> what was found; `order` holds the steps of valid keys from `Steps.order_begin` on."""

    ended: Any
    steps: Any
    length: Any
    """Steps in the order, or in the longest that was found."""
    stuck: Any
    """The definite step that had to come next there."""
    order: Any


@compiled
def _behind(steps: Steps, state: int, lead: int, append: int, sink: int) -> int:
    """Return the state behind a step."""
    if append >= 0:
        for edge in range(steps.edge_begin[append], steps.edge_begin[append + 1]):
            if steps.edge_from[edge] == state:
                return int(steps.edge_to[edge])
        return sink
    return lead if lead >= 0 else state


@compiled
def _account(
    steps: Steps, work: Work, need: int, lead: int, append: int, definite: int, change: int
) -> None:
    """Count a step as not taken any more (-1) or again (1)."""
    if need >= 0:
        work.interest[need] += change
        work.demand[need] += change * definite
        work.now[_OUTSTANDING] += change * definite
    if lead >= 0:
        work.producers[lead] += change
    if append >= 0:
        for edge in range(steps.edge_begin[append], steps.edge_begin[append + 1]):
            work.producers[steps.edge_to[edge]] += change


@compiled
def _take(steps: Steps, work: Work, step: int) -> None:
    """Take a step; crashed ones are numbered behind all definite ones."""
    definite = len(steps.called)
    now = work.now
    if step < definite:
        _account(steps, work, steps.need[step], steps.lead[step], steps.append[step], 1, -1)
        before, after = work.preceding[step], work.following[step]
        work.following[before] = after
        work.preceding[after] = before
    else:
        line = steps.crash_of[step - definite]
        _account(
            steps, work, steps.crash_need[line], steps.crash_lead[line], steps.crash_append[line], 0, -1
        )  # fmt: skip
        work.crash_taken[line] += 1
    now[_HASH] ^= steps.mark[step]
    now[_OTHER_HASH] ^= steps.other_mark[step]
    work.trail[now[_LENGTH]] = step
    now[_LENGTH] += 1


@compiled
def _undo(steps: Steps, work: Work, length: int) -> None:
    """Give steps back until `length` are taken."""
    definite = len(steps.called)
    now = work.now
    while now[_LENGTH] > length:
        now[_LENGTH] -= 1
        step = work.trail[now[_LENGTH]]
        now[_HASH] ^= steps.mark[step]
        now[_OTHER_HASH] ^= steps.other_mark[step]
        if step < definite:
            work.following[work.preceding[step]] = step
            work.preceding[work.following[step]] = step
            _account(steps, work, steps.need[step], steps.lead[step], steps.append[step], 1, 1)
        else:
            line = steps.crash_of[step - definite]
            work.crash_taken[line] -= 1
            _account(
                steps, work, steps.crash_need[line], steps.crash_lead[line], steps.crash_append[line], 0, 1
            )  # fmt: skip


@compiled
def _settle(steps: Steps, work: Work, head: int, state: int, sink: int) -> int:
    """Take every definite step that costs nothing; returns the new state. `sink` is `NOTHING` where states are no lists."""
    took = True
    while took:
        took = False
        bound = INFINITY
        step = work.following[head]
        while step != head and steps.called[step] < bound:
            need, lead = steps.need[step], steps.lead[step]
            stays = lead < 0 and steps.append[step] < 0 and need == state
            if sink >= 0:
                idle = state == sink and lead == sink and need < 0
            else:
                idle = need < 0 and not work.interest[state] and not work.interest[lead]
            if stays or idle:
                _take(steps, work, step)
                took = True
                if idle and sink < 0:
                    state = lead
            else:
                bound = min(bound, steps.returned[step])
            step = work.following[step]
    return state


@compiled
def _choose(steps: Steps, work: Work, key: int, state: int, last: int, sink: int) -> int:
    """Return the next step worth trying, in order of returns from behind `last` on, or `NOTHING`."""
    head = len(steps.called) + key
    now = work.now
    now[_STAMP] += 1
    bound = INFINITY
    step = work.following[head]
    while step != head and steps.called[step] < bound:
        returned = steps.returned[step]
        bound = min(bound, returned)
        if steps.need[step] < 0 or steps.need[step] == state:
            line = steps.step_class[step]
            if work.stamp[line] != now[_STAMP] or returned < work.earliest[line]:
                work.stamp[line] = now[_STAMP]
                work.earliest[line] = returned
        step = work.following[step]
    demand = work.demand[state]
    free = demand == 0 or work.producers[state] > 0
    best, best_rank = NOTHING, INFINITY
    step = work.following[head]
    while step != head and steps.called[step] < bound:
        returned = steps.returned[step]
        rank = returned if steps.need[step] >= 0 else returned + work.now[PREFERENCE]
        if last < rank < best_rank:
            line = steps.step_class[step]
            if work.stamp[line] == now[_STAMP] and work.earliest[line] == returned:
                need = steps.need[step]
                after = _behind(steps, state, steps.lead[step], steps.append[step], sink)
                if free or after == state or (demand == 1 and need == state):
                    best, best_rank = step, rank
        step = work.following[step]
    if best >= 0 or not free:
        return best
    return _choose_crashed(steps, work, key, state, last, bound, sink)


@compiled
def _is_dead(steps: Steps, work: Work, key: int, state: int) -> bool:
    """Return whether some ready step needs a state that no step called before its return leads to."""
    head = len(steps.called) + key
    work.now[_STAMP] += 1
    stamp = work.now[_STAMP]
    open_states = 0
    bound, horizon = INFINITY, 0
    step = work.following[head]
    while step != head and steps.called[step] < bound:
        returned, need = steps.returned[step], steps.need[step]
        bound = min(bound, returned)
        if need >= 0 and need != state:
            if work.wanted[need] != stamp:
                work.wanted[need] = stamp
                work.deadline[need] = returned
                open_states += 1
            elif returned < work.deadline[need]:
                work.deadline[need] = returned
            horizon = max(horizon, returned)
        step = work.following[step]
    step = work.following[head]
    while open_states and step != head and steps.called[step] < horizon:
        open_states -= _meets(
            steps, work, steps.lead[step], steps.append[step], steps.called[step], stamp
        )
        step = work.following[step]
    if open_states:
        for line in range(steps.crash_begin[key], steps.crash_begin[key + 1]):
            at = steps.class_begin[line] + work.crash_taken[line]
            if at < steps.class_begin[line + 1]:
                open_states -= _meets(
                    steps, work, steps.crash_lead[line], steps.crash_append[line],
                    steps.crash_called[at], stamp,
                )  # fmt: skip
    return open_states > 0


@compiled
def _meets(steps: Steps, work: Work, lead: int, append: int, called: int, stamp: int) -> int:
    """Cross out the wanted states that a step leads to in time; returns how many."""
    met = 0
    if lead >= 0 and work.wanted[lead] == stamp and called < work.deadline[lead]:
        work.wanted[lead] = 0
        met += 1
    if append >= 0:
        for edge in range(steps.edge_begin[append], steps.edge_begin[append + 1]):
            after = steps.edge_to[edge]
            if work.wanted[after] == stamp and called < work.deadline[after]:
                work.wanted[after] = 0
                met += 1
    return met


@compiled
def _choose_crashed(
    steps: Steps, work: Work, key: int, state: int, last: int, bound: int, sink: int
) -> int:
    """Return the next crashed step worth trying; they come behind all definite ones, in order of their calls."""
    best, best_call = NOTHING, INFINITY
    for line in range(steps.crash_begin[key], steps.crash_begin[key + 1]):
        at = steps.class_begin[line] + work.crash_taken[line]
        if at == steps.class_begin[line + 1]:
            continue
        call = steps.crash_called[at]
        if call > bound or call >= best_call or INFINITY + call <= last:
            continue
        need = steps.crash_need[line]
        if need >= 0 and need != state:
            continue
        if work.stamp[steps.crash_step_class[line]] == work.now[_STAMP]:
            continue
        after = _behind(steps, state, steps.crash_lead[line], steps.crash_append[line], sink)
        if after not in (state, sink) and (sink >= 0 or work.interest[after] > 0):
            best, best_call = at, call
    return best if best < 0 else best + len(steps.called)


@compiled
def _remember(table: Table, work: Work, state: int) -> bool:
    """Remember the configuration; returns whether it is new."""
    now = work.now
    mask = len(table.state) - 1
    slot = (now[_HASH] ^ (state + 1)) & mask
    while table.state[slot] != FREE:
        if (
            table.state[slot] == state
            and table.hash[slot] == now[_HASH]
            and table.other_hash[slot] == now[_OTHER_HASH]
        ):
            return False
        slot = (slot + 1) & mask
    table.hash[slot] = now[_HASH]
    table.other_hash[slot] = now[_OTHER_HASH]
    table.state[slot] = state
    table.used[now[_REMEMBERED]] = slot
    now[_REMEMBERED] += 1
    return True


@compiled
def _search(
    steps: Steps, work: Work, table: Table, answers: Answers, key: int, sink: int, steps_max: int
) -> int:
    """Search one key; the trail is left as it stands when the search ends."""
    now = work.now
    head = len(steps.called) + key
    state = _settle(steps, work, head, key, sink)
    depth = 0
    work.frame_length[0], work.frame_state[0], work.frame_last[0] = 0, state, NOTHING
    room = len(table.used)
    tried = 0
    while now[_OUTSTANDING] > 0:
        if now[_LENGTH] > answers.length[key]:
            answers.length[key] = now[_LENGTH]
            answers.stuck[key] = _first_to_return(steps, work, head)
        state = work.frame_state[depth]
        step = _choose(steps, work, key, state, work.frame_last[depth], sink)
        answers.steps[key] = tried
        if step < 0:
            _undo(steps, work, work.frame_length[depth])
            depth -= 1
            if depth < 0:
                return ILLEGAL
            continue
        if tried >= min(steps_max + now[GAIN] * answers.length[key], now[TRIED_MOST]):
            return OUT_OF_STEPS
        tried += 1
        length = now[_LENGTH]
        definite = len(steps.called)
        if step < definite:
            work.frame_last[depth] = steps.returned[step]
            if steps.need[step] < 0:
                work.frame_last[depth] += now[PREFERENCE]
            after = _behind(steps, state, steps.lead[step], steps.append[step], sink)
        else:
            work.frame_last[depth] = INFINITY + steps.crash_called[step - definite]
            line = steps.crash_of[step - definite]
            after = _behind(steps, state, steps.crash_lead[line], steps.crash_append[line], sink)
        _take(steps, work, step)
        after = _settle(steps, work, head, after, sink)
        place = after if sink >= 0 or work.interest[after] > 0 else NOTHING
        if _is_dead(steps, work, key, after) or not _remember(table, work, place):
            _undo(steps, work, length)
            continue
        if now[_REMEMBERED] == room:
            return OUT_OF_ROOM
        depth += 1
        work.frame_length[depth], work.frame_state[depth] = length, after
        work.frame_last[depth] = NOTHING
    return LEGAL


@compiled
def _first_to_return(steps: Steps, work: Work, head: int) -> int:
    """Return the definite step not taken that returns first."""
    bound, first = INFINITY, NOTHING
    step = work.following[head]
    while step != head and steps.called[step] < bound:
        if steps.returned[step] < bound:
            bound, first = steps.returned[step], step
        step = work.following[step]
    return first


@compiled
def run(
    steps: Steps, work: Work, table: Table, answers: Answers, keys: Any, sink: int, steps_max: int
) -> None:
    """Search some keys one after another."""
    now = work.now
    for key in keys:
        now[_OUTSTANDING] = 0
        for step in range(steps.begin[key], steps.begin[key + 1]):
            now[_OUTSTANDING] += steps.need[step] >= 0
        ended = _search(steps, work, table, answers, key, sink, steps_max)
        answers.ended[key] = ended
        if ended == LEGAL:
            base = steps.order_begin[key]
            length = now[_LENGTH]
            for place in range(length):
                answers.order[base + place] = work.trail[place]
            step = work.following[len(steps.called) + key]
            while step < len(steps.called):
                answers.order[base + length] = step
                length += 1
                step = work.following[step]
            answers.length[key] = length
        _undo(steps, work, 0)
        for place in range(now[_REMEMBERED]):
            table.state[table.used[place]] = FREE
        now[_REMEMBERED] = 0
