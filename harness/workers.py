"""The workers of a run: one coroutine for each client thread and one for the nemesis.

A worker takes an item from its inbox, does it, and puts the completion into the mailbox that all
share; it decides nothing. A client belongs to one process: for the next process it is closed and
another one opened. What a client or nemesis raises does not reach the interpreter: the operation
ends ``info`` (it may have taken effect), and the defect is counted and noted.
"""

from __future__ import annotations

from typing import Any, Protocol

from cluster.worlds.world import Mailbox, World
from harness.client import Client, Nemesis, completion_problems
from harness.generator import Item, Sleep
from harness.history import Journal
from harness.operation import NEMESIS, Operation
from harness.test import Test

__all__ = ["Workers"]

CLOSE_WAIT_NS = 5_000_000_000
"""How long the end of a run waits for workers that are in the middle of something."""

_STOP = object()


class _Hands(Protocol):
    """What a worker works with."""

    async def invoke(self, operation: Operation) -> Operation:
        """Do it. May raise."""

    def close(self) -> None:
        """Let everything go. May raise."""


class Workers:
    """All workers of one run.

    `completions` is where (thread, completion) arrives; a Sleep completes as itself.
    """

    def __init__(self, test: Test, world: World, journal: Journal) -> None:
        self._world = world
        self._journal = journal
        self.completions: Mailbox[Any] = world.mailbox()
        self._inboxes: dict[int, Mailbox[Any]] = {}
        self._hands: dict[int, _Hands] = {}
        self._at_work = 0
        for thread in range(test.concurrency):
            node = test.nodes[thread % len(test.nodes)]
            self._inboxes[thread] = world.mailbox()
            self._hands[thread] = _ClientHands(test.client, world, node, journal)
        self._inboxes[NEMESIS] = world.mailbox()
        self._hands[NEMESIS] = _NemesisHands(test.nemesis, world)

    def start(self) -> None:
        """Let every worker wait for work."""
        for thread in self._inboxes:
            self._at_work += 1
            self._world.spawn(self._serve(thread))

    def hand(self, thread: int, item: Item) -> None:
        """Give the free `thread` something to do."""
        self._inboxes[thread].put(item)

    async def stop(self) -> None:
        """Send every worker home and wait until its client is closed, at most `CLOSE_WAIT_NS`."""
        for inbox in self._inboxes.values():
            inbox.put(_STOP)
        end_ns = self._world.now_ns() + CLOSE_WAIT_NS
        while self._at_work:
            completed = await self.completions.get(end_ns)
            if completed is None:
                return
            if completed[1] is _STOP:
                self._at_work -= 1

    async def _serve(self, thread: int) -> None:
        inbox, hands, completions = self._inboxes[thread], self._hands[thread], self.completions
        try:
            while True:
                item: Any = await inbox.get(None)
                if item is _STOP:
                    return
                if type(item) is Sleep:
                    await self._world.sleep(item.duration_ns)
                    completions.put((thread, item))
                else:
                    completions.put((thread, await self._do(hands, item)))
        finally:
            self._close(hands)
            completions.put((thread, _STOP))

    async def _do(self, hands: _Hands, operation: Operation) -> Operation:
        try:
            completion = await hands.invoke(operation)
        except Exception as error:  # noqa: BLE001 - recorded and counted, and the run goes on
            return self._defect(operation, f"raised {type(error).__name__}: {error}")
        problems = completion_problems(operation, completion)
        if problems:
            return self._defect(operation, f"answered wrongly: {'; '.join(problems)}")
        return completion

    def _defect(self, operation: Operation, what: str) -> Operation:
        who = "the nemesis" if operation.process == NEMESIS else "the client"
        text = f"{who} {what}"
        self._journal.harness_error(self._world.now_ns(), f"{operation.f}: {text}")
        return operation.completed("info", error=text)

    def _close(self, hands: _Hands) -> None:
        try:
            hands.close()
        except Exception as error:  # noqa: BLE001 - counted; the other clients must be closed too
            text = f"closing a client raised {type(error).__name__}: {error}"
            self._journal.harness_error(self._world.now_ns(), text)


class _ClientHands:
    """The client of a thread's present process."""

    def __init__(self, prototype: Client, world: World, node: str, journal: Journal) -> None:
        self._prototype = prototype
        self._world = world
        self._node = node
        self._journal = journal
        self._client: Client | None = None
        self._process = -1

    async def invoke(self, operation: Operation) -> Operation:
        if self._client is None or self._process != operation.process:
            self.close()
            try:
                self._client = await self._prototype.open(
                    self._world, self._node, operation.process
                )
            except Exception as error:  # noqa: BLE001 - nothing was invoked, and that is an answer
                text = f"no client for {self._node}: {type(error).__name__}: {error}"
                self._journal.harness_error(self._world.now_ns(), text)
                return operation.completed("fail", error=text, node=self._node)
            self._process = operation.process
        return await self._client.invoke(operation)

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


class _NemesisHands:
    """The nemesis, which lives as long as the run."""

    def __init__(self, nemesis: Nemesis, world: World) -> None:
        self._nemesis = nemesis
        self._world = world

    async def invoke(self, operation: Operation) -> Operation:
        return await self._nemesis.invoke(self._world, operation)

    def close(self) -> None:
        """Have nothing to let go: `undo` is the interpreter's."""
