"""A client's line to a node in a container, which refuses at once while the node is down.

A process that is gone is told to callers by the kernel of its machine. A container takes its network along when it ends:
nobody is left to refuse, and a caller would wait out his patience. The world knows that no node is there and says so; what is
said holds, because nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable

from cluster.client import NodeConnection
from cluster.node.requests import Reply, Request, refused

__all__ = ["ContainerLine"]


class ContainerLine:
    """Implements `cluster.worlds.world.Connection`."""

    def __init__(self, line: NodeConnection, running: Callable[[], bool]) -> None:
        """`running` says whether the node's process exists."""
        self.node = line.node
        self._line = line
        self._running = running

    async def call(self, request: Request, timeout_ns: int) -> Reply:
        """See `Connection`."""
        if not self._running():
            return refused("Unavailable", f"{self.node} is down")
        return await self._line.call(request, timeout_ns)

    def close(self) -> None:
        """See `Connection`."""
        self._line.close()
