"""How often the interpreter asks a generator that is pending: less and less, and at once when something happens."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from generator_runs import Draws
from tiny_world import ScriptedClient, ScriptedNemesis, TinyWorld

from harness import interpreter
from harness.generator import PENDING, SECOND_NS, Context, generator
from harness.history import Journal
from harness.operation import Operation
from harness.test import Test

MS = 1_000_000


class Coy:
    """Pending until `end_ns` and then over, except for one read at `read_ns`; keeps when it was asked."""

    def __init__(self, *, read_ns: int, end_ns: int, asked: list[int]) -> None:
        self.read_ns = read_ns
        self.end_ns = end_ns
        self.asked = asked

    def operation(self, context: Context) -> Any:
        self.asked.append(context.time_ns)
        if context.time_ns >= self.end_ns:
            return None
        if self.read_ns <= context.time_ns and context.is_free(0):
            read = Operation(time_ns=context.time_ns, process=0, type="invoke", f="read")
            return read, Coy(read_ns=self.end_ns, end_ns=self.end_ns, asked=self.asked)
        return PENDING

    def update(self, context: Context, event: Operation) -> Coy:
        return self


def asked_by_a_run(*, read_ns: int, end_ns: int) -> list[int]:
    """When a generator that is pending until `end_ns`, but for a read of 5 ms at `read_ns`, is asked."""
    asked: list[int] = []
    world = TinyWorld()
    test = Test(
        name="patience",
        workload="patience",
        nodes=("n1",),
        concurrency=1,
        client=ScriptedClient(lambda operation: (5 * MS, operation.completed("ok"))),
        nemesis=ScriptedNemesis(),
        generator=generator(Coy(read_ns=read_ns, end_ns=end_ns, asked=asked)),
        time_limit_ns=SECOND_NS,
    )
    world.kernel.run(interpreter.run(test, world, Journal(), Draws()))  # type: ignore[arg-type]
    return asked


def test_a_pending_generator_is_asked_less_and_less():
    """The pauses double from 10 ms to 160 ms, so that the end of waiting is seen 160 ms late at most."""
    asked = asked_by_a_run(read_ns=SECOND_NS, end_ns=SECOND_NS)
    pauses = [after - before for before, after in pairwise(asked)]
    assert pauses == [one * MS for one in (10, 20, 40, 80, 160, 160, 160, 160, 160, 160)]


def test_whatever_happens_makes_the_interpreter_ask_at_once():
    """After a dispatch and after a completion the generator is asked at that instant, and often again."""
    asked = asked_by_a_run(read_ns=300 * MS, end_ns=400 * MS)
    assert asked == [one * MS for one in (0, 10, 30, 70, 150, 310, 310, 315, 325, 345, 385, 465)]
