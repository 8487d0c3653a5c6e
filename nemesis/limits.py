"""Nodes that have little to live on: of processors, memory, open files, or room on their disks. For scenario files.

``limit`` gives its targets no more than what is said (see `cluster.worlds.world.Limits`), ``limit-files`` no more than so many open
files; without values they lift it. What a node does that has too little is for the scenario to say.
"""

from __future__ import annotations

from typing import cast

from cluster.worlds.world import FileLimits, Limits, ResourceFaults, World
from harness.operation import Operation
from nemesis.targets import resolve_all

__all__ = ["LimitsNemesis"]


class LimitsNemesis:
    """See the module."""

    fs = frozenset({"limit", "limit-files"})

    def __init__(self) -> None:
        self._limited: dict[tuple[str, str], None] = {}
        """What was asked of whom: only that is lifted."""

    async def setup(self, world: World) -> None:
        """Nothing to prepare."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Limit the targets."""
        fields = {name: one for name, one in operation.value.items() if name != "targets"}
        targets = await resolve_all(world, operation.value["targets"], world.nodes)
        for node in targets:
            self._limited[operation.f, node] = None
            await _limit(world, operation.f, node, Limits(**fields))
        return operation.completed("info", {**operation.value, "nodes": targets})

    async def undo(self, world: World) -> None:
        """Lift every limit."""
        while self._limited:
            (f, node), _ = self._limited.popitem()
            await _limit(world, f, node, Limits())


async def _limit(world: World, f: str, node: str, limits: Limits) -> None:
    if f == "limit":
        await cast("ResourceFaults", world).limit(node, limits)
    else:
        await cast("FileLimits", world).limit_files(node, limits.open_files)
