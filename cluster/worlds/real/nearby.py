"""Nodes whose folders and processes are on this machine, in containers or not: what is done to them from here.

Damage to files, mounted disks that fail, wall clocks that are wrong, limits of a process: one room for every world whose
nodes are that near. What such nodes need when they start is kept by `Surroundings`, which their site opens and closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cluster.ledger import LedgerPart, LedgerRecord
from cluster.node.config import NodeConfig
from cluster.worlds.damage import must_be_down
from cluster.worlds.host.limits import limit_open_files
from cluster.worlds.real.directories import Directories
from cluster.worlds.real.disks import MountedDisks, NodeDisk
from cluster.worlds.real.host import Life, Site
from cluster.worlds.real.wall_clocks import WallClocks
from cluster.worlds.real.world import RealOptions, RealWorld
from cluster.worlds.world import DiskFault, FileDamage, Limits

__all__ = ["NearbyOptions", "NearbyWorld", "Surroundings"]


class NearbyOptions(RealOptions, frozen=True, kw_only=True):
    """What the surroundings of nodes on this machine are like."""

    power_disk: bool = False
    """Whether each node's disk is a mount that loses power by itself, and fails on command; needs FUSE."""
    wall_clocks: bool = False
    """Whether the nodes' wall clocks can be set wrong; needs a C compiler once."""


class Surroundings:
    """The mounted disks and wall clocks of a run's nodes, as far as its options want them."""

    def __init__(self, options: NearbyOptions, owner: tuple[int, int] | None = None) -> None:
        """`owner` (user, group) is whom the nodes run as, where that is not this process's."""
        self.disks = MountedDisks(owner)
        self.clocks = WallClocks()
        self._options = options

    async def open(self, folders: Mapping[str, Path]) -> None:
        """Mount disks and make clocks in the nodes' folders. Raises WorldMissing and WorldFailed."""
        if self._options.power_disk:
            await self.disks.open(folders)
        if self._options.wall_clocks:
            self.clocks.open(folders)

    def close(self) -> None:
        """Give everything back; the nodes must be dead. A second call does nothing."""
        self.clocks.close()
        self.disks.close()

    def disk(self, node: str, folder: Path) -> NodeDisk:
        """The disk of a node, whose folder is `folder`."""
        return NodeDisk(node, folder / "data", self.disks if self._options.power_disk else None)

    def environment(self, home: str) -> dict[str, str]:
        """What the process of a node whose folder appears to it as `home` must find in its environment."""
        return WallClocks.environment(home) if self._options.wall_clocks else {}


class NearbyWorld(RealWorld):
    """See the module and `RealWorld`; `FileFaults`, `FileLimits`, and by option `DiskFaults`, `DiskLimits` and `RealtimeFaults` too."""

    def __init__(
        self,
        nodes: Sequence[str],
        *,
        directory: Path,
        config: NodeConfig,
        options: NearbyOptions,
        site: Site,
        surroundings: Surroundings,
    ) -> None:
        """`surroundings` are those that `site` opens and closes."""
        super().__init__(nodes, directory=directory, config=config, options=options, site=site)
        self._surroundings = surroundings
        self._mounted = options.power_disk
        self._limits: dict[str, Limits] = {}
        self._directories = Directories({n.name: n.directory for n in self._nodes.values()})
        self.capabilities |= {"file-faults", "limit-files"}
        if options.wall_clocks:
            self.capabilities |= {"realtime"}
        if options.power_disk:
            self.capabilities |= {"power", "disk-faults", "limit-disk"}

    async def start(self, node: str, **changes: Any) -> None:
        """See `World`. Limits hold for the new process too, once it serves."""
        await super().start(node, **changes)
        self._limit(node)

    async def set_realtime(self, node: str, offset_ns: int, drift_ppm: int) -> None:
        """See `RealtimeFaults`; only with `NearbyOptions.wall_clocks`."""
        self._surroundings.clocks.set(node, offset_ns, drift_ppm)
        self._fault("clock-set" if offset_ns or drift_ppm else "clock-right", node)

    async def damage(self, node: str, damage: FileDamage) -> dict[str, Any]:
        """See `FileFaults`."""
        hit = must_be_down(self, node, damage)
        if self._mounted:
            for name in hit:
                self._surroundings.disks.power_on(name)
        done = await asyncio.to_thread(self._directories.damage, hit, damage)
        if damage.kind != "keep":
            for name in hit:
                self._fault(f"disk-{damage.kind}", name)
        return done

    async def disk_fault(self, node: str, fault: DiskFault) -> None:
        """See `DiskFaults`; only with `NearbyOptions.power_disk`."""
        self._surroundings.disks.fault(node, fault)
        self._fault(f"disk-{fault.kind}", node)

    async def disk_heal(self, node: str) -> None:
        """See `DiskFaults`."""
        self._surroundings.disks.of(node).heal()
        self._fault("disk-heal", node)

    def ledger(self, node: str) -> list[LedgerRecord]:
        """Every write, sync, rename and crash point of a node's mounted disk; see `Recorder`."""
        return self._surroundings.disks.of(node).ledger()

    def ledgers(self) -> Mapping[str, Iterable[LedgerPart]]:
        """See `RealWorld.ledgers`: mounted disks keep one."""
        return self._surroundings.disks.ledgers

    async def limit_files(self, node: str, open_files: int) -> None:
        """See `FileLimits`."""
        limits = self._limits.get(node, Limits())
        self._limits[node] = msgspec.structs.replace(limits, open_files=open_files)
        self._limit(node)
        self._fault("limit-files", node)

    async def limit_disk(self, node: str, disk_bytes: int) -> None:
        """See `DiskLimits`; only with `NearbyOptions.power_disk`."""
        self._surroundings.disks.of(node).limit(disk_bytes)
        self._fault("disk-small" if disk_bytes else "disk-heal", node)

    def _limit(self, node: str) -> None:
        """Put a node's limits in force. One that is down gets them at its start."""
        life = self._nodes[node].life
        if life is not None and node in self._limits:
            self._apply_limits(node, life, self._limits[node])

    def _apply_limits(self, node: str, life: Life, limits: Limits) -> None:
        limit_open_files(life.pid, limits.open_files)
