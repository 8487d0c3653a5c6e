"""The local world: a cluster of real processes on loopback, with real files, without root.

What it does to nodes is said in `cluster.worlds.real.world`; here stands where they live. Nothing outlives the world:
processes die with the harness, ports and lists are given back, and a run folder is all that remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cluster.node.config import NodeConfig
from cluster.storage.ledger import LedgerRecord
from cluster.worlds.damage import must_be_down
from cluster.worlds.host.limits import limit_open_files
from cluster.worlds.local.mounted import MountedDisks
from cluster.worlds.local.site import LocalSite
from cluster.worlds.real.directories import Directories
from cluster.worlds.real.wall_clocks import WallClocks
from cluster.worlds.real.world import RealOptions, RealWorld
from cluster.worlds.world import DiskFault, FileDamage

__all__ = ["LocalOptions", "LocalWorld"]


class LocalOptions(RealOptions, frozen=True, kw_only=True):
    """What the surroundings of local processes are like."""

    power_disk: bool = False
    """Whether each node's disk is a mount that loses power by itself, and fails on command; needs FUSE."""
    wall_clocks: bool = False
    """Whether the nodes' wall clocks can be set wrong; needs a C compiler once."""


class LocalWorld(RealWorld):
    """See `RealWorld`."""

    name = "local"

    def __init__(
        self, nodes: Sequence[str], *, directory: Path, config: NodeConfig, options: LocalOptions
    ) -> None:
        self._disks = MountedDisks()
        self._clocks = WallClocks()
        self._open_files: dict[str, int] = {}
        self._mounted = options.power_disk
        super().__init__(
            nodes,
            directory=directory,
            config=config,
            options=options,
            site=LocalSite(
                self._disks if options.power_disk else None,
                self._clocks if options.wall_clocks else None,
            ),
        )
        self._directories = Directories({n.name: n.directory for n in self._nodes.values()})
        self.capabilities |= {"file-faults", "limit-files"}
        if options.wall_clocks:
            self.capabilities |= {"realtime"}
        if options.power_disk:
            self.capabilities |= {"power", "disk-faults"}

    async def start(self, node: str, **changes: Any) -> None:
        """See `World`. A limit of open files holds for the new process too, once it serves."""
        await super().start(node, **changes)
        if node in self._open_files:
            self._limit_open_files(node)

    async def set_realtime(self, node: str, offset_ns: int, drift_ppm: int) -> None:
        """See `cluster.worlds.world.RealtimeFaults`; only with `LocalOptions.wall_clocks`."""
        self._clocks.set(node, offset_ns, drift_ppm)
        self._fault("clock-set" if offset_ns or drift_ppm else "clock-right", node)

    async def damage(self, node: str, damage: FileDamage) -> dict[str, Any]:
        """See `cluster.worlds.world.FileFaults`."""
        hit = must_be_down(self, node, damage)
        if self._mounted:
            for name in hit:
                self._disks.of(name).power_on()
        done = self._directories.damage(hit, damage)
        if damage.kind != "keep":
            for name in hit:
                self._fault(f"disk-{damage.kind}", name)
        return done

    async def limit_files(self, node: str, open_files: int) -> None:
        """See `cluster.worlds.world.FileLimits`."""
        self._open_files[node] = open_files
        self._limit_open_files(node)
        self._fault("limit-files", node)

    def _limit_open_files(self, node: str) -> None:
        life = self._nodes[node].life
        if life is not None:
            limit_open_files(life.pid, self._open_files[node])

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
