"""A node's place in the simulated world: what outlives its incarnations, and what the present one holds. Data only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cluster.node.clock import NodeClock, WallClock
from cluster.node.node import Node
from cluster.node.requests import CrashOrder, Reply
from cluster.storage.sim_disk import SimDisk
from cluster.worlds.sim.kernel import Future

__all__ = ["NEVER_NS", "Place"]

NEVER_NS = 1 << 63


class Place:
    """See the module. Disk and clocks outlive the node's incarnations; `node` is None while it is down."""

    __slots__ = (
        "busy_until_ns",
        "changes",
        "clock",
        "disk",
        "exit_code",
        "exits",
        "held",
        "incarnation",
        "name",
        "node",
        "number",
        "orders",
        "paused",
        "waiting",
        "wake_at_ns",
        "wake_local_ns",
        "wall",
    )

    def __init__(
        self, name: str, number: int, disk: SimDisk, clock: NodeClock, wall: WallClock
    ) -> None:
        self.name = name
        self.number = number
        self.disk = disk
        self.clock = clock
        self.wall = wall
        self.node: Node | None = None
        self.incarnation = 0
        self.changes: dict[str, Any] = {}
        """Configuration that differs from the common one, from the next start on."""
        self.orders: list[CrashOrder] = []
        """Orders given while the node was down: they hold from its next start on, recovery included."""
        self.busy_until_ns = 0
        self.wake_at_ns = -1
        """World time of the wake that counts; earlier orders to wake are void."""
        self.wake_local_ns = NEVER_NS
        """The node's own time for which that wake was ordered: a later deadline needs no other one."""
        self.paused = False
        self.held: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        """What happened to a paused node: it will find out when it goes on."""
        self.waiting: dict[int, Future[Reply]] = {}
        """Requests that the present incarnation has taken and not answered."""
        self.exit_code: int | None = None
        self.exits: list[Future[int | None]] = []

    def take_orders(self) -> list[CrashOrder]:
        """Hand the waiting crash orders to the incarnation that starts."""
        orders, self.orders = self.orders, []
        return orders

    def forget_wakes(self) -> None:
        """No wake that was ordered counts any more."""
        self.wake_at_ns = -1
        self.wake_local_ns = NEVER_NS
