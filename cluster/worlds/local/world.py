"""The local world: a cluster of real processes on loopback, with real files, without root.

What it does to nodes is said in `cluster.worlds.real.world`; here stands where they live. Nothing outlives the world:
processes die with the harness, ports and lists are given back, and a run folder is all that remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cluster.node.config import NodeConfig
from cluster.storage.ledger import LedgerRecord
from cluster.worlds.local.mounted import MountedDisks
from cluster.worlds.local.site import LocalSite
from cluster.worlds.real.world import RealOptions, RealWorld
from cluster.worlds.world import DiskFault

__all__ = ["LocalOptions", "LocalWorld"]


class LocalOptions(RealOptions, frozen=True, kw_only=True):
    """What the surroundings of local processes are like."""

    power_disk: bool = False
    """Whether each node's disk is a mount that loses power by itself, and fails on command; needs FUSE."""


class LocalWorld(RealWorld):
    """See `RealWorld`."""

    name = "local"

    def __init__(
        self, nodes: Sequence[str], *, directory: Path, config: NodeConfig, options: LocalOptions
    ) -> None:
        self._disks = MountedDisks()
        super().__init__(
            nodes,
            directory=directory,
            config=config,
            options=options,
            site=LocalSite(self._disks if options.power_disk else None),
        )
        if options.power_disk:
            self.capabilities |= {"power", "disk-faults"}

    async def disk_fault(self, node: str, fault: DiskFault) -> None:
        """See `cluster.worlds.world.DiskFaults`; only with `LocalOptions.power_disk`."""
        self._disks.fault(node, fault)
        self._fault(f"disk-{fault.kind}", node)

    async def disk_heal(self, node: str) -> None:
        """See `cluster.worlds.world.DiskFaults`."""
        self._disks.of(node).heal()
        self._fault("disk-heal", node)

    def ledger(self, node: str) -> list[LedgerRecord]:
        """Every write, sync, rename and crash point of a node's mounted disk; see `Recorder`."""
        return self._disks.of(node).ledger()
