"""The search of `search` at compiled speed, for registers that are seen and put several at once (`vectors`); all keys in one call.

Depth first, as in `kernel`: take a step that fits and returns first, settle what costs nothing, go on; when stuck, undo. The state is
one pair for each register, and what a step put over is kept, to be put back. A configuration is remembered as 128 bits: each step taken
and each pair of the state has two random marks, a set is their exclusive or (Zobrist). What costs no order:

* a step is taken at once when nobody left needs what it puts, nor what it puts over: so are all that only see;
* a pair that a definite step still needs is not put over when no step left can bring it back;
* a crashed step is taken only if some definite step needs what it puts;
* what nobody can ever have put, nobody has seen.

Two sets with one hash could only make a history look *illegal*: that verdict is confirmed by who asks (`vector_search`).
Code here is compiled: see the rules in `compiled`.
"""

# ruff: noqa: PLR0917 - compiled functions know no keyword-only arguments

from __future__ import annotations

from typing import Any, NamedTuple

from harness.checkers.linearizable.calls import INFINITY
from harness.checkers.linearizable.compiled import compiled
from harness.checkers.linearizable.vectors import Steps

__all__ = [
    "ILLEGAL",
    "LEGAL",
    "NOW_PLACES",
    "OUT_OF_ROOM",
    "OUT_OF_STEPS",
    "Answers",
    "Table",
    "Work",
    "run",
]

LEGAL, ILLEGAL, OUT_OF_STEPS, OUT_OF_ROOM = 1, 0, 2, 3
"""What a search of one key ended with."""

_NONE = -1

_HASH, _OTHER_HASH, _LENGTH, _OVER, _REMEMBERED, _TRIED = range(6)
"""Places in `Work.now`: hashes of what is taken and of the state, how many steps are taken and pairs put over, configurations
remembered, and steps tried."""

NOW_PLACES = 6


class Work(NamedTuple):
    """What a search changes. Everything but the state is as it was when a key is done, and no two keys share a register."""

    following: Any
    preceding: Any
    """Definite step -> its neighbours among those not taken; each key has a head behind all steps."""
    crash_taken: Any
    """Step -> whether it is a crashed one that is taken."""
    state: Any
    """Register -> the pair that it is."""
    demand: Any
    """Pair -> definite steps not taken that need it; `producers` counts the steps not taken that put it."""
    producers: Any
    trail: Any
    """Steps in the order in which they were taken."""
    over: Any
    """Pairs that these put over, one for each put."""
    frame_length: Any
    """Depth -> length of the trail when that choice was made, and the rank of the last choice tried."""
    frame_last: Any
    now: Any


class Table(NamedTuple):
    """The configurations remembered: slots of two hashes, whether they hold something, and in `used` which do."""

    hash: Any
    other_hash: Any
    full: Any
    used: Any


class Answers(NamedTuple):
    """Key -> what was found; `order` holds the steps of valid keys from `Steps.order_begin` on."""

    ended: Any
    steps: Any
    length: Any
    """Steps in the order, or in the longest that was found."""
    order: Any


@compiled
def _fits(steps: Steps, work: Work, step: int) -> bool:
    """Return whether a step finds what it needs."""
    for at in range(steps.need_begin[step], steps.need_begin[step + 1]):
        pair = steps.need[at]
        if work.state[steps.register[pair]] != pair:
            return False
    return True


@compiled
def _others_need(steps: Steps, work: Work, step: int, pair: int) -> bool:
    """Return whether a definite step not taken needs a pair, besides the step given."""
    count = work.demand[pair]
    for at in range(steps.need_begin[step], steps.need_begin[step + 1]):
        count -= steps.need[at] == pair
    return bool(count > 0)


@compiled
def _costs_nothing(steps: Steps, work: Work, step: int) -> bool:
    """Return whether nobody else needs what a step puts, or what it puts over."""
    for at in range(steps.put_begin[step], steps.put_begin[step + 1]):
        pair = steps.put[at]
        over = work.state[steps.register[pair]]
        if _others_need(steps, work, step, pair) or _others_need(steps, work, step, over):
            return False
    return True


