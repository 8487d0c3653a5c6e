"""The compiled search seen from outside: what it starts from, how much room and patience it gets, and its answers as columns.

A search that remembers more than it has room for begins again with more. One that takes many steps is probably lost in a part that
has no order because of an early choice; so searches take turns with different preferences, and begin anew with each. What a
key may use over all turns is its budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from harness.checkers.linearizable.calls import INFINITY, Column
from harness.checkers.linearizable.compiled import column
from harness.checkers.linearizable.encoding import NOTHING, Encoded, Steps, marks
from harness.checkers.linearizable.kernel import (
    FREE,
    GAIN,
    NOW_PLACES,
    OUT_OF_ROOM,
    OUT_OF_STEPS,
    PREFERENCE,
    TRIED_MOST,
    Answers,
    Table,
    Work,
    run,
)
from harness.checkers.linearizable.search import Budget
from harness.checkers.linearizable.search_room import filled, in_growing_room, open_steps

__all__ = ["Searched", "search_keys"]

_FITTING_FIRST, _RETURNING_FIRST = INFINITY >> 1, 0
"""What is added to the rank of a step that fits anywhere. Much of it: steps that need the state as it is go first. Nothing:
the step that returns first goes first. Neither is best for every history, so they take turns."""

_CROWD = 16
"""Operations open at one time, on average, from which on the steps that fit go first in the first turn."""

_PATIENCE_MIN = 30_000
_PATIENCE_PER_STEP = 12
_PATIENCE_FACTOR = 4
"""Tries of the first turn of each preference, at least and for each definite step of the history, and how many times more the
next turns have; a search begins anew with each."""


class Searched(msgspec.Struct, frozen=True, kw_only=True):
    """Answers as columns, see `Answers`."""

    ended: Column
    steps: Column
    length: Column
    stuck: Column
    order: Column


def search_keys(
    encoded: Encoded,
    budget: Budget,
    which: Sequence[int],
    series: int = 0,
    *,
    gain: int = 0,
    steps_most: int = INFINITY,
) -> Searched:
    """Search the keys `which`, each with the whole budget; another `series` uses other marks.

    With `gain` a turn has so many steps more for each step of its longest order, `steps_most` in all.
    """
    steps, keys = encoded.steps, encoded.keys
    count = len(encoded.rows)
    if series:
        steps = steps._replace(
            mark=marks(count, 2 * series + 1), other_mark=marks(count, 2 * series + 2)
        )
    native = Steps(*(column(numbers) for numbers in steps))
    work = _work(encoded)
    answers = Answers(
        ended=filled(keys, OUT_OF_ROOM),
        steps=filled(keys, 0),
        length=filled(keys, 0),
        stuck=filled(keys, NOTHING),
        order=filled(count, NOTHING),
    )
    sink = encoded.states - 1 if encoded.lists else NOTHING
    work.now[GAIN], work.now[TRIED_MOST] = gain, steps_most
    left = np.array(which, dtype=np.int64)
    spent = np.zeros(keys, dtype=np.int64)
    for preference, patience in _turns(steps, keys, budget.steps_max):
        work.now[PREFERENCE] = preference
        _search_in_room(
            native,
            work,
            answers,
            left,
            sink=sink,
            steps_max=patience,
            room_max=budget.remembered_max,
        )
        spent[left] += np.asarray(answers.steps)[left]
        left = left[np.asarray(answers.ended)[left] == OUT_OF_STEPS]
        if not len(left):
            break
    ended, _, length, stuck, order = (np.asarray(numbers) for numbers in answers)
    return Searched(ended=ended, steps=spent, length=length, stuck=stuck, order=order)


def _turns(steps: Steps, keys: int, steps_max: int) -> Iterator[tuple[int, int]]:
    """Yield (preference, tries) of turn after turn, until a key would have used `steps_max`."""
    definite = len(steps.called)
    crowd = int((steps.returned - steps.called).sum()) // max(2 * definite, 1)
    turns = (_RETURNING_FIRST, _FITTING_FIRST)
    if crowd >= _CROWD:
        turns = (_FITTING_FIRST, _RETURNING_FIRST)
    patience = max(_PATIENCE_MIN, _PATIENCE_PER_STEP * definite // max(keys, 1))
    while steps_max > 0:
        for preference in turns:
            yield preference, min(patience, steps_max)
            steps_max -= patience
            if steps_max <= 0:
                return
        patience *= _PATIENCE_FACTOR


def _search_in_room(
    steps: Steps,
    work: Work,
    answers: Answers,
    left: Column,
    *,
    sink: int,
    steps_max: int,
    room_max: int,
) -> None:
    """Search the keys `left`, those that remember too much again with more room, up to `room_max`."""

    def search(left: Column, room: int, slots: int) -> Column:
        table = Table(filled(slots, 0), filled(slots, 0), filled(slots, FREE), filled(room, 0))
        run(steps, work, table, answers, column(left), sink, steps_max)
        out_of_room: Column = left[np.asarray(answers.ended)[left] == OUT_OF_ROOM]
        return out_of_room

    in_growing_room(left, room_max, search)


def _work(encoded: Encoded) -> Work:
    """Return the state of a search before its first step."""
    steps, states, count = encoded.steps, encoded.states, len(encoded.rows)
    following, preceding = open_steps(steps.begin)
    crash_need, crash_lead, crash_append = (
        numbers[steps.crash_of]
        for numbers in (steps.crash_need, steps.crash_lead, steps.crash_append)
    )
    demand = np.bincount(steps.need[steps.need >= 0], minlength=states)
    interest = demand + np.bincount(crash_need[crash_need >= 0], minlength=states)
    leads = np.concatenate([steps.lead, crash_lead])
    producers = np.bincount(leads[leads >= 0], minlength=states)
    appended = np.concatenate([steps.append, crash_append])
    times = np.bincount(appended[appended >= 0], minlength=len(steps.edge_begin))
    value_of_edge = np.repeat(np.arange(len(steps.edge_begin) - 1), np.diff(steps.edge_begin))
    np.add.at(producers, steps.edge_to[: len(value_of_edge)], times[value_of_edge])
    return Work(
        following=following,
        preceding=preceding,
        crash_taken=filled(len(steps.crash_need), 0),
        interest=column(interest),
        demand=column(demand),
        producers=column(producers),
        stamp=filled(encoded.classes, 0),
        earliest=filled(encoded.classes, 0),
        trail=filled(count + 1, 0),
        wanted=filled(states, 0),
        deadline=filled(states, 0),
        frame_length=filled(count + 2, 0),
        frame_state=filled(count + 2, 0),
        frame_last=filled(count + 2, 0),
        now=filled(NOW_PLACES, 0),
    )
