"""The interpreter on simulated time, with clients and a nemesis that do as they are told."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from generator_runs import Draws
from tiny_world import ScriptedClient, ScriptedNemesis, TinyWorld

from harness import interpreter
from harness.errors import GeneratorFailed, RunStuck
from harness.generator import (
    SECOND_NS,
    Context,
    Generatorish,
    after,
    clients,
    delay,
    each_thread,
    generator,
    limit,
    log,
    nemesis,
    numbered,
    phases,
    repeat,
    sleep,
    stagger,
    synchronize,
    time_limit,
    until_ok,
)
from harness.history import Journal, pair
from harness.operation import NEMESIS, Operation
from harness.scenario import After, At, FaultEntry
from harness.test import Test, Workload, arrange, exact_faults

READ = {"f": "read"}


def succeed(operation: Operation) -> tuple[int, Operation]:
    """Everything is ok after 10 ns."""
    return 10, operation.completed("ok")


def in_turn(*kinds: str) -> Callable[[Operation], tuple[int, Operation]]:
    """Completions of these types, one after the other, each after 10 ns."""
    left = list(kinds)
    return lambda operation: (10, operation.completed(left.pop(0)))  # type: ignore[arg-type]


class Rig:
    """A test in its world, and what came of it."""

    def __init__(
        self,
        what: Generatorish,
        answer: Callable[[Operation], tuple[int, Operation]] = succeed,
        *,
        concurrency: int = 1,
        nodes: tuple[str, ...] = ("n1", "n2", "n3"),
        time_limit_ns: int = 10 * SECOND_NS,
        nemesis_wait_ns: int = 0,
    ) -> None:
        self.world = TinyWorld()
        self.client = ScriptedClient(answer)
        self.nemesis = ScriptedNemesis(wait_ns=nemesis_wait_ns)
        self.journal = Journal()
        self.test = Test(
            name="rig",
            workload="rig",
            nodes=nodes,
            concurrency=concurrency,
            client=self.client,
            nemesis=self.nemesis,
            generator=generator(what),
            time_limit_ns=time_limit_ns,
        )

    def run(self) -> list[Operation]:
        """Run to the end; return the history, which is always well-formed."""
        run = interpreter.run(self.test, self.world, self.journal, Draws())  # type: ignore[arg-type]
        self.world.kernel.run(run)
        pair(self.journal.operations)
        return self.journal.operations


def brief(history: list[Operation]) -> list[tuple[int, int, str, str]]:
    """Time, process, type and f of each operation."""
    return [(one.time_ns, one.process, one.type, one.f) for one in history]


class TestHistory:
    """What is recorded, and when."""

    def test_invocations_and_completions_are_recorded(self) -> None:
        """Both ends stand in the history with index and time."""
        history = Rig(clients([{"f": "write", "value": 3}, READ])).run()

        assert history == [
            Operation(index=0, time_ns=0, process=0, type="invoke", f="write", value=3),
            Operation(index=1, time_ns=10, process=0, type="ok", f="write", value=3),
            Operation(index=2, time_ns=10, process=0, type="invoke", f="read"),
            Operation(index=3, time_ns=20, process=0, type="ok", f="read"),
        ]

    def test_operations_wait_for_their_time(self) -> None:
        """An operation scheduled for later is invoked then, not before."""
        history = Rig(clients(limit(3, delay(100, repeat(READ))))).run()

        assert [one.time_ns for one in history] == [0, 10, 100, 110, 200, 210]

    def test_clients_work_side_by_side(self) -> None:
        """Three clients do three operations in the time of one."""
        history = Rig(clients(limit(3, repeat(READ))), concurrency=3).run()

        assert [(one.time_ns, one.process) for one in history] == [
            (0, 0),
            (0, 1),
            (0, 2),
            (10, 0),
            (10, 1),
            (10, 2),
        ]

    def test_the_nemesis_is_process_minus_one(self) -> None:
        """Its operations are info at both ends and never rename it."""
        history = Rig(nemesis([{"f": "break"}, {"f": "break"}])).run()

        assert [(one.process, one.type, one.value) for one in history] == [
            (NEMESIS, "info", None),
            (NEMESIS, "info", "done"),
            (NEMESIS, "info", None),
            (NEMESIS, "info", "done"),
        ]

    def test_sleeps_and_logs_leave_no_trace_in_the_history(self) -> None:
        """A sleep takes its time, a log its line, and the history has neither."""
        rig = Rig(clients([log("begin"), sleep(500), READ]))

        assert brief(rig.run()) == [(500, 0, "invoke", "read"), (510, 0, "ok", "read")]
        assert rig.journal.notes == [(0, "begin")]

    def test_a_sleeping_thread_is_waited_for(self) -> None:
        """The run ends when the last sleep does."""
        rig = Rig(clients(sleep(700)))
        rig.run()

        assert rig.world.now_ns() == 700

    def test_a_synchronized_generator_goes_on_when_all_are_free(self) -> None:
        """The slowest client decides when the second phase begins."""
        slow = Rig(
            clients(phases([READ, READ], [READ])),
            lambda op: (10 if op.process == 0 else 3_000_000_000, op.completed("ok")),
            concurrency=2,
        ).run()

        assert [one.time_ns for one in slow] == [
            0,
            0,
            10,
            3_000_000_000,
            3_000_000_000,
            3_000_000_010,
        ]

    def test_completions_come_before_invocations_of_the_same_instant(self) -> None:
        """What is complete is recorded first, so that nothing looks concurrent that was not."""
        history = Rig(clients(limit(4, repeat(READ))), concurrency=2).run()

        assert [one.type for one in history] == 2 * ["invoke", "invoke", "ok", "ok"]

    def test_an_operation_kept_for_later_is_thrown_away_when_things_changed(self) -> None:
        """The next attempt is already scheduled when the first one succeeds, and never made."""
        history = Rig(clients(until_ok(delay(100, repeat(READ)))), concurrency=2).run()

        assert brief(history) == [(0, 0, "invoke", "read"), (10, 0, "ok", "read")]

    def test_the_history_is_written_while_everybody_waits(self) -> None:
        """A killed harness leaves the invocation behind, though nothing happened after it."""
        rig = Rig(clients(READ), lambda op: (3 * SECOND_NS, op.completed("ok")))
        file = io.BytesIO()
        rig.journal = Journal(file, rig.world.now_ns)
        seen: list[int] = []

        async def look() -> None:
            await rig.world.sleep(SECOND_NS)
            seen.append(file.getvalue().count(b"\n"))

        rig.world.spawn(look())
        rig.run()

        assert seen == [1]
        assert file.getvalue().count(b"\n") == 2


class TestProcesses:
    """Crashed processes and their clients."""

    def test_a_crashed_process_is_replaced(self) -> None:
        """After info the thread goes on as process + concurrency."""
        rig = Rig(clients(each_thread([READ, READ, READ])), in_turn("info", "fail", "ok"))

        assert [(one.process, one.type) for one in rig.run()] == [
            (0, "invoke"),
            (0, "info"),
            (1, "invoke"),
            (1, "fail"),
            (1, "invoke"),
            (1, "ok"),
        ]

    def test_a_new_process_has_a_fresh_client(self) -> None:
        """The client of the crashed process is closed; the next one talks to the same node."""
        rig = Rig(clients([READ, READ]), in_turn("info", "ok"))
        rig.run()

        assert rig.client.events == ["open 0@n1", "close 0@n1", "open 1@n1", "close 1@n1"]

    def test_clients_are_spread_over_the_nodes(self) -> None:
        """Thread i talks to node i modulo their number, and all clients are closed at the end."""
        rig = Rig(clients(each_thread(READ)), concurrency=4)
        rig.run()

        opened = sorted(event for event in rig.client.events if event.startswith("open"))
        assert opened == ["open 0@n1", "open 1@n2", "open 2@n3", "open 3@n1"]
        assert len(rig.client.events) == 8

    def test_the_generator_hears_of_a_crash_under_the_old_number(self) -> None:
        """Until_ok knows its own process again, crashed or not."""
        rig = Rig(
            clients(until_ok(numbered(lambda n: {"f": "try", "value": n}))),
            in_turn("info", "info", "ok"),
        )

        assert [one.value for one in rig.run() if one.type == "invoke"] == [0, 1, 2]

    def test_the_generator_is_told_before_the_process_is_replaced(self) -> None:
        """At its completion the process is still the one of its thread."""
        heard: list[tuple[str, bool]] = []

        class Listening:
            """Hears of everything, and hands out one read."""

            def __init__(self, inner: Any) -> None:
                self.inner = generator(inner)

            def operation(self, context: Context) -> Any:
                answer = self.inner.operation(context)
                return (answer[0], Listening(answer[1])) if isinstance(answer, tuple) else answer

            def update(self, context: Context, event: Operation) -> Any:
                heard.append((event.type, context.has(event.process)))
                return self

        Rig(clients(Listening(READ)), in_turn("info")).run()

        assert heard == [("invoke", True), ("info", True)]


class TestDefects:
    """Exceptions and wrong answers of clients, nemeses and generators."""

    def test_an_exception_of_a_client_is_info_and_a_harness_error(self) -> None:
        """Nobody knows whether it had an effect, and somebody has to mend the client."""

        def fail(_operation: Operation) -> tuple[int, Operation]:
            raise KeyError("leader")

        rig = Rig(clients(READ), fail)

        assert [(one.type, one.error) for one in rig.run()] == [
            ("invoke", ""),
            ("info", "the client raised KeyError: 'leader'"),
        ]
        assert rig.journal.facts == {"harness_errors": 1}
        assert rig.journal.notes == [(0, "read: the client raised KeyError: 'leader'")]

    def test_a_client_that_cannot_be_opened_did_nothing(self) -> None:
        """A definite failure, retried with the next operation."""
        rig = Rig(clients([READ, READ]))
        opened: list[int] = []

        async def open_second(world: Any, node: str, process: int) -> ScriptedClient:
            opened.append(process)
            if len(opened) == 1:
                raise OSError("no route")
            client = ScriptedClient(succeed)
            client.world = world
            return client

        rig.client.open = open_second  # type: ignore[method-assign]

        assert [(one.type, one.error, one.node) for one in rig.run()] == [
            ("invoke", "", ""),
            ("fail", "no client for n1: OSError: no route", "n1"),
            ("invoke", "", ""),
            ("ok", "", ""),
        ]
        assert opened == [0, 0]
        assert rig.journal.facts == {"harness_errors": 1}

    @pytest.mark.parametrize(
        ("wrong", "what"),
        [
            (Operation(process=9, type="ok", f="read"), "the process should stay 0, not 9"),
            (Operation(process=0, type="ok", f="write"), "f should stay 'read', not 'write'"),
            (
                Operation(process=0, type="invoke", f="read"),
                "the type should be ok or fail or info",
            ),
            (None, "it should be an Operation, not None"),
        ],
    )
    def test_a_wrong_completion_is_info_and_a_harness_error(self, wrong: Any, what: str) -> None:
        """A completion that does not fit its invocation is not believed."""
        rig = Rig(clients(READ), lambda _operation: (10, wrong))

        completion = rig.run()[1]

        assert (completion.process, completion.type, completion.f) == (0, "info", "read")
        assert what in completion.error
        assert rig.journal.facts == {"harness_errors": 1}

    def test_an_exception_of_the_nemesis_is_recorded_and_the_run_goes_on(self) -> None:
        """The other faults still happen, and everything is undone."""
        rig = Rig(nemesis([{"f": "break"}, {"f": "mend"}]))
        rig.nemesis.raises["break"] = RuntimeError("no such link")

        history = rig.run()

        assert history[1].error == "the nemesis raised RuntimeError: no such link"
        assert rig.nemesis.log == ["setup", "break", "mend", "undo"]
        assert rig.journal.facts == {"harness_errors": 1}

    def test_an_exception_in_closing_is_counted(self) -> None:
        """A client that cannot be closed does not keep the others from being closed."""
        rig = Rig(clients(each_thread(READ)), concurrency=2)
        closed: list[str] = []

        def close(self: ScriptedClient) -> None:
            closed.append(self.name)
            raise OSError("already gone")

        original = ScriptedClient.close
        ScriptedClient.close = close  # type: ignore[method-assign]
        try:
            rig.run()
        finally:
            ScriptedClient.close = original  # type: ignore[method-assign]

        assert sorted(closed) == ["0@n1", "1@n2"]
        assert rig.journal.facts == {"harness_errors": 2}

    def test_a_failing_generator_ends_the_run_and_everything_is_undone(self) -> None:
        """The error comes out, the nemesis has undone its faults, the clients are closed."""

        def bad(context: Any) -> Any:
            if context.time_ns:
                raise ZeroDivisionError("rate 0")
            return READ

        rig = Rig(clients(bad))

        with pytest.raises(GeneratorFailed, match="ZeroDivisionError: rate 0"):
            rig.run()

        assert rig.nemesis.log == ["setup", "undo"]
        assert rig.client.events == ["open 0@n1", "close 0@n1"]

    def test_a_nemesis_that_cannot_get_ready_ends_the_run_at_once(self) -> None:
        """Nothing is invoked, and what was half set up is undone."""
        rig = Rig(clients(READ))
        rig.nemesis.raises["setup"] = OSError("no permission")

        with pytest.raises(OSError, match="no permission"):
            rig.run()

        assert rig.nemesis.log == ["setup", "undo"]
        assert rig.journal.operations == []
        assert rig.world.now_ns() == 0


class TestBounds:
    """Every wait has an end."""

    def test_a_client_that_never_answers_is_named(self) -> None:
        """The run is given up after the overtime and says what was under way."""
        rig = Rig(clients(READ), lambda op: (10**15, op.completed("ok")), time_limit_ns=SECOND_NS)

        with pytest.raises(RunStuck, match=r"under way: 'read' of process 0 since 0.000 s"):
            rig.run()

        assert rig.nemesis.log == ["setup", "undo"]

    def test_a_generator_pending_for_ever_is_named(self) -> None:
        """Waiting for something that cannot come ends a minute after the load."""
        rig = Rig(after("never", "ok", 1, READ), time_limit_ns=2 * SECOND_NS)

        with pytest.raises(RunStuck, match="pending for 60 s with nothing under way"):
            rig.run()

        assert 62 * SECOND_NS <= rig.world.now_ns() < 63 * SECOND_NS

    def test_a_generator_that_takes_no_time_is_named(self) -> None:
        """An unpaced generator in simulated time would never let the clock go on."""
        rig = Rig(repeat(log("again")))

        with pytest.raises(RunStuck, match="time stands still"):
            rig.run()

    def test_a_run_given_up_is_not_waited_for(self) -> None:
        """When the simulation breaks down, the run just ends; what happened before is written."""

        async def explode(world: TinyWorld) -> None:
            await world.sleep(15)
            raise MemoryError("the simulation broke down")

        file = io.BytesIO()
        rig = Rig(clients(repeat(READ)))
        rig.journal = Journal(file)
        rig.world.spawn(explode(rig.world))

        with pytest.raises(MemoryError):
            rig.run()

        assert rig.nemesis.log == ["setup"]
        assert rig.client.events == ["open 0@n1", "close 0@n1"]
        assert file.getvalue().count(b"\n") == 3


class TestArrange:
    """The order that all tests share."""

    def workload(self) -> Workload:
        """Reads, and one last look of every client."""
        return Workload(
            name="w",
            client=ScriptedClient(succeed),  # type: ignore[arg-type]  # a tiny world is enough
            generator=generator(repeat(READ)),
            final_generator=each_thread({"f": "last"}),
        )

    def test_load_and_faults_then_healing_then_final(self) -> None:
        """The three parts follow each other and each waits for the one before."""
        arranged = arrange(
            self.workload(),
            rate_hz=10,
            time_limit_ns=SECOND_NS,
            faults=delay(SECOND_NS // 2, repeat({"f": "break"})),
            healing=[{"f": "mend"}, sleep(SECOND_NS)],
        )
        history = Rig(arranged, concurrency=2).run()
        begun = [
            one for one, other in zip(history, pair(history), strict=True) if other > one.index
        ]
        order = [one.f for one in begun]

        assert order.count("break") == 2
        assert 5 <= order.count("read") <= 20
        assert order[-3:] == ["mend", "last", "last"]
        assert begun[-1].time_ns - begun[-3].time_ns >= SECOND_NS
        assert begun[-4].time_ns < SECOND_NS

    def test_exact_faults_strike_at_their_moments(self) -> None:
        """One at its time, one right after the third read of all clients together."""
        entries = [
            FaultEntry(f="break", targets=["n2"], when=At(time_s=0.5)),
            FaultEntry(f="arm", targets=["leader"], value={"nth": 3}, when=After(f="read", nth=3)),
        ]
        arranged = arrange(
            self.workload(),
            rate_hz=10,
            time_limit_ns=SECOND_NS,
            exact=exact_faults(entries),
        )
        history = Rig(arranged, concurrency=2).run()
        reads = [one for one in history if one.f == "read" and one.type == "ok"]
        armed = next(one for one in history if one.f == "arm")
        broken = next(one for one in history if one.f == "break")

        assert (broken.time_ns, broken.value) == (SECOND_NS // 2, {"targets": ["n2"]})
        assert (armed.time_ns, armed.value) == (
            reads[2].time_ns,
            {"targets": ["leader"], "nth": 3},
        )


def test_two_runs_of_the_same_draws_are_equal() -> None:
    """Nothing but the draws decides."""

    def once() -> list[Operation]:
        load = time_limit(SECOND_NS, stagger(SECOND_NS // 100, repeat(READ)))
        return Rig(clients(load, synchronize({"f": "break"})), concurrency=3).run()

    assert once() == once()