@compiled
def _strands(steps: Steps, work: Work, step: int) -> bool:
    """Return whether a step puts over what somebody else needs and nobody can bring back."""
    for at in range(steps.put_begin[step], steps.put_begin[step + 1]):
        pair = steps.put[at]
        over = work.state[steps.register[pair]]
        if over != pair and not work.producers[over] and _others_need(steps, work, step, over):
            return True
    return False


@compiled
def _is_wanted(steps: Steps, work: Work, step: int) -> bool:
    """Return whether some definite step not taken needs what a crashed one puts."""
    for at in range(steps.put_begin[step], steps.put_begin[step + 1]):
        if work.demand[steps.put[at]] > 0:
            return True
    return False


@compiled
def _marked(steps: Steps, work: Work, step: int) -> None:
    """Put a step into the hash of what is taken, or take it out."""
    work.now[_HASH] ^= steps.mark[step]
    work.now[_OTHER_HASH] ^= steps.other_mark[step]


@compiled
def _changed(steps: Steps, work: Work, pair: int) -> int:
    """Let the register of a pair be that pair; returns what it was."""
    register = steps.register[pair]
    before = work.state[register]
    work.now[_HASH] ^= steps.pair_mark[before] ^ steps.pair_mark[pair]
    work.now[_OTHER_HASH] ^= steps.other_pair_mark[before] ^ steps.other_pair_mark[pair]
    work.state[register] = pair
    return int(before)


@compiled
def _take(steps: Steps, work: Work, step: int, definite: int) -> None:
    """Put a step in order."""
    now = work.now
    if step < definite:
        before, after = work.preceding[step], work.following[step]
        work.following[before] = after
        work.preceding[after] = before
    else:
        work.crash_taken[step] = 1
    for at in range(steps.need_begin[step], steps.need_begin[step + 1]):
        work.demand[steps.need[at]] -= 1
    for at in range(steps.put_begin[step], steps.put_begin[step + 1]):
        work.producers[steps.put[at]] -= 1
        work.over[now[_OVER]] = _changed(steps, work, steps.put[at])
        now[_OVER] += 1
    _marked(steps, work, step)
    work.trail[now[_LENGTH]] = step
    now[_LENGTH] += 1


@compiled
def _undo(steps: Steps, work: Work, length: int, definite: int) -> None:
    """Take back all steps behind the first `length`."""
    now = work.now
    while now[_LENGTH] > length:
        now[_LENGTH] -= 1
        step = work.trail[now[_LENGTH]]
        _marked(steps, work, step)
        for back in range(steps.put_begin[step + 1] - steps.put_begin[step]):
            at = steps.put_begin[step + 1] - 1 - back
            now[_OVER] -= 1
            _changed(steps, work, work.over[now[_OVER]])
            work.producers[steps.put[at]] += 1
        for at in range(steps.need_begin[step], steps.need_begin[step + 1]):
            work.demand[steps.need[at]] += 1
        if step < definite:
            work.following[work.preceding[step]] = step
            work.preceding[work.following[step]] = step
        else:
            work.crash_taken[step] = 0


@compiled
def _settle(steps: Steps, work: Work, head: int, definite: int) -> None:
    """Take whatever may come next and costs nothing, until there is nothing such."""
    took = True
    while took:
        took = False
        bound = INFINITY
        step = work.following[head]
        while step < definite and steps.called[step] < bound:
            after = work.following[step]
            if _fits(steps, work, step) and _costs_nothing(steps, work, step):
                _take(steps, work, step, definite)
                took = True
            else:
                bound = min(bound, steps.returned[step])
            step = after


