"""The search against the definition: on tiny histories every order is tried by brute force."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checkers.linearizability import search
from harness.checkers.models import APPEND, INFINITY, REGISTER, Call
from harness.operation import Operation

IMPOSSIBLE = object()


def apply_register(state, f, argument, result):
    if f == "write":
        return argument
    if f == "read":
        return state if state == result else IMPOSSIBLE
    return argument[1] if state == argument[0] else IMPOSSIBLE


def apply_append(state, f, argument, result):
    if f == "append":
        return [*(state or []), argument]
    return state if (state or []) == (result or []) else IMPOSSIBLE


def orders(calls, apply, state=None) -> Iterator[bool]:
    """Yield once for every order that explains the calls: each definite one taken, indeterminate ones or not."""
    if all(call.returned == INFINITY for call in calls):
        yield True
    for call in calls:
        if any(other.returned < call.called for other in calls if other is not call):
            continue
        result = call.result if call.returned < INFINITY else state
        after = apply(state, call.invoked.f, call.argument, result)
        if after is not IMPOSSIBLE:
            yield from orders([other for other in calls if other is not call], apply, after)


@st.composite
def histories(draw, operation):
    """Up to seven calls with any overlap; `operation` draws (f, argument, result)."""
    count = draw(st.integers(1, 7))
    positions = draw(st.permutations(range(2 * count)))
    calls = []
    for number in range(count):
        called, returned = sorted(positions[2 * number : 2 * number + 2])
        f, argument, result = draw(operation)
        if draw(st.integers(0, 3)) == 0:
            returned = INFINITY
        invoked = Operation(process=number, f=f)
        calls.append(Call(invoked, None, called, returned, argument, result))
    return sorted(calls, key=lambda call: call.called)


VALUE = st.integers(0, 2)
REGISTER_OPERATION = st.one_of(
    st.tuples(st.just("write"), VALUE, st.none()),
    st.tuples(st.just("read"), st.none(), st.one_of(st.none(), VALUE)),
    st.tuples(st.just("cas"), st.tuples(VALUE, VALUE), st.none()),
)
APPEND_OPERATION = st.one_of(
    st.tuples(st.just("append"), VALUE, st.none()),
    st.tuples(st.just("read"), st.none(), st.lists(VALUE, max_size=3)),
)


def agrees(calls, model, apply):
    expected = next(orders(calls, apply), False)
    assert search(model(calls), 1_000_000).valid is expected


@settings(max_examples=150, deadline=None, derandomize=True)
@given(histories(REGISTER_OPERATION))
def test_registers_are_judged_as_by_brute_force(calls):
    """The search finds an order of register operations exactly when there is one."""
    agrees(calls, REGISTER, apply_register)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(histories(APPEND_OPERATION))
def test_lists_are_judged_as_by_brute_force(calls):
    """The search finds an order of appends and reads exactly when there is one."""
    agrees(calls, APPEND, apply_append)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, derandomize=True)
@given(histories(REGISTER_OPERATION))
def test_many_registers_are_judged_as_by_brute_force(calls):
    """As above, on many more histories."""
    agrees(calls, REGISTER, apply_register)


@pytest.mark.slow
@settings(max_examples=5_000, deadline=None, derandomize=True)
@given(histories(APPEND_OPERATION))
def test_many_lists_are_judged_as_by_brute_force(calls):
    """As above, on many more histories."""
    agrees(calls, APPEND, apply_append)
