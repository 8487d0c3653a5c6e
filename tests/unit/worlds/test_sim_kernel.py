"""The kernel of the simulation, the tape and the clocks: time and chance are functions of what is put in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.node.clock import NodeClock
from cluster.worlds.sim.kernel import Deadlock, Future, Kernel, SimMailbox
from cluster.worlds.tape import Tape


def test_events_of_one_instant_run_in_the_order_they_were_scheduled() -> None:
    """Time decides first, then the order of scheduling."""
    kernel = Kernel()
    seen: list[str] = []

    async def main() -> None:
        kernel.at(20, seen.append, "late")
        kernel.at(10, seen.append, "first")
        kernel.at(10, seen.append, "second")
        await kernel.sleep(30)

    kernel.run(main())

    assert seen == ["first", "second", "late"]
    assert kernel.now_ns == 30


def test_a_future_wakes_its_waiter_once() -> None:
    """The first value counts; later ones change nothing."""
    kernel = Kernel()
    got: list[int] = []

    async def main() -> None:
        future: Future[int] = Future(kernel)
        kernel.at(5, future.resolve, 1)
        kernel.at(6, future.resolve, 2)
        got.append(await future)
        await kernel.sleep(10)

    kernel.run(main())

    assert got == [1]


def test_a_run_that_waits_for_nothing_is_a_deadlock() -> None:
    """When nothing is scheduled and the run has not ended, the harness is told so."""
    kernel = Kernel()

    async def main() -> None:
        await SimMailbox[int](kernel).get(None)

    with pytest.raises(Deadlock):
        kernel.run(main())


def test_what_a_coroutine_raises_comes_out_of_the_run() -> None:
    """An error beside the main coroutine is not lost, and the others are closed."""
    kernel = Kernel()
    closed: list[str] = []

    async def waits() -> None:
        try:
            await kernel.sleep(1_000)
        finally:
            closed.append("waits")

    async def fails() -> None:
        raise ZeroDivisionError

    async def main() -> None:
        kernel.spawn(waits())
        await kernel.sleep(1)
        kernel.spawn(fails())
        await kernel.sleep(1_000)

    with pytest.raises(ZeroDivisionError):
        kernel.run(main())

    assert closed == ["waits"]


def test_streams_are_independent_of_each_other() -> None:
    """A draw added to one stream changes no other."""
    plain, more = Tape(7), Tape(7)
    more.stream("b").below(10)

    assert [plain.stream("a").below(1000) for _ in range(5)] == [
        more.stream("a").below(1000) for _ in range(5)
    ]


def test_a_recorded_tape_is_read_before_it_is_drawn() -> None:
    """Replaying reads; behind the end of the record the stream draws on."""
    first = Tape(7)
    drawn = [first.stream("a").below(100) for _ in range(6)]
    again = Tape(7, {"a": drawn[:3]})

    assert [again.stream("a").below(100) for _ in range(6)] == drawn
    assert again.draws() == first.draws()


@given(st.lists(st.integers(min_value=0, max_value=10**9)), st.integers(min_value=1, max_value=50))
def test_every_edited_tape_is_a_valid_run(recorded: list[int], bound: int) -> None:
    """Whatever stands on the tape, a draw stays below its bound."""
    stream = Tape(1, {"a": recorded}).stream("a")

    assert all(0 <= stream.below(bound) < bound for _ in range(len(recorded) + 3))


@given(
    st.integers(min_value=-900_000, max_value=900_000),
    st.integers(min_value=0, max_value=10**15),
    st.integers(min_value=0, max_value=10**15),
)
def test_a_deadline_turned_into_world_time_and_back_is_never_early(
    drift_ppm: int, offset_ns: int, local_ns: int
) -> None:
    """At the world time that a clock gives for a reading, it reads at least that."""
    clock = NodeClock(offset_ns=offset_ns, drift_ppm=drift_ppm)

    assert clock.local_ns(clock.world_ns(local_ns)) >= local_ns


@given(
    st.integers(min_value=-500_000, max_value=500_000), st.integers(min_value=0, max_value=10**12)
)
def test_changing_the_rate_of_a_clock_does_not_move_it(drift_ppm: int, at_ns: int) -> None:
    """A clock that runs differently from now on reads the same now."""
    clock = NodeClock(drift_ppm=1000)
    before = clock.local_ns(at_ns)
    clock.set_drift(drift_ppm, at_ns)

    assert clock.local_ns(at_ns) == before
