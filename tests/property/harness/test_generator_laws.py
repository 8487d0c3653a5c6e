"""What holds for every generator made of the vocabulary, whatever the draws and the answers are."""

from __future__ import annotations

from typing import Any

from generator_runs import Draws, imperfect, quick
from hypothesis import given
from hypothesis import strategies as st

from harness.generator import (
    Generator,
    any_of,
    clients,
    concat,
    cycle,
    delay,
    each_process,
    each_thread,
    flip_flop,
    generator,
    limit,
    mix,
    new_context,
    once,
    phases,
    process_limit,
    repeat,
    reserve,
    sleep,
    stagger,
    synchronize,
    then,
    time_limit,
    until_ok,
)
from harness.history import pair
from harness.operation import Operation

leaves: st.SearchStrategy[Any] = st.sampled_from(
    [None, {"f": "a"}, {"f": "b", "value": 1}, [{"f": "c"}, {"f": "d"}]]
) | st.integers(0, 40).map(sleep)


def combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One step deeper."""
    small = st.integers(1, 4)
    many = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        many,
        many.map(lambda some: concat(*some)),
        many.map(lambda some: phases(*some)),
        many.map(lambda some: any_of(*some)),
        many.map(lambda some: mix(*some)),
        st.builds(limit, small, inner),
        st.builds(lambda n, one: limit(n, repeat(one)), small, inner),
        st.builds(cycle, inner, small),
        st.builds(lambda n, one: limit(9, process_limit(n + 2, repeat(one))), small, inner),
        st.builds(lambda n, one: stagger(5 * n, one), small, inner),
        st.builds(lambda n, one: delay(5 * n, one), small, inner),
        st.builds(lambda n, one: time_limit(20 * n, one), small, inner),
        st.builds(reserve, small, inner, inner),
        st.builds(flip_flop, inner, inner),
        st.builds(then, inner, inner),
        st.builds(clients, inner, inner),
        inner.map(once),
        inner.map(synchronize),
        inner.map(each_thread),
        inner.map(lambda one: limit(9, each_process(one))),
        inner.map(lambda one: limit(9, until_ok(repeat(one)))),
    )


generators = st.recursive(leaves, combined, max_leaves=6).map(generator)


@given(generators, st.integers(1, 4), st.integers(0, 99))
def test_every_history_is_well_formed(what: Generator, concurrency: int, seed: int) -> None:
    """Only free and living processes are used, and time never runs backwards.

    The guard around the generator (in `imperfect`) checks each answer, `pair` the whole.
    """
    history = imperfect(what, new_context(concurrency, Draws(seed=seed)))

    assert -1 not in pair([one for one in history if isinstance(one, Operation)])


@given(generators, st.integers(0, 99))
def test_equal_draws_give_equal_operations(what: Generator, seed: int) -> None:
    """A generator is a function of its context and what it is told."""
    first, second = (quick(what, new_context(3, Draws(seed=seed))) for _ in range(2))

    assert first == second


@given(generators, st.integers(0, 7), st.integers(0, 99))
def test_limit_is_a_prefix(what: Generator, most: int, seed: int) -> None:
    """A limited generator gives no more than it may, and no other items than without the limit."""
    whole = quick(what, new_context(2, Draws(seed=seed)))
    limited = quick(limit(most, what), new_context(2, Draws(seed=seed)))

    assert limited == whole[:most]
