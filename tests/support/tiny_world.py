"""The smallest world that an interpreter can run in: the simulation's kernel, and clients that do as they are told.

No node, no network. `TinyWorld` is the timeline part of a world; `ScriptedClient` answers by a function.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from cluster.worlds.sim.kernel import Kernel, SimMailbox
from harness.operation import Operation


class TinyWorld:
    """Time and concurrency, and nothing in it."""

    def __init__(self) -> None:
        self.kernel = Kernel()

    def now_ns(self) -> int:
        return self.kernel.now_ns

    async def sleep(self, duration_ns: int) -> None:
        await self.kernel.sleep(duration_ns)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.kernel.spawn(coroutine)

    def mailbox(self) -> SimMailbox[Any]:
        return SimMailbox(self.kernel)


Answer = Callable[[Operation], tuple[int, Operation]]
"""What a scripted client does with an operation: wait so many nanoseconds, then complete so."""


class ScriptedClient:
    """Answers by `answer`; keeps a log of opened and closed clients in `events`, shared by all of one prototype."""

    def __init__(self, answer: Answer, events: list[str] | None = None) -> None:
        self.answer = answer
        self.events: list[str] = [] if events is None else events
        self.world: TinyWorld | None = None
        self.name = "prototype"

    async def open(self, world: TinyWorld, node: str, process: int) -> ScriptedClient:
        opened = ScriptedClient(self.answer, self.events)
        opened.world = world
        opened.name = f"{process}@{node}"
        self.events.append(f"open {opened.name}")
        return opened

    async def invoke(self, operation: Operation) -> Operation:
        wait_ns, completion = self.answer(operation)
        assert self.world is not None
        await self.world.sleep(wait_ns)
        return completion

    def close(self) -> None:
        self.events.append(f"close {self.name}")


class ScriptedNemesis:
    """Keeps a log of what it was asked for; raises where a test wants it to."""

    def __init__(self, fs: frozenset[str] = frozenset({"break"}), wait_ns: int = 0) -> None:
        self.fs = fs
        self.wait_ns = wait_ns
        self.log: list[str] = []
        self.raises: dict[str, Exception] = {}

    async def setup(self, world: Any) -> None:
        self._enter("setup")

    async def invoke(self, world: Any, operation: Operation) -> Operation:
        self._enter(operation.f)
        await world.sleep(self.wait_ns)
        return operation.completed("info", "done")

    async def undo(self, world: Any) -> None:
        self._enter("undo")

    def _enter(self, what: str) -> None:
        self.log.append(what)
        if what in self.raises:
            raise self.raises[what]
