"""Failed compare-and-sets that prove something, and accesses of several registers, against all orders there are."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.calls import calls_of
from harness.checkers.linearizable.search import Budget
from harness.columns import NEVER, columns_of
from harness.conventions import CONVENTIONS
from harness.linearizable import linearizable
from harness.operation import Operation

VALUES = st.integers(0, 2)
REGISTER = st.one_of(
    st.tuples(st.just("read"), st.just(None), st.one_of(st.none(), VALUES), st.just("ok")),
    st.tuples(st.just("write"), VALUES, st.none(), st.sampled_from(["ok", "info"])),
    st.tuples(
        st.just("cas"),
        st.tuples(VALUES, VALUES),
        st.none(),
        st.sampled_from(["ok", "info", "fail"]),
    ),
)
ACCESS = st.one_of(
    st.tuples(st.just("read"), st.sampled_from("xy"), VALUES),
    st.tuples(st.just("write"), st.sampled_from("xy"), VALUES),
)
MANY = st.tuples(st.lists(ACCESS, min_size=1, max_size=2), st.sampled_from(["ok", "info"]))


def interleaved(draw, count: int) -> list[tuple[str, int]]:
    """Invocations and completions of `count` operations, each by its own process."""
    events: list[tuple[str, int]] = []
    waiting: list[int] = []
    begun = 0
    while begun < count or waiting:
        if begun < count and (not waiting or draw(st.booleans())):
            events.append(("call", begun))
            waiting.append(begun)
            begun += 1
        else:
            events.append(("return", waiting.pop(draw(st.integers(0, len(waiting) - 1)))))
    return events


@st.composite
def register_histories(draw) -> list[Operation]:
    """A few operations of one register that overlap."""
    done = draw(st.lists(REGISTER, min_size=1, max_size=5))
    history = []
    for what, number in interleaved(draw, len(done)):
        f, given, seen, kind = done[number]
        asked = list(given) if f == "cas" else given
        ended = seen if f == "read" else asked
        history.append(
            Operation(process=number, f=f, value=asked)
            if what == "call"
            else Operation(process=number, type=kind, f=f, value=ended)
        )
    return history


@st.composite
def many_histories(draw) -> list[Operation]:
    """A few accesses of two registers that overlap."""
    done = draw(st.lists(MANY, min_size=1, max_size=4))
    history = []
    for what, number in interleaved(draw, len(done)):
        accesses, kind = done[number]
        asked = [[f, key, None if f == "read" else value] for f, key, value in accesses]
        told = [list(access) for access in accesses]
        history.append(
            Operation(process=number, f="txn", value=asked)
            if what == "call"
            else Operation(
                process=number, type=kind, f="txn", value=told if kind == "ok" else asked
            )
        )
    return history


def spans(history: list[Operation]) -> list[tuple[int, int, Operation, Operation]]:
    """(call, return, invocation, completion) of each operation; one that crashed returns never."""
    called = {
        one.process: (place, one) for place, one in enumerate(history) if one.type == "invoke"
    }
    return [
        (
            called[one.process][0],
            NEVER if one.type == "info" else place,
            called[one.process][1],
            one,
        )
        for place, one in enumerate(history)
        if one.type != "invoke"
    ]


def has_order(history: list[Operation], fits) -> bool:
    """Whether some order of all that returned and some of what crashed respects time and `fits`."""
    operations = spans(history)
    crashed = [one for one in operations if one[1] == NEVER]
    sure = [one for one in operations if one[1] != NEVER]
    for chosen in range(1 << len(crashed)):
        taken = sure + [one for bit, one in enumerate(crashed) if chosen >> bit & 1]
        for order in permutations(taken):
            in_time = all(
                later[1] > earlier[0]
                for place, earlier in enumerate(order)
                for later in order[place + 1 :]
            )
            if in_time and fits(order):
                return True
    return False


def register_fits(order) -> bool:
    """Whether a register, absent in the beginning, can have done this."""
    state = None
    for *_, asked, ended in order:
        if asked.f == "write":
            state = asked.value
        elif asked.f == "read":
            if ended.value != state:
                return False
        elif (state == asked.value[0]) == (ended.type == "fail"):
            return False
        elif ended.type != "fail":
            state = asked.value[1]
    return True


def many_fits(order) -> bool:
    """Whether registers that begin with 0 can have done this."""
    state = dict.fromkeys("xy", 0)
    for *_, asked, ended in order:
        told = ended.value if ended.type == "ok" else asked.value
        for f, key, value in told:
            if f == "write":
                state[key] = value
            elif ended.type == "ok" and state[key] != value:
                return False
    return True


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(register_histories())
def test_refused_compare_and_sets_saw_something_else(history: list[Operation]) -> None:
    """Where a failed compare-and-set is proof of another value, the verdict is that of all orders."""
    columns = columns_of(history, CONVENTIONS["register"])
    failed = [place for place, one in enumerate(history) if one.type == "fail"]
    refused = np.flatnonzero(np.isin(columns.returned, failed))

    verdict = linearizable(columns, "register", "cas-register", Budget(), refused=refused)

    assert verdict.valid in (has_order(history, register_fits), "unknown")
    assert verdict.valid != "unknown" or not any(one.type == "ok" for one in history)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(many_histories())
def test_accesses_of_several_registers_happen_at_once(history: list[Operation]) -> None:
    """Reads and writes of one operation are one step, from what the registers begin with."""
    columns = columns_of(history, CONVENTIONS["multi-register"])
    assert len(calls_of(columns, "multi-register").rows) == len(columns)

    verdict = linearizable(columns, "multi-register", "multi-register", Budget(), initial=0)

    assert verdict.valid in (has_order(history, many_fits), "unknown")
    assert verdict.valid != "unknown" or not any(one.type == "ok" for one in history)
