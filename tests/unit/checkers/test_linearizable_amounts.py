"""Counters that are raised by several amounts: who must take effect between two reads, and who may."""

import random

import pytest
from call_rows import calls

from harness.checkers.linearizable import amounts
from harness.checkers.linearizable.calls import Kind
from harness.checkers.linearizable.certificate import order_of
from harness.checkers.linearizable.judge import judge
from harness.checkers.linearizable.search import Budget
from harness.checkers.linearizable.verify import problem_with

ADD, READ = Kind.ADD, Kind.READ


@pytest.mark.parametrize(
    ("rows", "valid"),
    [
        ([(0, 9, ADD, 2), (1, 8, ADD, 3), (2, 3, READ, 3), (4, 5, READ, 5)], True),
        ([(0, 9, ADD, 2), (1, 8, ADD, 3), (2, 3, READ, 4)], False),
        ([(0, 1, ADD, 2), (2, 9, ADD, 3), (3, 4, READ, 3)], False),
        ([(0, None, ADD, 4), (1, None, ADD, 4), (2, 3, READ, 4), (5, 6, READ, 8)], True),
        ([(0, 1, READ, 4), (2, None, ADD, 4)], False),
        ([(0, 5, ADD, 3), (1, 2, READ, 0), (3, 9, ADD, 2), (4, 8, READ, 2)], True),
        ([(0, 3, ADD, 3), (4, 9, ADD, 2), (2, 8, READ, 2)], False),
        ([(0, 1, ADD, 3), (2, 3, ADD, 2)], True),
    ],
)
def test_increments_fill_the_gaps_between_reads(rows, valid):
    """Each read sees the sum of increments that time allows in front of it, and of all that had returned."""
    history = calls(*rows)

    judged = judge(history, "counter")

    assert (judged.valid, judged.by) == (valid, "counter")
    assert bool(judged.window) is not valid


def rows_of(count, crashed):
    """Honest increments by 1 to 5 and reads of ten clients."""
    rng = random.Random(count)
    rows, state, busy, position = [], 0, {}, 0
    while len(rows) < count:
        client = rng.randrange(10)
        if client not in busy:
            if len(rows) + len(busy) < count:
                busy[client] = [position, rng.random() < 0.5, None]
                position += 1
        elif busy[client][2] is None:
            amount = rng.randint(1, 5)
            state += 0 if busy[client][1] else amount
            busy[client][2] = state if busy[client][1] else amount
        else:
            called, reads, value = busy.pop(client)
            returned = None if not reads and rng.random() < crashed else position
            rows.append((called, returned, READ if reads else ADD, value))
            position += 1
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("crashed", [0, 0.01])
def test_a_long_counter_has_an_order(crashed):
    """Ten thousand operations, of which some crash, are judged without a search, and their order is a proof."""
    history = calls(*rows_of(10_000, crashed))

    assert judge(history, "counter").by == "counter"
    assert problem_with(history, "counter", order_of(history, "counter", Budget()).tolist()) == ""


def test_a_monitor_that_left_something_out_convicts_nobody(monkeypatch):
    """With one place kept the monitor may lose the only way, and leaves the history to the search."""
    monkeypatch.setattr(amounts, "_PLACES_MAX", 1)
    first = [(0, 20, ADD, 1), (1, 21, ADD, 2), (2, 22, ADD, 3), (3, 4, READ, 3)]
    ways = [calls(*first, (5, 6, READ, seen), (23, 24, READ, 6)) for seen in (4, 5, 6)]

    judged = [judge(history, "counter") for history in ways]

    assert [one.valid for one in judged] == [True, True, True]
    assert {one.by for one in judged} == {"counter", "search"}
