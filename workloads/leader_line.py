"""A client's line that finds the leader: what every workload on our own cluster asks through.

A request is tried again only after a *definite* refusal by a node that is not the leader or not there: such a refusal had
no effect, so trying elsewhere is still one operation. After anything indeterminate it never tries again: a silent retry
would falsify the history.
"""

from __future__ import annotations

from cluster.node.requests import Reply, Request
from cluster.worlds.world import Connection, World

__all__ = ["LeaderLine"]

_MS = 1_000_000
_RETRYABLE = ("NotLeader", "Unavailable")

ATTEMPTS_MAX = 8
PAUSE_NS = 50 * _MS


class LeaderLine:
    """Lines of one process to all nodes; remembers who answered last."""

    def __init__(self, world: World, node: str) -> None:
        self.node = node
        self._world = world
        self._lines: dict[str, Connection] = {}

    async def ask(self, request: Request, timeout_ns: int) -> Reply:
        """Return the reply of whoever leads, or the last definite refusal when nobody does for a while."""
        nodes = self._world.nodes
        reply = await self.line(self.node).call(request, timeout_ns)
        for attempt in range(ATTEMPTS_MAX):
            if reply.status != "refused" or reply.code not in _RETRYABLE:
                break
            if reply.leader:
                self.node = reply.leader
            else:
                place = nodes.index(self.node)
                self.node = nodes[(place + 1) % len(nodes)]
                if attempt >= len(nodes) - 1:
                    await self._world.sleep(PAUSE_NS)
            reply = await self.line(self.node).call(request, timeout_ns)
        return reply

    def line(self, node: str) -> Connection:
        """Return this process's line to `node`, whoever leads."""
        line = self._lines.get(node)
        if line is None:
            line = self._world.connect(node)
            self._lines[node] = line
        return line

    def close(self) -> None:
        """Drop all lines."""
        for line in self._lines.values():
            line.close()
        self._lines.clear()
