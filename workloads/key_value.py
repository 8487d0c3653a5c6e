"""A process's line to the key-value store: numbered requests to whoever leads, linearizable reads at any node.

What every key-value workload on our own cluster asks through. A request is numbered once for each operation, so the
retries that `LeaderLine` makes after a definite refusal are the same request. A read changes nothing: whatever happens
to it, it *failed*, and its process goes on.

A line may *insist*: where nobody knows what became of a request, the same numbered request is asked again, a few times. That
is still one operation, because the store's sessions make it take effect once (Ongaro's thesis, 2014, section 6.3); without a
definite answer in the end it is indeterminate. It is what puts the sessions to the test.
"""

from __future__ import annotations

from typing import Any, Self

import msgspec

from cluster.machine.kv_requests import STALE, KvResponse, micro_operations, only_looks
from cluster.node.requests import Reply, Request
from cluster.worlds.world import Connection, World
from harness.operation import Operation
from workloads.leader_line import LeaderLine

__all__ = ["INSISTING_MAX", "TIMEOUT_NS", "KeyValueClient", "KeyValueLine"]

TIMEOUT_NS = 1_000_000_000
"""How long an operation waits for its answer."""

INSISTING_MAX = 8
"""How often one that insists asks again."""

PAUSE_NS = 500_000_000
"""How long one that insists waits where all refuse."""


class KeyValueLine:
    """The line of `process`, which reads at `node`."""

    def __init__(self, world: World, node: str, process: int, *, insists: bool = False) -> None:
        self._world = world
        self._leader = LeaderLine(world, node)
        self._home = world.connect(node)
        self._client = f"p{process}"
        self._sequence = 0
        self._askings = 1 + insists * INSISTING_MAX
        self.nodes = world.nodes
        self.index = 0
        """The highest log index that an answer spoke of: what this process has seen."""

    async def change(self, operation: Operation, **request: Any) -> Operation:
        """Do `operation` as the request with these fields (op, key, value ...); return its completion.

        ``fail`` when it had no effect: refused, or the store did nothing (a compare-and-set that found another value).
        The store may also say that it has forgotten what became of the request: then nobody knows.
        """
        return (await self._numbered(operation, "kv", request))[0]

    async def transact(
        self, operation: Operation, operations: list[list[Any]]
    ) -> tuple[Operation, Any]:
        """Do `operation` as the transaction of these micro-operations, or as a read where it only looks.

        Returns the completion, its value still the invoked one, and the results, one for each micro-operation; where it
        did not end ``ok``, the value of the response (`KvResponse`) if there was one.
        """
        if not only_looks(micro_operations(operations)):
            return await self._numbered(operation, "txn", {"operations": operations})
        return await self._look(operation, Request("txn", {"operations": operations}))

    async def read(self, operation: Operation, key: str) -> tuple[Operation, Any]:
        """Read `key` at this process's node; return the completion, its value still the invoked one, and what was read."""
        return await self._look(operation, Request("get", {"key": key}))

    async def read_at(self, operation: Operation, key: str, node: str) -> tuple[Operation, Any]:
        """Read `key` from the state of `node` alone, no older than anything that this process has seen."""
        body = {"key": key, "stale": True, "at_least": self.index}
        return await self._look(operation, Request("get", body), self._leader.line(node))

    def close(self) -> None:
        """Drop the lines."""
        self._leader.close()
        self._home.close()

    async def _numbered(
        self, operation: Operation, kind: str, request: dict[str, Any]
    ) -> tuple[Operation, Any]:
        self._sequence += 1
        body = {"client": self._client, "sequence": self._sequence, **request}
        doubt = False
        for _ in range(self._askings):
            reply = await self._leader.ask(Request(kind, body), TIMEOUT_NS)
            if reply.status == "ok":
                return self._answered(operation, reply, self._leader.node)
            if reply.definite and not doubt:
                break
            if reply.definite:
                await self._world.sleep(PAUSE_NS)  # Nobody leads, and nobody had to be waited for.
            doubt = True
        return _not_done(operation, reply, self._leader.node, "info" if doubt else "fail"), None

    async def _look(
        self, operation: Operation, request: Request, line: Connection | None = None
    ) -> tuple[Operation, Any]:
        line = line or self._home
        node = line.node
        reply = await line.call(request, TIMEOUT_NS)
        if reply.status != "ok":
            return _not_done(operation, reply, node, "fail"), None
        if "result" in reply.value:
            return self._answered(operation, reply, node)
        self.index = max(self.index, reply.value["index"])
        return operation.completed("ok", node=node), reply.value["value"]

    def _answered(self, operation: Operation, reply: Reply, node: str) -> tuple[Operation, Any]:
        """The store did what it could: the completion that its response means, and the value of that."""
        self.index = max(self.index, reply.value["index"])
        response = msgspec.convert(reply.value["result"], KvResponse)
        if response.ok:
            return operation.completed("ok", node=node), response.value
        kind: Any = "info" if response.error == STALE else "fail"
        return operation.completed(kind, error=response.error, node=node), response.value


class KeyValueClient:
    """The client of a key-value workload, except for what its operations ask; see `Client`."""

    def __init__(self, line: KeyValueLine | None = None, *, insists: bool = False) -> None:
        self._line = line
        self._insists = insists

    async def open(self, world: World, node: str, process: int) -> Self:
        """See `Client`."""
        return type(self)(KeyValueLine(world, node, process, insists=self._insists))

    async def invoke(self, operation: Operation) -> Operation:
        """See `Client`."""
        assert self._line is not None, "open it first"
        return await self.ask(self._line, operation)

    async def ask(self, line: KeyValueLine, operation: Operation) -> Operation:
        """Do `operation` through `line` and return its completion: what a workload's own client says."""
        raise NotImplementedError

    def close(self) -> None:
        """See `Client`."""
        if self._line is not None:
            self._line.close()


def _not_done(operation: Operation, reply: Reply, node: str, kind: Any) -> Operation:
    return operation.completed(kind, error=f"{reply.code}: {reply.message}", node=node)
