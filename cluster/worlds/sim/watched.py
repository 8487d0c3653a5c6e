"""A simulated world that is watched: somebody hears of every crash point passed, with the disk as it is there, and of every message said.

Watching draws nothing, costs no simulated time and changes nothing: a watched run is the run of its seed. Nothing is judged
or kept here.
"""

from __future__ import annotations

from typing import Any, Protocol

from cluster.node.config import NodeConfig
from cluster.node.replica import Outbox
from cluster.node.requests import Reply
from cluster.raft.messages import Message
from cluster.storage.sim_disk import SimDisk
from cluster.worlds.sim.place import Place
from cluster.worlds.sim.world import SimWorld

__all__ = ["WatchedWorld", "Watcher"]


class Watcher(Protocol):
    """Who watches. It must not change what it is shown."""

    def passed(self, node: str, group: int, point: str, disk: SimDisk, config: NodeConfig) -> None:
        """`node`, a life of the configuration `config`, passes `point` in `group`; `disk` is as it is at that moment."""

    def said(self, group: int, message: Message) -> None:
        """A message leaves its sender."""


class _WatchedDisk(SimDisk):
    """A disk whose node tells it of crash points, as one with a ledger is told."""

    def __init__(self, world: WatchedWorld, node: str, **costs: int) -> None:
        super().__init__(**costs)
        self._world = world
        self._node = node

    def mark(self, point: str, in_hand: str) -> None:
        """See `NodeProbe`; `in_hand` begins with the group, ``g0/17``."""
        group = int(in_hand.partition("/")[0].removeprefix("g"))
        world = self._world
        world.watcher.passed(self._node, group, point, self, world.configs[self._node])


class _Overheard:
    """An outbox whose messages are heard when they leave."""

    def __init__(self, inner: Outbox, watcher: Watcher) -> None:
        self._inner = inner
        self._watcher = watcher

    def send(self, group: int, message: Message) -> None:
        self._watcher.said(group, message)
        self._inner.send(group, message)

    def complete(self, request: int, reply: Reply) -> None:
        self._inner.complete(request, reply)


class WatchedWorld(SimWorld):
    """See the module."""

    def __init__(self, *arguments: Any, watcher: Watcher, **options: Any) -> None:
        self.watcher = watcher
        self.configs: dict[str, NodeConfig] = {}
        """Node -> configuration of its present or last life."""
        super().__init__(*arguments, **options)

    def make_disk(self, node: str) -> SimDisk:
        """See `SimWorld`."""
        costs = {"fsync_ns": self._options.fsync_ns, "write_ns": self._options.write_ns}
        return _WatchedDisk(self, node, **costs)

    def make_outbox(self, place: Place) -> Outbox:
        """See `SimWorld`."""
        return _Overheard(super().make_outbox(place), self.watcher)

    def open_node(self, local_ns: int, place: Place, config: NodeConfig) -> None:
        """See `SimWorld`."""
        self.configs[place.name] = config
        super().open_node(local_ns, place, config)
