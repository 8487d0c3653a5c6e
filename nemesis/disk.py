"""Failing disks: EIO at fsync, no space, slow fsync; on one node at a time, as the fault model demands of a minority.

``disk-fault`` is one story: the disk of a drawn node fails until the node is gone or a while has passed, then it works
again. After an EIO the machine loses its power before the node comes back: the kernel has dropped pages that still look
written, and only a reboot shows the truth (fsyncgate, 2018; a process that merely restarts would vouch for bytes that
are not there).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from cluster.worlds.world import DiskFault, DiskFaults, World
from harness.generator import SECOND_NS, Context, Generatorish, nemesis, stagger
from harness.operation import Operation
from nemesis.package import Package
from nemesis.targets import resolve, shuffled

__all__ = ["DiskNemesis", "disk"]

_PATHS = ("g0/wal", "g0/store", "g0/snap", "")
_KINDS = ("eio", "full", "slow")


class DiskNemesis:
    """See the module."""

    fs = frozenset({"disk-fault"})

    async def setup(self, world: World) -> None:
        """Nothing to prepare."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Let one disk fail, wait, mend it, and bring its node back."""
        value = operation.value
        [node] = await resolve(world, value["target"], value["order"])
        fault = DiskFault(kind=value["kind"], path=value["path"], extra_ns=value["extra_ns"])
        disks = cast("DiskFaults", world)
        await disks.disk_fault(node, fault)
        exit_code = await world.wait_exit(node, value["duration_ns"])
        await disks.disk_heal(node)
        if fault.kind == "eio":
            await world.power_loss(node)
        await world.start(node)
        return operation.completed("info", {**value, "node": node, "exit": exit_code}, node=node)

    async def undo(self, world: World) -> None:
        """Mend every disk, and start what is down."""
        if "disk-faults" not in world.capabilities:
            return
        for node in world.nodes:
            await cast("DiskFaults", world).disk_heal(node)
            await world.start(node)


def disk(options: Mapping[str, Any]) -> Package:
    """One failing disk after the other."""
    nodes = options["nodes"]

    def strike(context: Context) -> Generatorish:
        draw = context.random.below
        return {
            "f": "disk-fault",
            "value": {
                "kind": _KINDS[draw(len(_KINDS))],
                "path": _PATHS[draw(len(_PATHS))],
                "extra_ns": (1 + draw(100)) * SECOND_NS // 1000,
                "duration_ns": (100 + draw(900)) * SECOND_NS // 1000,
                "target": ("leader", "follower", "one")[draw(3)],
                "order": shuffled(context, nodes),
            },
        }

    interval_ns = int(options.get("interval_s", 1.0) * SECOND_NS)
    return Package(
        name="disk",
        nemesis=DiskNemesis(),
        generator=nemesis(stagger(interval_ns, strike)),
        needs=frozenset({"disk-faults", "power"}),
    )
