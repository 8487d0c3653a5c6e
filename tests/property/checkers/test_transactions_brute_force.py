"""Serializability against its definition: on tiny histories every order of the transactions is tried.

The histories come from a store without isolation: micro-operations interleave at random, some reads are stale, some failed
writes are visible. A good part of them is serializable all the same.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transaction_histories import placed, serial_orders, verdict

KEYS = ("x", "y")


@st.composite
def histories(draw, write):
    """(how each transaction ended and what it did, its places of call and return)."""
    count = draw(st.integers(1, 4))
    plans = [
        draw(st.lists(st.tuples(st.booleans(), st.sampled_from(KEYS)), min_size=1, max_size=3))
        for _ in range(count)
    ]
    kinds = [draw(st.sampled_from(("ok", "ok", "ok", "ok", "info", "fail"))) for _ in range(count)]
    careful = draw(st.booleans())
    steps = [number for number, plan in enumerate(plans) for _ in plan]
    turns = draw(st.permutations(range(count)) if careful else st.permutations(steps))
    if careful:
        turns = [number for number in turns for _ in plans[number]]
    state: dict[str, list[int]] = {key: [] for key in KEYS}
    done: list[list] = [[] for _ in plans]
    for turn, number in enumerate(turns):
        reads, key = plans[number][len(done[number])]
        if reads:
            stale = draw(st.integers(0, 9)) == 0
            seen = state[key][:-1] if stale else state[key][:]
            result = seen if write == "append" else (seen or [None])[-1]
            done[number].append(["r", key, result])
            continue
        done[number].append([write, key, turn + 1])
        if kinds[number] == "ok" or draw(st.integers(0, 3)) == 0:
            state[key].append(turn + 1)
    places = draw(st.permutations(range(2 * count)))
    bounds = [tuple(sorted(places[2 * number : 2 * number + 2])) for number in range(count)]
    if careful and draw(st.booleans()):
        order = sorted(range(count), key=turns.index)
        bounds = [(2 * order.index(number), 2 * order.index(number) + 1) for number in range(count)]
    return list(zip(kinds, done, strict=True)), bounds


def list_append_agrees(case):
    ended, places = case
    history = placed(ended, places)
    for model, real_time in (("serializable", False), ("strict-serializable", True)):
        found = verdict(history, model).valid is not False
        assert found is serial_orders(ended, places, real_time=real_time), model


def register_convictions_are_right(case):
    ended, places = case
    history = placed(ended, places)
    for model, order, real_time in (
        ("serializable", "unknown", False),
        ("strict-serializable", "process", True),
        ("strict-serializable", "realtime", True),
    ):
        if verdict(history, model, key_order=order).valid is False:
            assert not serial_orders(ended, places, real_time=real_time), (model, order)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(histories("append"))
def test_lists_are_serializable_when_an_order_exists(case):
    """A history of lists is convicted exactly when no order of its transactions explains it."""
    list_append_agrees(case)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(histories("w"))
def test_registers_are_convicted_rightly(case):
    """A history of registers is never convicted when some order of its transactions explains it."""
    register_convictions_are_right(case)


@pytest.mark.slow
@settings(max_examples=1_500, deadline=None, derandomize=True)
@given(histories("append"))
def test_many_lists_are_serializable_when_an_order_exists(case):
    """As above, on many more histories."""
    list_append_agrees(case)


@pytest.mark.slow
@settings(max_examples=1_500, deadline=None, derandomize=True)
@given(histories("w"))
def test_many_registers_are_convicted_rightly(case):
    """As above, on many more histories."""
    register_convictions_are_right(case)
