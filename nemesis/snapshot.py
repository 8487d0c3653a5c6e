"""Snapshots at awkward moments: asks drawn nodes to take one now, whatever their threshold says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.node.requests import Request
from cluster.worlds.world import World
from harness.generator import SECOND_NS, Context, Generatorish, nemesis, stagger
from harness.operation import Operation
from nemesis.package import Package
from nemesis.targets import resolve, shuffled

__all__ = ["SnapshotNemesis", "snapshot"]

TIMEOUT_NS = SECOND_NS // 2


class SnapshotNemesis:
    """Asks for local snapshots. There is nothing to undo."""

    fs = frozenset({"snapshot"})

    async def setup(self, world: World) -> None:
        """Nothing to prepare."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Ask every target that runs."""
        targets = await resolve(world, operation.value["target"], operation.value["order"])
        for node in targets:
            if world.running(node):
                await world.connect(node).call(Request("inspect.snapshot", {}), TIMEOUT_NS)
        return operation.completed("info", {**operation.value, "nodes": targets})

    async def undo(self, world: World) -> None:
        """Nothing was changed."""


def snapshot(options: Mapping[str, Any]) -> Package:
    """Ask one, a minority or all, now and then."""
    nodes = options["nodes"]
    targets = ("one", "minority", "all")

    def ask(context: Context) -> Generatorish:
        target = targets[context.random.below(len(targets))]
        return {"f": "snapshot", "value": {"target": target, "order": shuffled(context, nodes)}}

    interval_ns = int(options.get("interval_s", 1.0) * SECOND_NS)
    return Package(
        name="snapshot",
        nemesis=SnapshotNemesis(),
        generator=nemesis(stagger(interval_ns, ask)),
        needs=frozenset({"inspect"}),
    )
