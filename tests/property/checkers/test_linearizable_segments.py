"""Segments and windows: taking away never convicts an honest history, and what is left of a broken one is small."""

import random

import numpy as np
import pytest
from call_histories import history, joined

from harness.checkers.linearizable import vector_segments
from harness.checkers.linearizable.by_search import VECTORS, search_each_key
from harness.checkers.linearizable.calls import INFINITY, Calls, Kind
from harness.checkers.linearizable.search import Budget, search
from harness.checkers.linearizable.segments import (
    SEGMENTED_MODELS,
    Sight,
    from_every_state,
    segment,
    until,
)
from harness.checkers.linearizable.sequential import MODELS
from harness.checkers.linearizable.windows import window_of

BUDGET = Budget()
OPERATIONS = 14
WINDOW_MAX = 10


def explained(calls, model):
    return any(search(one, MODELS[model], BUDGET).valid for one in from_every_state(calls, model))


@pytest.mark.slow
@pytest.mark.parametrize("model", SEGMENTED_MODELS)
def test_taking_away_never_convicts_an_honest_history(model):
    """Whatever is cut off an honest history, and whatever goes that nobody left can have seen, some state explains the rest."""
    rng = random.Random(model)
    for _ in range(400):
        calls = joined([history(rng, model, OPERATIONS, unique=False)])
        if not len(calls):
            continue
        ends = calls.returned[calls.returned < INFINITY].tolist() or [0]
        short = until(calls, rng.choice(ends))
        _, inside = segment(short, model, rng.choice([0, *ends]))
        chosen = np.array([row for row in range(len(inside)) if rng.random() < 0.4], dtype=np.int64)
        kept = inside.select(Sight(inside, model).closed(chosen))
        assert explained(kept, model)


@pytest.mark.slow
def test_taking_away_never_convicts_honest_accesses_of_several_registers():
    """So it is where registers are seen and put several at once."""
    rng = random.Random("several")
    for _ in range(400):
        calls = joined([history(rng, VECTORS, OPERATIONS, unique=rng.random() < 0.5)])
        ends = calls.returned[calls.returned < INFINITY].tolist()
        if not ends:
            continue
        _, inside = vector_segments.segment(until(calls, rng.choice(ends)), rng.choice([0, *ends]))
        chosen = np.array([row for row in range(len(inside)) if rng.random() < 0.4], dtype=np.int64)
        if len(chosen):
            kept = inside.select(vector_segments.closed(inside, chosen))
            assert search_each_key(vector_segments.begun(kept), VECTORS, BUDGET).valid[0] == 1


def in_turn(kinds, values, values_to):
    """Operations of two clients, each overlapping the one before and the one behind it."""
    count = len(kinds)
    called = np.array([0, *(2 * n for n in range(1, count))])
    return Calls(
        called=called,
        returned=called + 3,
        key=np.zeros(count, dtype=np.int64),
        kind=kinds,
        value=values,
        value_to=values_to,
    )


def test_a_stale_read_among_few_values_has_a_small_window():
    """Four hundred operations on three values of which one saw what was gone: at most ten rows convict, whatever came before."""
    rng = np.random.default_rng(3)
    kinds = np.where(np.arange(400) % 2 == 0, int(Kind.WRITE), int(Kind.READ))
    values = np.repeat(rng.integers(1, 4, 200), 2)
    values[301] = 1 + values[300] % 3
    values[[298, 299]] = values[300]
    values[[302, 303]] = values[300]
    calls = in_turn(kinds, values, np.zeros(400, dtype=np.int64))

    found = window_of(calls, "register")
    window = found.rows

    assert found.whatever_before
    assert 301 in window
    assert len(window) <= WINDOW_MAX
    assert not explained(calls.select(np.array(window)), "register")
