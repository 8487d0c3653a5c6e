"""Damage to files of nodes that are down, step by step: for scenario files only, where what must follow is known.

``bitflip``, ``truncate``, ``keep``, ``stale`` and ``wipe`` hit the `path` of each target (see `cluster.worlds.world.FileDamage`),
``swap-disks`` exchanges the disk of its one target with that of `other`. A target that runs is refused: kill it first. Nothing here
comes back by itself, at the end of a run neither: a damaged disk stays damaged.
"""

from __future__ import annotations

from typing import Any, cast

from cluster.worlds.world import FileDamage, FileFaults, World
from harness.operation import Operation
from nemesis.targets import resolve_all

__all__ = ["FilesNemesis"]

_KINDS: dict[str, Any] = {
    "bitflip": "flip",
    "keep": "keep",
    "stale": "stale",
    "swap-disks": "swap",
    "truncate": "truncate",
    "wipe": "wipe",
}


class FilesNemesis:
    """See the module. There is nothing to undo."""

    fs = frozenset(_KINDS)

    async def setup(self, world: World) -> None:
        """Nothing to prepare."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Damage the targets' files; the completion says what was hit, node by node."""
        fields = {name: one for name, one in operation.value.items() if name != "targets"}
        damage = FileDamage(kind=_KINDS[operation.f], **fields)
        targets = await resolve_all(world, operation.value["targets"], world.nodes)
        done = {node: await cast("FileFaults", world).damage(node, damage) for node in targets}
        return operation.completed("info", {**operation.value, "damage": done})

    async def undo(self, world: World) -> None:
        """A damaged disk stays damaged."""
