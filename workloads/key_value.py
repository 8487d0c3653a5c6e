"""A process's line to the key-value store: numbered requests to whoever leads, linearizable reads at any node.

What every key-value workload on our own cluster asks through. A request is numbered once for each operation, so the
retries that `LeaderLine` makes after a definite refusal are the same request. A read changes nothing: whatever happens
to it, it *failed*, and its process goes on.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cluster.machine.kv_requests import STALE, KvResponse
from cluster.node.requests import Reply, Request
from cluster.worlds.world import World
from harness.operation import Operation
from workloads.leader_line import LeaderLine

__all__ = ["TIMEOUT_NS", "KeyValueLine"]

TIMEOUT_NS = 1_000_000_000
"""How long an operation waits for its answer."""


class KeyValueLine:
    """The line of `process`, which reads at `node`."""

    def __init__(self, world: World, node: str, process: int) -> None:
        self._leader = LeaderLine(world, node)
        self._home = world.connect(node)
        self._client = f"p{process}"
        self._sequence = 0

    async def change(self, operation: Operation, **request: Any) -> Operation:
        """Do `operation` as the request with these fields (op, key, value ...); return its completion.

        ``fail`` when it had no effect: refused, or the store did nothing (a compare-and-set that found another value).
        The store may also say that it has forgotten what became of the request: then nobody knows.
        """
        self._sequence += 1
        body = {"client": self._client, "sequence": self._sequence, **request}
        reply = await self._leader.ask(Request("kv", body), TIMEOUT_NS)
        node = self._leader.node
        if reply.status != "ok":
            return _not_done(operation, reply, node, "fail" if reply.definite else "info")
        response = msgspec.convert(reply.value["result"], KvResponse)
        if not response.ok:
            kind: Any = "info" if response.error == STALE else "fail"
            return operation.completed(kind, error=response.error, node=node)
        return operation.completed("ok", node=node)

    async def read(self, operation: Operation, key: str) -> tuple[Operation, Any]:
        """Read `key` at this process's node; return the completion, its value still the invoked one, and what was read."""
        node = self._home.node
        reply = await self._home.call(Request("get", {"key": key}), TIMEOUT_NS)
        if reply.status != "ok":
            return _not_done(operation, reply, node, "fail"), None
        return operation.completed("ok", node=node), reply.value["value"]

    def close(self) -> None:
        """Drop the lines."""
        self._leader.close()
        self._home.close()


def _not_done(operation: Operation, reply: Reply, node: str, kind: Any) -> Operation:
    return operation.completed(kind, error=f"{reply.code}: {reply.message}", node=node)
