"""Orders that explain everything within real time: there is one exactly where trying all orders finds one."""

import numpy as np
import pytest
from hypothesis import given, settings
from transaction_anomalies import FAIL, INFO, OK, read, write
from transaction_histories import at_once, histories, one_by_one, placed, serial_orders, verdict

from harness.checkers.transactions import judge, version_witness
from harness.checkers.transactions.rw_register import versions_of
from harness.checkers.transactions.transactions import load
from harness.checkers.transactions.version_witness import witness
from harness.checkers.transactions.versions import Writes


def places_of(history):
    """The places that are found."""
    transactions = load(history)
    return witness(transactions, versions_of(transactions, Writes(transactions)))


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


def test_an_order_that_explains_nothing_is_not_believed(monkeypatch):
    """What the search hands out is replayed: with the places the wrong way round there is no witness, and the verdict is the same."""
    ended = [(OK, [write("x", 1)]), (OK, [read("x", 1), write("x", 2)]), (OK, [read("x", 2)])]
    history = one_by_one(*ended)
    right = version_witness.search_vectors

    def backwards(*asked):
        found = right(*asked)
        return found._replace(orders=[np.flip(order) for order in found.orders])

    monkeypatch.setattr(version_witness, "search_vectors", backwards)

    assert places_of(history) is None
    assert verdict(history).valid is True


def test_weak_models_are_not_judged_one_by_one_where_all_is_explained(monkeypatch):
    """A strictly serializable history satisfies every weaker model."""
    monkeypatch.delattr(judge.weak_registers, "find_weak")
    judged = verdict(one_by_one((OK, [write("x", 1)]), (OK, [read("x", 1)])), "causal-cerone")

    assert judged.valid is True
    assert judged.facts["causality_judged"] is True
