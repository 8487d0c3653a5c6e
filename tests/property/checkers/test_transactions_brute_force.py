"""Serializability against its definition: on tiny histories every order of the transactions is tried.

The histories come from a store without isolation: micro-operations interleave at random, some reads are stale, some failed
writes are visible. A good part of them is serializable all the same.
"""

import pytest
from hypothesis import given, settings
from transaction_histories import histories, placed, serial_orders, verdict


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


@settings(max_examples=35, deadline=None, derandomize=True)
@given(histories("append"))
def test_lists_are_serializable_when_an_order_exists(case):
    """A history of lists is convicted exactly when no order of its transactions explains it."""
    list_append_agrees(case)


@settings(max_examples=35, deadline=None, derandomize=True)
@given(histories("w"))
def test_registers_are_convicted_rightly(case):
    """A history of registers is never convicted when some order of its transactions explains it."""
    register_convictions_are_right(case)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(histories("append"))
def test_many_lists_are_serializable_when_an_order_exists(case):
    """As above, on many more histories."""
    list_append_agrees(case)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(histories("w"))
def test_many_registers_are_convicted_rightly(case):
    """As above, on many more histories."""
    register_convictions_are_right(case)
