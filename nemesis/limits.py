"""Nodes that have little to live on: of processors, memory, open files, or room on their disks. For scenario files.

``limit`` gives its targets no more than what is said (see `cluster.worlds.world.Limits`), ``limit-files`` no more than so many open
files, ``limit-disk`` no more room than so many bytes; without values they lift it. What a node does that has too little is for the scenario to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from cluster.worlds.world import DiskLimits, FileLimits, Limits, ResourceFaults, World
from harness.operation import Operation
from nemesis.targets import resolve_all

__all__ = ["LimitsNemesis"]


class LimitsNemesis:
    """See the module."""

    fs = frozenset({"limit", "limit-disk", "limit-files"})

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
            await _limit(world, operation.f, node, fields)
        return operation.completed("info", {**operation.value, "nodes": targets})

    async def undo(self, world: World) -> None:
        """Lift every limit."""
        while self._limited:
            (f, node), _ = self._limited.popitem()
            await _limit(world, f, node, {})


async def _limit(world: World, f: str, node: str, fields: Mapping[str, Any]) -> None:
    if f == "limit":
        await cast("ResourceFaults", world).limit(node, Limits(**fields))
    elif f == "limit-files":
        await cast("FileLimits", world).limit_files(node, fields.get("open_files", 0))
    else:
        await cast("DiskLimits", world).limit_disk(node, fields.get("disk_bytes", 0))