@compiled
def _next_choice(steps: Steps, work: Work, key: int, head: int, definite: int, last: int) -> int:
    """Return the step worth trying behind the rank `last`, or `_NONE`: definite ones by their returns, then crashed ones."""
    bound = INFINITY
    best, best_return = _NONE, INFINITY
    step = work.following[head]
    while step < definite and steps.called[step] < bound:
        returned = steps.returned[step]
        bound = min(bound, returned)
        if (
            last < returned < best_return
            and _fits(steps, work, step)
            and not _strands(steps, work, step)
        ):
            best, best_return = step, returned
        step = work.following[step]
    if best != _NONE:
        return int(best)
    begin = max(steps.crash_begin[key], last - INFINITY + 1)
    for crashed in range(begin, steps.crash_begin[key + 1]):
        if steps.called[crashed] > bound:
            break
        if (
            not work.crash_taken[crashed]
            and _is_wanted(steps, work, crashed)
            and not _strands(steps, work, crashed)
        ):
            return int(crashed)
    return _NONE


@compiled
def _remember(work: Work, table: Table) -> bool:
    """Remember the configuration; returns whether it is new."""
    last = len(table.hash) - 1
    one, other = work.now[_HASH], work.now[_OTHER_HASH]
    place = (one ^ (one >> 29)) & last
    while table.full[place]:
        if table.hash[place] == one and table.other_hash[place] == other:
            return False
        place = (place + 1) & last
    table.full[place] = 1
    table.hash[place] = one
    table.other_hash[place] = other
    table.used[work.now[_REMEMBERED]] = place
    work.now[_REMEMBERED] += 1
    return True


@compiled
def _nobody_put(steps: Steps, work: Work, key: int) -> bool:
    """Return whether a definite step needs what its register never is."""
    for step in range(steps.begin[key], steps.begin[key + 1]):
        for at in range(steps.need_begin[step], steps.need_begin[step + 1]):
            pair = steps.need[at]
            if not work.producers[pair] and work.state[steps.register[pair]] != pair:
                return True
    return False


@compiled
def _search(
    steps: Steps, work: Work, table: Table, answers: Answers, key: int, definite: int, most: int
) -> int:
    """Search one key; returns what it ended with."""
    now, head = work.now, definite + key
    if _nobody_put(steps, work, key):
        return ILLEGAL
    _settle(steps, work, head, definite)
    depth, longest = 0, 0
    work.frame_length[0], work.frame_last[0] = now[_LENGTH], _NONE
    while work.following[head] != head:
        longest = max(longest, now[_LENGTH])
        answers.length[key] = longest
        step = _next_choice(steps, work, key, head, definite, work.frame_last[depth])
        if step == _NONE:
            if depth == 0:
                return ILLEGAL
            depth -= 1
            _undo(steps, work, work.frame_length[depth], definite)
            continue
        now[_TRIED] += 1
        if now[_TRIED] > most:
            return OUT_OF_STEPS
        if now[_REMEMBERED] == len(table.used):
            return OUT_OF_ROOM
        work.frame_last[depth] = steps.returned[step] if step < definite else INFINITY + step
        _take(steps, work, step, definite)
        _settle(steps, work, head, definite)
        if _remember(work, table):
            depth += 1
            work.frame_length[depth], work.frame_last[depth] = now[_LENGTH], _NONE
        else:
            _undo(steps, work, work.frame_length[depth], definite)
    return LEGAL


@compiled
def run(
    steps: Steps, work: Work, table: Table, answers: Answers, keys: Any, definite: int, most: int
) -> None:
    """Search some keys one after another, each with at most so many tries."""
    now = work.now
    for key in keys:
        now[_TRIED] = 0
        ended = _search(steps, work, table, answers, key, definite, most)
        answers.ended[key] = ended
        answers.steps[key] = now[_TRIED]
        if ended == LEGAL:
            base = steps.order_begin[key]
            for place in range(now[_LENGTH]):
                answers.order[base + place] = work.trail[place]
            answers.length[key] = now[_LENGTH]
        _undo(steps, work, 0, definite)
        for place in range(now[_REMEMBERED]):
            table.full[table.used[place]] = 0
        now[_REMEMBERED] = 0
