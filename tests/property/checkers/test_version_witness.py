"""Orders that explain everything within real time: there is one exactly where trying all orders finds one."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transaction_anomalies import FAIL, INFO, OK, read, write
from transaction_histories import (
    at_once,
    histories,
    of_one_process,
    one_by_one,
    placed,
    serial_orders,
    verdict,
)

from harness.checkers.linearizable import vector_search
from harness.checkers.transactions import judge
from harness.checkers.transactions.lattice import MODELS
from harness.checkers.transactions.rw_register import versions_of
from harness.checkers.transactions.transactions import load
from harness.checkers.transactions.version_witness import witness
from harness.checkers.transactions.versions import Writes


def places_of(history):
    """The places that are found."""
    transactions = load(history)
    return witness(transactions, versions_of(transactions, Writes(transactions)))


@pytest.fixture
def asked(monkeypatch):
    """Let a witness be looked for in short histories too."""
    monkeypatch.setattr(judge, "WITNESS_FROM", 0)


def agrees(case):
    ended, places = case
    found = places_of(placed(ended, places)) is not None
    assert found is serial_orders(ended, places, real_time=True)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(histories("w"))
def test_an_order_is_found_where_there_is_one(case):
    """Stale reads, visible failures and indeterminate transactions among them."""
    agrees(case)


@pytest.mark.slow
@settings(max_examples=1_000, deadline=None, derandomize=True)
@given(histories("w"))
def test_an_order_is_found_where_there_is_one_of_many(case):
    """As above, on many more histories."""
    agrees(case)


def test_the_places_are_an_order_of_those_who_share_a_register():
    """Whoever read a version stands behind its writer and before the next one; who failed stands last."""
    ended = [
        (OK, [write("x", 1)]),
        (OK, [read("x", None)]),
        (OK, [read("x", 1), write("x", 2)]),
        (FAIL, [write("x", 3)]),
    ]
    first, before, second, failed = places_of(at_once(*ended)).tolist()

    assert before < first < second < failed


@pytest.mark.parametrize(
    "ended",
    [
        [(OK, [write("x", 1), read("x", 2)]), (OK, [write("x", 2)])],
        [(OK, [write("x", 1), write("x", 2)]), (OK, [read("x", 1)])],
        [(FAIL, [write("x", 1)]), (OK, [read("x", 1)])],
        [(OK, [write("x", 1)]), (OK, [read("x", None)])],
    ],
    ids=["not its own write", "a value in between", "what failed", "too old"],
)
def test_what_nothing_explains_has_no_places(ended):
    """One after another, so that real time counts."""
    assert places_of(one_by_one(*ended)) is None


def test_who_need_not_have_happened_is_taken_where_it_was_seen():
    """An indeterminate write that somebody read has its place before the reader."""
    ended = [(INFO, [write("x", 1)]), (OK, [read("x", None)]), (OK, [read("x", 1)])]
    writer, before, behind = places_of(at_once(*ended)).tolist()

    assert before < writer < behind


def test_who_goes_on_after_an_indeterminate_transaction_has_no_witness():
    """The transaction would have to come before what its process did next, and the search does not know of that."""
    history = of_one_process((INFO, [write("x", 1)]), (OK, [read("x", None)]))

    assert places_of(history) is None


def test_reported_versions_come_before_a_witness(asked):
    """Where their numbers contradict its order another one is begun with, and the verdict is the same without a solver."""
    ended = [
        (OK, [["w", "x", 1, 2], write("y", 1)]),
        (OK, [["w", "x", 2, 1], write("y", 2)]),
    ]
    judged = verdict(at_once(*ended), "serializable")

    assert judged.valid is True
    assert judged.facts["orders_tried"] == 1


def test_an_order_that_explains_nothing_is_not_believed(monkeypatch, asked):
    """What the search hands out is replayed: with the places the wrong way round there is no witness, and the verdict is the same."""
    ended = [(OK, [write("x", 1)]), (OK, [read("x", 1), write("x", 2)]), (OK, [read("x", 2)])]
    history = one_by_one(*ended)
    right = vector_search.search_vectors

    def backwards(*given, **named):
        found = right(*given, **named)
        return found._replace(orders=[np.flip(order) for order in found.orders])

    monkeypatch.setattr(vector_search, "search_vectors", backwards)

    assert places_of(history) is None
    assert verdict(history).valid is True


def test_weak_models_are_not_judged_one_by_one_where_all_is_explained(monkeypatch, asked):
    """A strictly serializable history satisfies every weaker model."""
    monkeypatch.delattr(judge.weak_registers, "find_weak")
    judged = verdict(one_by_one((OK, [write("x", 1)]), (OK, [read("x", 1)])), "causal-cerone")

    assert judged.valid is True
    assert judged.facts["explained_by_an_order"] is True


@settings(max_examples=60, deadline=None, derandomize=True)
@given(histories("w"), st.sampled_from(MODELS))
def test_verdicts_are_the_same_with_and_without_a_witness(case, model):
    """For every model, with the anomalies that are named."""
    history = placed(*case)
    without = verdict(history, model)
    with mock.patch.object(judge, "WITNESS_FROM", 0):
        found = verdict(history, model)

    assert found.valid == without.valid
    assert found.facts["anomalies"] == without.facts["anomalies"]
