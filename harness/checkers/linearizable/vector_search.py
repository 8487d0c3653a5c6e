"""The search over several registers at once (`vector_kernel`) seen from outside: what it starts from, how much room it gets, its answers.

A search that remembers more than it has room for begins again with more, up to what the budget says: its memory is that of the table
and of the history, whatever the states are. An illegal verdict rests on a hash and is asked again with other marks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.checkers.linearizable.calls import Calls, Column
from harness.checkers.linearizable.compiled import column
from harness.checkers.linearizable.encoding import marks
from harness.checkers.linearizable.search import Budget
from harness.checkers.linearizable.search_room import filled, in_growing_room, open_steps
from harness.checkers.linearizable.vector_kernel import (
    ILLEGAL,
    LEGAL,
    NOW_PLACES,
    OUT_OF_ROOM,
    Answers,
    Table,
    Work,
    run,
)
from harness.checkers.linearizable.vectors import Encoded, Steps, encode

__all__ = ["VectorsFound", "search_vectors"]


class VectorsFound(NamedTuple):
    """What was found of each key: 1 valid, 0 not, -1 unknown; tries; rows put in order; and these of valid keys."""

    valid: Column
    steps: Column
    explained: Column
    orders: list[Column]


def search_vectors(calls: Calls, budget: Budget, *, confirmed: bool = True) -> VectorsFound:
    """Search every key of `calls`, whose numbers are dense; each may use the whole budget.

    Not `confirmed`, an illegal verdict may rest on two sets with one hash: for whoever asks for orders only.
    """
    encoded = encode(calls)
    keys = np.arange(encoded.keys)
    found = _search(encoded, encoded.steps, keys, budget)
    ended = found.ended.copy()
    orders = _orders(encoded, found)
    illegal = keys[ended == ILLEGAL]
    if len(illegal) and confirmed:
        count, pairs = len(encoded.rows), encoded.pairs
        other = encoded.steps._replace(
            mark=marks(count, 5),
            other_mark=marks(count, 6),
            pair_mark=marks(pairs, 7),
            other_pair_mark=marks(pairs, 8),
        )
        again = _search(encoded, other, illegal, budget)
        ended[illegal] = again.ended[illegal]
        orders |= _orders(encoded, again)
    nothing = np.zeros(0, dtype=np.int64)
    return VectorsFound(
        valid=np.where(ended == LEGAL, 1, np.where(ended == ILLEGAL, 0, -1)),
        steps=found.steps,
        explained=found.length,
        orders=[orders.get(key, nothing) for key in keys.tolist()],
    )


def _orders(encoded: Encoded, found: Answers) -> dict[int, Column]:
    """Return the rows of each key that was found valid, in their order."""
    begin = encoded.steps.order_begin
    return {
        key: encoded.rows[found.order[begin[key] : begin[key] + found.length[key]]]
        for key in np.flatnonzero(found.ended == LEGAL).tolist()
    }


def _search(encoded: Encoded, steps: Steps, which: Column, budget: Budget) -> Answers:
    """Search the keys `which`, those that remember too much again with more room."""
    native = Steps(*(column(numbers) for numbers in steps))
    work = _work(encoded)
    answers = Answers(
        ended=filled(encoded.keys, OUT_OF_ROOM),
        steps=filled(encoded.keys, 0),
        length=filled(encoded.keys, 0),
        order=filled(len(encoded.rows), 0),
    )
    definite = int(encoded.steps.begin[-1])

    def search(left: Column, room: int, slots: int) -> Column:
        table = Table(filled(slots, 0), filled(slots, 0), filled(slots, 0), filled(room, 0))
        run(native, work, table, answers, column(left), definite, budget.steps_max)
        out_of_room: Column = left[np.asarray(answers.ended)[left] == OUT_OF_ROOM]
        return out_of_room

    in_growing_room(which, budget.remembered_max, search)
    return Answers(*(np.asarray(numbers) for numbers in answers))


def _work(encoded: Encoded) -> Work:
    """Return the state of a search before its first step."""
    steps, count = encoded.steps, len(encoded.rows)
    following, preceding = open_steps(steps.begin)
    return Work(
        following=following,
        preceding=preceding,
        crash_taken=filled(count, 0),
        state=column(np.arange(max(encoded.registers, 1))),
        demand=column(np.bincount(steps.need, minlength=encoded.pairs)),
        producers=column(np.bincount(steps.put, minlength=encoded.pairs)),
        trail=filled(count, 0),
        over=filled(len(steps.put), 0),
        frame_length=filled(count + 2, 0),
        frame_last=filled(count + 2, 0),
        now=filled(NOW_PLACES, 0),
    )
