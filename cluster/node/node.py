"""All raft groups of one process; still pure.

Opening takes the lock of the data directory, then opens group after group; a failure at group k closes
groups 1..k-1 and gives the lock back (B-S3), so that the same process may try again. A halt of one group takes the
whole node down (specification HZ-22): a process has one fate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cluster.machine.parts import Parts
from cluster.node.clock import Stamps
from cluster.node.config import NodeConfig
from cluster.node.crash_points import NodeProbe, Strike
from cluster.node.replica import Outbox, Replica
from cluster.node.requests import CrashOrder, Request
from cluster.node.serving import Serving
from cluster.raft.messages import Message
from cluster.storage.disk import Disk
from cluster.trace import Event

__all__ = ["Node"]


class Node:
    """A running node. `open` is the only way in; afterwards call `work` once things were put in."""

    def __init__(
        self,
        config: NodeConfig,
        replicas: dict[int, Replica],
        outbox: Outbox,
        release: Callable[[], None],
        stamps: Stamps,
    ) -> None:
        self.config = config
        self.replicas = replicas
        self._release = release
        self._serving = Serving(config, replicas, outbox, stamps)

    @classmethod
    def open(
        cls,
        config: NodeConfig,
        *,
        disk: Disk,
        parts: Parts,
        outbox: Outbox,
        strike: Strike,
        sink: Callable[[Event], None] | None,
        orders: Sequence[CrashOrder],
        below: Callable[[int], int],
        now_ns: int,
        wall_ns: Callable[[], int],
    ) -> Node:
        """Open every group and replay what is committed.

        `strike` is what an armed crash point does, `sink` receives the trace (None: no trace), `orders` are armed before
        recovery begins, `below(n)` draws election timeouts, `wall_ns` reads the wall clock (nothing is decided by it). Raises LockHeld (another process runs on this directory), NodeHalted (exit code 78), LogDamaged,
        StoreRefused, SnapshotCorrupt and UnsupportedStoreForWriterRegistry (refused to start; nothing was changed).
        """
        lock = disk.lock("LOCK")
        replicas: dict[int, Replica] = {}
        try:
            for group in range(config.groups):
                probe = NodeProbe(
                    node=config.name,
                    incarnation=config.incarnation,
                    group=group,
                    disk=disk,
                    strike=strike,
                    sink=sink,
                    watched=frozenset(config.watched_points),
                )
                for order in orders:
                    if order.group == group:
                        probe.arm(order)
                replicas[group] = (parts.replica or Replica).open(
                    config=config,
                    group=group,
                    disk=disk,
                    parts=parts,
                    probe=probe,
                    outbox=outbox,
                    below=below,
                    now_ns=now_ns,
                )
        except BaseException:
            for replica in replicas.values():
                replica.abandon()
            lock.release()
            raise
        return cls(config, replicas, outbox, lock.release, Stamps(wall_ns))

    def receive(self, group: int, message: Message, now_ns: int) -> None:
        """Take a peer's message for one group; messages for groups this node does not have are dropped."""
        replica = self.replicas.get(group)
        if replica is not None:
            replica.receive(message, now_ns)

    def request(self, number: int, request: Request, now_ns: int) -> None:
        """Take a request; the outbox completes `number` now or later."""
        self._serving.request(number, request, now_ns)

    def work(self, now_ns: int) -> None:
        """Do everything that became ready. Raises NodeHalted."""
        for replica in self.replicas.values():
            replica.work(now_ns)

    def wake(self, now_ns: int) -> None:
        """Do what is due, then the work that follows from it."""
        for replica in self.replicas.values():
            replica.wake(now_ns)
            replica.work(now_ns)

    def deadline_ns(self, now_ns: int) -> int:
        """When `wake` is needed next, in this node's time."""
        earliest_ns = -1
        for replica in self.replicas.values():
            deadline_ns = replica.deadline_ns(now_ns)
            if earliest_ns < 0 or deadline_ns < earliest_ns:
                earliest_ns = deadline_ns
        return earliest_ns

    def state(self, group: int) -> dict[str, Any]:
        """Live state O6 of one group."""
        return self._serving.state(group)

    def arm(self, order: CrashOrder) -> None:
        """Arm a checked order; one for a group this node does not have can never strike."""
        if order.group in self.replicas:
            self.replicas[order.group].probe.arm(order)

    def disarm(self) -> None:
        """Forget all orders."""
        for replica in self.replicas.values():
            replica.probe.disarm()

    def close(self) -> None:
        """Stop cleanly."""
        for replica in self.replicas.values():
            replica.close()
        self._release()

    def abandon(self) -> None:
        """Let go of everything without writing: the node is dead."""
        for replica in self.replicas.values():
            replica.abandon()
        self._release()
