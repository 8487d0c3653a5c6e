"""Transactions against a model in a few lines: the same results, the same state, nothing of one that fails."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machine_lab import Lab

from cluster.machine.kv_requests import micro_operations, only_looks

KEYS = "abc"
numbers = st.integers(-2, 2)
values = st.one_of(st.none(), numbers, st.lists(numbers, max_size=2))
keys = st.sampled_from(KEYS)

steps = st.one_of(
    st.tuples(st.sampled_from(["r", "take", "delete"]), keys, st.none()),
    st.tuples(st.sampled_from(["w", "append", "compare"]), keys, values),
    st.tuples(st.just("add"), keys, numbers),
)
transactions = st.lists(st.lists(steps, min_size=1, max_size=5), min_size=1, max_size=6)


class Cannot(Exception):
    """The model cannot do a step."""


def step(state, op, key, value):
    """Do one step on a dictionary and return its result."""
    present = state.get(key)
    if op == "r":
        return present
    if op == "compare":
        if repr(present) != repr(value):
            raise Cannot("mismatch")
    elif op == "w":
        state[key] = value
    elif op == "delete":
        state.pop(key, None)
    elif op == "add":
        if present is not None and type(present) is not int:
            raise Cannot("not_a_number")
        state[key] = (present or 0) + value
        return state[key]
    else:
        if present is not None and type(present) is not list:
            raise Cannot("not_a_list")
        if op == "append":
            state[key] = [*(present or []), value]
        elif present:
            state[key] = present[1:]
            return present[0]
    return None


def model(state, operations):
    """Return (ok, results or error), and the state behind it."""
    draft = deepcopy(state)
    try:
        return (True, deepcopy([step(draft, *one) for one in operations])), draft
    except Cannot as cannot:
        return (False, str(cannot)), state


@pytest.mark.slow
@given(transactions)
def test_transactions_do_what_the_model_does(asked):
    """Through the log, looked at, and after a restart."""
    lab, state = Lab(), {}
    for operations in asked:
        listed = [list(one) for one in operations]
        expected, state = model(state, operations)
        if only_looks(micro_operations(listed)):
            looked = lab.machine.look(micro_operations(listed))
            assert (looked.ok, looked.value if looked.ok else looked.error) == expected
        response = lab.ask("txn", "", listed).result
        assert (response.ok, response.value if response.ok else response.error) == expected
        assert {key: lab.machine.read(key) for key in KEYS} == {key: state.get(key) for key in KEYS}
    lab.machine.flush()
    again = Lab(lab.platter.after("power"))
    assert [again.machine.read(key) for key in KEYS] == [state.get(key) for key in KEYS]
    assert again.machine.state_hash() == lab.machine.state_hash()
