"""What a world of real nodes asks of the place where they live: the seam between `RealWorld` and its adapters.

A `Site` is the place of a whole cluster, a `Host` the place of one node, a `Life` one process of it. They start, signal and
wait; when and why is the world's business. Whatever the place, a node's log and trace appear in its folder of the run
while it lives: there the world reads them.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from cluster.node.process_config import Address, ProcessConfig

__all__ = ["Ended", "Host", "Life", "Site"]

Ended = Callable[[int, int], None]
"""Called once in the event loop when a process is gone: exit code (-9: killed by signal 9), CLOCK_MONOTONIC of its end."""


class Life(Protocol):
    """One process of a node, from its start to its end."""

    pid: int
    exit_code: int | None
    """None while it lives."""

    async def signal(self, number: signal.Signals) -> None:
        """Send a signal; a process that is gone is left alone."""

    async def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait until it is gone and its `Ended` was called; returns the exit code, or None after the timeout."""


class Host(Protocol):
    """The place of one node."""

    address: Address
    """Where its node listens, for its peers and for clients."""
    home: str
    """The node's folder as the node itself sees it."""
    parent: int
    """The process that a node must not outlive (see `ProcessConfig.parent`)."""

    async def start(self, config: ProcessConfig, ended: Ended) -> Life:
        """Start the node; there is no other life. Raises WorldFailed."""

    async def lose_power(self) -> None:
        """Roll back what the disk of a node that is down has not synced."""

    async def dump(self) -> dict[str, Any]:
        """Read the disk of a node that is down, without recovery."""


class Site(Protocol):
    """The place of a cluster."""

    async def open(self, cluster: str, folders: Mapping[str, Path]) -> Mapping[str, Host]:
        """End what dead runs left, and make a host for each node; `folders`, one per node, exist.

        `cluster` names this run. Raises WorldFailed.
        """

    def close(self) -> None:
        """End every process without waiting for its leave, give everything back. Safe in any state, twice too."""
