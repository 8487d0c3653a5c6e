"""Every judge against brute force, on small random histories: valid, spoiled, with crashed operations, many keys at once.

`benchmarks/agreement.py` does the same two hundred thousand times for each model.
"""

import random

import numpy as np
import pytest
from call_histories import brute_force, drawn, history, joined, window_from_any_state

from harness.checkers.linearizable import amounts
from harness.checkers.linearizable.by_search import search_each_key
from harness.checkers.linearizable.by_sweep import BREADTHS, Manner, sweep_key
from harness.checkers.linearizable.calls import Kind
from harness.checkers.linearizable.certificate import MONITORS, order_of
from harness.checkers.linearizable.counter import judge_counter
from harness.checkers.linearizable.judge import judge
from harness.checkers.linearizable.search import Budget, search
from harness.checkers.linearizable.sequential import MODELS
from harness.checkers.linearizable.verify import problem_with
from harness.checkers.linearizable.windows import window_of

HISTORIES = 120
OPERATIONS_MAX = 7
BUDGET = Budget()


def some(model, *, unique, seed=0, count=HISTORIES):
    rng = random.Random(f"{model} {unique} {seed}")
    histories = [drawn(rng, model, rng.randint(1, OPERATIONS_MAX), unique) for _ in range(count)]
    return [rows for rows in histories if rows]


@pytest.mark.slow
@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize("model", MODELS)
def test_verdicts_are_those_of_brute_force(model, unique):
    """Judge and search say of each key what trying every order says, and every order they give is a proof."""
    histories = some(model, unique=unique)
    calls = joined(histories)
    truth = [int(brute_force(rows, model)) for rows in histories]

    assert judge(calls, model, BUDGET).each.tolist() == truth
    assert search_each_key(calls, model, BUDGET).valid.tolist() == truth
    fine = calls.select(np.flatnonzero(np.array(truth)[calls.key]))
    assert problem_with(fine, model, order_of(fine, model, BUDGET).tolist()) == ""


@pytest.mark.parametrize("model", MONITORS)
def test_monitors_judge_what_they_are_for(model):
    """A monitor applies to almost every key with unique values, and is not handed on to the search."""
    calls = joined([rows for rows in some(model, unique=True) if model != "kv" or plain(rows)])

    judged = judge(calls, model, BUDGET)

    assert judged.keys_by_monitor > 0.9 * (judged.keys_by_monitor + judged.keys_by_search)


@pytest.mark.slow
@pytest.mark.parametrize("places", [128, 1])
def test_counters_of_several_amounts_are_judged_or_left(places, monkeypatch):
    """Where all amounts are positive the monitor says what brute force says; with one place kept it may have no opinion."""
    monkeypatch.setattr(amounts, "_PLACES_MAX", places)
    histories = [
        rows
        for rows in some("counter", unique=False, count=400)
        if all(row[2] != Kind.ADD or row[3] > 0 for row in rows)
    ]
    truth = np.array([brute_force(rows, "counter") for rows in histories])

    found = judge_counter(joined(histories))

    assert found.valid[found.applies].tolist() == truth[found.applies].tolist()
    assert len(histories) > HISTORIES
    assert found.applies.all() or places == 1


def plain(rows):
    return all(row[2] in (0, 1) for row in rows)


@pytest.mark.parametrize("model", ["register", "cas-register", "queue", "stack", "unordered-queue"])
def test_windows_of_monitors_are_inexplicable(model):
    """What a monitor shows of a broken key has no order by itself."""
    shown = 0
    for rows in some(model, unique=True):
        calls = joined([rows])
        judged = judge(calls, model, BUDGET)
        if judged.valid is False:
            window = calls.select(np.array(judged.window))
            assert search(window, MODELS[model], BUDGET).valid is False
            shown += 1
    assert shown > HISTORIES // 10


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_windows_of_searches_are_inexplicable(model):
    """A window that was made by leaving out has no order, and from no state where it says so."""
    shown = 0
    for rows in some(model, unique=False, count=40):
        if not brute_force(rows, model):
            calls = joined([rows])
            window = window_of(calls, model)
            begun = [calls.select(np.array(window.rows))]
            if window.whatever_before:
                begun += window_from_any_state(calls, window.rows, model)
            assert not any(search(one, MODELS[model], BUDGET).valid for one in begun)
            shown += 1
    assert shown


@pytest.mark.slow
@pytest.mark.parametrize("breadths", [BREADTHS, (Manner(1, 4),)])
@pytest.mark.parametrize("model", ["register", "cas-register", "mutex"])
def test_sweeps_say_what_brute_force_says(model, breadths):
    """A sweep, hasty or thorough, is right or has no opinion; its orders are proofs, and a thorough one always has an opinion."""
    unknown = 0
    for rows in some(model, unique=False):
        calls, truth = joined([rows]), brute_force(rows, model)
        swept = sweep_key(calls, model, BUDGET, breadths)
        unknown += swept.valid == "unknown"
        assert swept.valid in (truth, "unknown")
        if swept.valid is True:
            assert problem_with(calls, model, swept.order.tolist()) == ""
    assert breadths != BREADTHS or not unknown


@pytest.mark.slow
def test_a_sweep_passes_hard_stretches_with_more_places():
    """With four hundred operations and few places a sweep goes back, and still ends with a proof."""
    calls = joined([history(random.Random(5), "cas-register", 400, unique=False)])

    swept = sweep_key(calls, "cas-register", BUDGET, (Manner(1, 64),))

    assert swept.valid is True
    assert problem_with(calls, "cas-register", swept.order.tolist()) == ""
