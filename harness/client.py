"""The two things that act for a run: `Client` (load) and `Nemesis` (faults); protocols, and the
idle ones.

Both are written as ``async def`` over the awaitables of `cluster.worlds.world` alone, so that the
same client serves simulated and real time. Both answer with completions: what a node or a network
does to them is ``fail`` or ``info``, never an exception. An exception is a defect of theirs: the
operation is recorded as ``info`` and the run counts a harness error.
"""

from __future__ import annotations

from typing import Protocol

from cluster.worlds.world import World
from harness.operation import NEMESIS, Operation

__all__ = ["Client", "IdleNemesis", "Nemesis", "completion_problems"]


class Client(Protocol):
    """One process's line to the system under test."""

    async def open(self, world: World, node: str, process: int) -> Client:
        """Return a client of its own for `process`, talking to `node` first.

        Called on the workload's prototype, once per process. Must not change the system. If it
        raises, nothing was invoked: the operation in hand ends ``fail``.
        """

    async def invoke(self, operation: Operation) -> Operation:
        """Do `operation` and return its completion (`Operation.completed`): ``ok``, ``fail`` or
        ``info``.

        ``fail`` promises that it had no effect; every doubt is ``info``. Must come back within a
        timeout of its own.
        """

    def close(self) -> None:
        """Drop the line. Called once, when the process crashed or the run ended."""


class Nemesis(Protocol):
    """Makes faults. `fs` are the operations it understands."""

    fs: frozenset[str]

    async def setup(self, world: World) -> None:
        """Get ready; called once before the first operation."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Do `operation` and return its completion: ``info``, its value says what was done."""

    async def undo(self, world: World) -> None:
        """Undo every fault still standing.

        Called once at the end of every run, also of one that failed.
        """


class IdleNemesis:
    """The nemesis that does nothing: for runs without faults."""

    fs: frozenset[str] = frozenset()

    async def setup(self, world: World) -> None:
        """Need nothing."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Answer, and leave everything as it is."""
        return operation.completed("info")

    async def undo(self, world: World) -> None:
        """Have nothing to undo."""


def completion_problems(invoked: Operation, completion: object) -> list[str]:
    """List everything that is wrong with `completion` as an answer to `invoked`.

    Normally nothing.
    """
    if not isinstance(completion, Operation):
        return [f"it should be an Operation, not {completion!r}"]
    problems = []
    if completion.process != invoked.process:
        problems.append(f"the process should stay {invoked.process}, not {completion.process}")
    if completion.f != invoked.f:
        problems.append(f"f should stay {invoked.f!r}, not {completion.f!r}")
    allowed = ("info",) if invoked.process == NEMESIS else ("ok", "fail", "info")
    if completion.type not in allowed:
        problems.append(f"the type should be {' or '.join(allowed)}, not {completion.type!r}")
    return problems
