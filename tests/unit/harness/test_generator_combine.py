"""Generators made of generators, generators that look at the clock and generators that choose threads.

Exact lists of operations, from the imaginary systems of `generator_runs`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from generator_runs import (
    Draws,
    fs,
    imperfect,
    perfect,
    perfect_info,
    quick,
    rows,
    simulate,
    two_threads,
)

from harness.generator import (
    NOTHING,
    PENDING,
    Context,
    Generator,
    Log,
    Sleep,
    after,
    any_of,
    at,
    clients,
    concat,
    cycle,
    delay,
    each_process,
    each_thread,
    flip_flop,
    generator,
    limit,
    log,
    mix,
    nemesis,
    new_context,
    numbered,
    on_threads,
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
from harness.operation import NEMESIS, Operation

A, B, C = {"f": "a"}, {"f": "b"}, {"f": "c"}


def counting(f: str) -> Generator:
    """The operation `f` with the values 0, 1, 2 ..."""
    return numbered(lambda n: {"f": f, "value": n})


class TestHowMany:
    """limit, once, repeat, cycle, process_limit."""

    def test_limit_ends_after_so_many(self) -> None:
        """Only the first items of an endless generator are given."""
        assert [row[2:] for row in rows(quick(limit(3, counting("a"))))] == [
            ("a", 0),
            ("a", 1),
            ("a", 2),
        ]

    def test_limit_does_not_count_being_pending(self) -> None:
        """Asking in vain uses nothing up."""
        busy = two_threads().busy(0, 0).busy(0, 1).busy(0, NEMESIS)
        limited = limit(1, A)

        assert limited.operation(busy) is PENDING
        assert fs(quick(limited)) == ["a"]

    def test_once_gives_one(self) -> None:
        """Of a list, only the first operation is left."""
        assert fs(quick(once([A, B]))) == ["a"]

    def test_repeat_never_moves_on(self) -> None:
        """The first operation of a list comes again and again."""
        assert fs(quick(repeat([A, B], 3))) == ["a", "a", "a"]

    def test_repeat_asks_anew_each_time(self) -> None:
        """A repeated function gives different operations."""
        rolled = repeat(lambda context: {"f": "a", "value": context.random.below(10)}, 3)

        assert [row[3] for row in rows(quick(rolled, two_threads(3, 1, 4)))] == [3, 1, 4]

    def test_cycle_starts_over(self) -> None:
        """A list is gone through as often as asked."""
        assert fs(quick(cycle([A, B], 2))) == ["a", "b", "a", "b"]

    def test_cycle_goes_on_for_ever(self) -> None:
        """Without a number there is no end but the limit around it."""
        assert fs(quick(limit(5, cycle([A, B])))) == ["a", "b", "a", "b", "a"]

    def test_cycle_of_nothing_ends(self) -> None:
        """A round that has nothing is not tried for ever."""
        assert quick(cycle([])) == []

    def test_cycle_forgets_what_a_round_learnt(self) -> None:
        """Each round of until_ok starts unfinished."""
        assert fs(quick(clients(cycle(until_ok(repeat(A)), 2)), new_context(1, Draws()))) == [
            "a",
            "a",
        ]

    def test_process_limit_counts_all_processes_that_could_have_served(self) -> None:
        """With two clients that always crash, four processes are two operations each way."""
        taken = rows(perfect_info(clients(process_limit(4, repeat(A)))))

        assert [process for _, process, *_ in taken] == [0, 1, 2, 3]

    def test_process_limit_counts_idle_processes_too(self) -> None:
        """Two clients are more than one process could be, whoever would have done the work."""
        assert quick(clients(process_limit(1, repeat(A)))) == []


class TestInTurn:
    """concat, then, synchronize, phases, flip_flop, until_ok."""

    def test_concat_does_not_wait(self) -> None:
        """The second begins while operations of the first are running."""
        assert rows(perfect(concat([A, A], B))) == [
            (0, 0, "a", None),
            (0, 1, "a", None),
            (0, -1, "b", None),
        ]

    def test_then_waits_for_all_threads(self) -> None:
        """The second begins when everything of the first is completed."""
        assert rows(perfect(then([A, A], B))) == [
            (0, 0, "a", None),
            (0, 1, "a", None),
            (10, -1, "b", None),
        ]

    def test_phases_follow_each_other(self) -> None:
        """Each phase begins with all threads free."""
        taken = rows(perfect(phases([A, A], None, [B], [C])))

        assert [(time, f) for time, _, f, _ in taken] == [(0, "a"), (0, "a"), (10, "b"), (20, "c")]

    def test_synchronize_looks_at_its_own_threads_only(self) -> None:
        """Below `clients` a busy nemesis holds nobody up."""
        context = two_threads().busy(0, NEMESIS)

        assert synchronize(A).operation(context) is PENDING
        assert clients(synchronize(A)).operation(context) is not PENDING

    def test_flip_flop_alternates_until_one_is_exhausted(self) -> None:
        """The longer one does not go on alone."""
        assert [row[2:] for row in rows(quick(flip_flop(counting("a"), [B, C])))] == [
            ("a", 0),
            ("b", None),
            ("a", 1),
            ("c", None),
            ("a", 2),
        ]

    def test_flip_flop_keeps_its_turn_while_pending(self) -> None:
        """Asking in vain does not pass the turn on."""
        busy = two_threads().busy(0, 0).busy(0, 1).busy(0, NEMESIS)
        flip = flip_flop(A, B)

        assert flip.operation(busy) is PENDING
        assert fs(quick(flip)) == ["a", "b"]

    def test_until_ok_tries_again_until_it_succeeds(self) -> None:
        """Fail and info are not enough."""
        done = imperfect(clients(until_ok(repeat(A))), new_context(1, Draws()))

        assert [(op.type, op.process) for op in done if isinstance(op, Operation)] == [
            ("invoke", 0),
            ("fail", 0),
            ("invoke", 0),
            ("info", 0),
            ("invoke", 1),
            ("ok", 1),
        ]

    def test_until_ok_is_not_ended_by_the_success_of_others(self) -> None:
        """Only operations of its own count."""
        trying = until_ok(repeat(A))
        other = Operation(process=1, type="ok", f="b", time_ns=3)

        assert trying.update(two_threads(), other) is trying


class TestOneOfMany:
    """any_of, mix."""

    def test_any_of_takes_the_soonest(self) -> None:
        """Times decide, not the order in which generators were named."""
        late, soon = {"f": "a", "time_ns": 9}, {"f": "b", "time_ns": 3}

        assert [row[2] for row in rows(quick(any_of(late, soon)))] == ["b", "a"]

    def test_any_of_breaks_ties_by_chance(self) -> None:
        """At equal times the draw says who is first."""
        assert fs(quick(any_of(A, B), two_threads(0))) == ["a", "b"]
        assert fs(quick(any_of(A, B), two_threads(1))) == ["b", "a"]

    def test_any_of_passes_over_the_pending(self) -> None:
        """A generator that cannot tell does not hold the others up."""
        assert fs(quick(any_of(after("b", "ok", 1, A), B))) == ["b", "a"]

    def test_any_of_tells_everybody(self) -> None:
        """An update reaches every generator, not only the one whose operation it was."""
        done = quick(limit(9, any_of(after("c", "ok", 1, A), after("c", "ok", 2, B), [C, C])))

        assert sorted(fs(done)) == ["a", "b", "c", "c"]

    def test_any_of_nothing_is_nothing(self) -> None:
        """Exhausted generators vanish from the choice."""
        assert any_of() is NOTHING
        assert any_of(None, []) is NOTHING
        assert fs(quick(any_of(None, A))) == ["a"]

    def test_mix_takes_one_at_a_time_as_the_draws_say(self) -> None:
        """The first draw chooses, and each operation draws the next choice."""
        mixed = mix(counting("a"), counting("b"))

        assert fs(quick(limit(4, mixed), two_threads(0, 1, 1, 0))) == ["a", "b", "b", "a"]

    def test_mix_lets_exhausted_ones_drop_out(self) -> None:
        """Everything of every generator comes, and then it ends."""
        mixed = mix([A, A], [B], [C, C, C])

        assert Counter(fs(quick(mixed))) == {"a": 2, "b": 1, "c": 3}

    def test_mix_is_even(self) -> None:
        """Two generators share a thousand operations about equally."""
        shares = Counter(fs(quick(limit(1000, mix(repeat(A), repeat(B))))))

        assert 430 < shares["a"] < 570

    def test_mix_passes_over_the_pending(self) -> None:
        """A pending generator whose turn it is does not stop the others."""
        waiting = after("x", "ok", 1, A)

        assert fs(quick(limit(2, mix(waiting, repeat(B))), two_threads(0, 0, 0))) == ["b", "b"]

    def test_mix_is_pending_when_all_are(self) -> None:
        """With nothing but waiting generators there is no answer yet."""
        waiting = after("x", "ok", 1, A)

        assert mix(waiting, waiting).operation(two_threads()) is PENDING


class TestPace:
    """stagger, delay, time_limit, sleep, log, at, after."""

    def test_delay_spaces_operations_evenly(self) -> None:
        """One operation each 3 ns while threads are free, as soon as possible when they are not."""
        times = [time for time, *_ in rows(perfect(limit(5, delay(3, repeat(A)))))]

        assert times == [0, 3, 6, 10, 13]

    def test_stagger_draws_the_distances(self) -> None:
        """Each operation is between 0 and twice the interval after the one before."""
        context, left = two_threads(2, 9, 0, 4), stagger(5, repeat(A))
        times = []
        for _ in range(4):
            item, left = left.operation(context)  # type: ignore[misc]  # it never ends
            times.append(item.time_ns)

        assert times == [0, 2, 11, 11]

    def test_stagger_keeps_its_rate_when_operations_are_slow(self) -> None:
        """Waiting for threads does not add to the distances that were drawn."""
        times = [time for time, *_ in rows(perfect(limit(400, stagger(6, repeat(A)))))]

        assert 5.4 < times[-1] / 399 < 6.8

    def test_stagger_asked_twice_has_the_same_time(self) -> None:
        """An answer thrown away does not move the next one."""
        context = two_threads(7, 1, 2, 3)
        _, left = stagger(5, repeat(A)).operation(context)  # type: ignore[misc]  # it has one

        assert {left.operation(context)[0].time_ns for _ in range(3)} == {7}  # type: ignore[index]

    def test_time_limit_counts_from_the_first_operation(self) -> None:
        """The clock starts with the first operation, not with the run."""
        late = [{"f": "a", "time_ns": 100}, delay(4, repeat(B))]
        taken = rows(quick(time_limit(10, late)))

        assert [time for time, *_ in taken] == [100, 100, 104, 108]

    def test_time_limit_ends_what_is_pending(self) -> None:
        """A generator that waits for ever is over when its time is."""
        limited = time_limit(10, [A, after("never", "ok", 1, B)])
        _, left = limited.operation(two_threads())  # type: ignore[misc]  # it has an operation

        assert left.operation(two_threads().at(9)) is PENDING
        assert left.operation(two_threads().at(10)) is None

    def test_sleep_keeps_one_thread_busy(self) -> None:
        """The other threads work on."""
        taken = perfect([sleep(25), limit(4, repeat(A))], new_context(1, Draws()))

        assert rows(taken) == [
            (0, 0, "Sleep"),
            (0, -1, "a", None),
            (10, -1, "a", None),
            (20, -1, "a", None),
            (25, 0, "a", None),
        ]
        assert taken[0] == Sleep(0, 0, 25)

    def test_log_keeps_nobody_busy(self) -> None:
        """A line for the log takes no time and no thread."""
        taken = quick([log("now"), A], new_context(1, Draws()))

        assert taken[0] == Log(0, 0, "now")
        assert rows(taken)[1] == (0, 0, "a", None)

    def test_at_holds_the_first_item_back(self) -> None:
        """Only the first item waits for its moment; one that is later anyway stays."""
        assert [row[0] for row in rows(quick(at(7, [A, B])))] == [7, 7]
        assert [row[0] for row in rows(quick(at(7, {"f": "a", "time_ns": 9})))] == [9]

    def test_after_waits_for_the_nth_event(self) -> None:
        """It begins a while after the second success, whoever had it."""
        struck = any_of(after("a", "ok", 2, nemesis(B), delay_ns=5), clients([A, A, A]))
        taken = rows(perfect(struck, new_context(1, Draws())))

        assert taken == [
            (0, 0, "a", None),
            (10, 0, "a", None),
            (20, 0, "a", None),
            (25, -1, "b", None),
        ]


class TestThreads:
    """on_threads, clients, nemesis, each_thread, each_process, reserve."""

    def test_clients_and_nemesis_keep_apart(self) -> None:
        """Each of the two gets only what is meant for it."""
        taken = rows(quick(limit(9, clients([A, A, A], [B, B]))))

        assert {(process == NEMESIS, f) for _, process, f, _ in taken} == {
            (False, "a"),
            (True, "b"),
        }
        assert Counter(f for *_, f, _ in taken) == {"a": 3, "b": 2}

    def test_nemesis_takes_its_generators_the_other_way_round(self) -> None:
        """`nemesis(b, a)` is `clients(a, b)`."""
        assert rows(quick(nemesis(B, [A, A]))) == rows(quick(clients([A, A], B)))

    def test_on_threads_takes_numbers_or_a_function(self) -> None:
        """Both ways name the same threads."""
        by_number = rows(quick(on_threads([1], [A, B])))
        by_function = rows(quick(on_threads(lambda thread: thread == 1, [A, B])))

        assert by_number == by_function == [(0, 1, "a", None), (0, 1, "b", None)]

    def test_on_threads_is_told_of_its_own_threads_only(self) -> None:
        """What the others complete is not passed on."""
        waiting = on_threads([0], after("a", "ok", 1, B))
        mine, other = (Operation(process=p, type="ok", f="a", time_ns=1) for p in (2, 1))

        assert waiting.update(two_threads(), other) is waiting
        assert waiting.update(two_threads(), mine) is not waiting

    def test_each_thread_has_its_own_copy(self) -> None:
        """All of the list is done by each of the three threads."""
        taken = rows(perfect(each_thread([A, B])))

        assert sorted((process, f) for _, process, f, _ in taken) == [
            (-1, "a"),
            (-1, "b"),
            (0, "a"),
            (0, "b"),
            (1, "a"),
            (1, "b"),
        ]
        assert [time for time, *_ in taken] == [0, 0, 0, 10, 10, 10]

    def test_each_thread_is_not_over_while_one_thread_is_busy(self) -> None:
        """What follows waits for the slowest copy, whose thread may have more to do."""

        def slow_second(_context: Context, invoked: Operation) -> Operation:
            latency_ns = 30 if invoked.process == 1 else 10
            return msgspec.structs.replace(invoked, type="ok", time_ns=invoked.time_ns + latency_ns)

        done = rows(simulate(clients(concat(each_thread(A), B)), slow_second))

        assert [time for time, _, f, _ in done if f == "b"] == [30, 40]

    def test_each_thread_goes_on_after_a_crash(self) -> None:
        """The copy belongs to the thread, whatever its process is called."""
        taken = rows(perfect_info(clients(each_thread([A, B])), new_context(1, Draws())))

        assert taken == [(0, 0, "a", None), (10, 1, "b", None)]

    def test_each_process_begins_anew_after_a_crash(self) -> None:
        """The copy belongs to the process: the next one starts from the beginning."""
        taken = rows(perfect_info(limit(3, clients(each_process([A, B]))), new_context(1, Draws())))

        assert taken == [(0, 0, "a", None), (10, 1, "a", None), (20, 2, "a", None)]

    def test_each_process_ends_like_each_thread_without_crashes(self) -> None:
        """As long as no process crashes the two are the same."""
        assert rows(perfect(each_process([A, B]))) == rows(perfect(each_thread([A, B])))

    def test_each_thread_learns_from_its_own_thread(self) -> None:
        """Each thread tries until it succeeds itself."""
        done = imperfect(clients(each_thread(until_ok(repeat(A)))))
        succeeded = [op.process % 2 for op in done if op.type == "ok"]  # type: ignore[union-attr]

        assert sorted(succeeded) == [0, 1]

    def test_reserve_gives_each_range_its_generator(self) -> None:
        """Threads 0 and 1 do a, thread 2 does b, everybody else c."""
        context = new_context(4, Draws())
        taken = rows(perfect(limit(10, reserve(2, repeat(A), 1, repeat(B), repeat(C))), context))

        assert {(process, f) for _, process, f, _ in taken} == {
            (0, "a"),
            (1, "a"),
            (2, "b"),
            (3, "c"),
            (-1, "c"),
        }

    def test_reserve_without_a_default_leaves_the_others_idle(self) -> None:
        """Only the reserved threads work."""
        taken = rows(perfect(limit(4, reserve(1, repeat(A)))))

        assert {process for _, process, *_ in taken} == {0}

    def test_reserve_tells_the_generator_of_the_thread(self) -> None:
        """One range's success does not end the other's attempts."""
        done = imperfect(reserve(1, until_ok(repeat(A)), 1, until_ok(repeat(B))))
        succeeded = [op.f for op in done if op.type == "ok"]  # type: ignore[union-attr]

        assert sorted(succeeded) == ["a", "b"]


def test_asking_changes_nothing() -> None:
    """Every generator gives the same list again after it was asked in vain."""
    everything: list[Any] = [
        phases([A, B], stagger(5, limit(3, repeat(C)))),
        clients(mix(limit(2, repeat(A)), [B, B]), delay(4, [C, C])),
        each_thread(limit(2, cycle([A, B]))),
        reserve(1, limit(2, counting("a")), flip_flop([B], [C])),
    ]
    for what in everything:
        one = generator(what)
        one.operation(two_threads())
        one.update(two_threads(), Operation(process=0, f="a", time_ns=0))

        assert rows(perfect(one)) == rows(perfect(what))


def test_a_pending_generator_with_nothing_in_flight_is_noticed() -> None:
    """The imaginary systems do not wait for ever either."""
    with pytest.raises(AssertionError, match="nothing is in flight"):
        simulate(after("never", "ok", 1, A), lambda _, op: op)
