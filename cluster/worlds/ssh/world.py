"""The ssh world: a cluster on hosts that are reached over SSH, a node on each.

What it does to nodes is said in `cluster.worlds.real.world`, and by whom on their hosts in `cluster.worlds.ssh.keeper`. Where
users may drop packets (root, nft) links are cut by the kernels of the hosts, and nodes know nothing of it; elsewhere
nodes cut their own links, as on one machine. Nothing outlives the world but the run folder, and on the hosts the program.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from cluster.node.config import NodeConfig
from cluster.node.process_config import Cuts
from cluster.worlds.damage import must_be_down
from cluster.worlds.errors import WorldFailed
from cluster.worlds.real.world import RealOptions, RealWorld
from cluster.worlds.ssh.places import Reach
from cluster.worlds.ssh.site import SshHost, SshSite
from cluster.worlds.world import DiskFault, FileDamage

__all__ = ["SshOptions", "SshWorld"]


class SshOptions(RealOptions, frozen=True, kw_only=True):
    """What the surroundings of nodes on hosts are like."""

    reach: Reach
    power_disk: bool = False
    """Whether each node's disk is a mount that loses power by itself, and fails on command; needs FUSE there."""
    wall_clocks: bool = False
    """Whether the nodes' wall clocks can be set wrong; needs a C compiler there."""


class SshWorld(RealWorld):
    """See `RealWorld`; `FileFaults` and `FileLimits`, by option `DiskFaults` and `RealtimeFaults`, as root `ClientFaults` too."""

    name = "ssh"

    def __init__(
        self, nodes: Sequence[str], *, directory: Path, config: NodeConfig, options: SshOptions
    ) -> None:
        self._told_drops = 0
        self._network_turn = asyncio.Lock()
        self._limits: dict[str, int] = {}
        self._ssh = SshSite(
            options.reach,
            power_disk=options.power_disk,
            wall_clocks=options.wall_clocks,
            start_ns=lambda: self.start_ns,
            lost=lambda why: self.spawn(_fail(why)),
        )
        super().__init__(nodes, directory=directory, config=config, options=options, site=self._ssh)
        self.capabilities |= {"file-faults", "limit-files"}
        if options.wall_clocks:
            self.capabilities |= {"realtime"}
        if options.power_disk:
            self.capabilities |= {"power", "disk-faults"}

    async def up(self) -> None:
        """See `World`. Whether kernels cut links is known then."""
        await super().up()
        if self._ssh.kernel_cuts:
            self.capabilities |= {"cut", "cut-clients"}

    def facts(self) -> dict[str, int]:
        """See `RealWorld`: by how much times of different nodes may be wrong at most, in nanoseconds."""
        known = [clock.uncertainty_ns for clock in self._ssh.clocks.values()]
        return {"clock_uncertainty_ns": max(known, default=0)}

    async def start(self, node: str, **changes: Any) -> None:
        """See `World`. A limit holds for the new process too, once it serves."""
        await super().start(node, **changes)
        if node in self._limits:
            await self._host(node).ask("limit_files", open_files=self._limits[node])

    async def heal(self) -> None:
        """See `World`. What was dropped since the last time is told first."""
        if self._ssh.kernel_cuts:
            hosts = self._ssh.hosts.values()
            drops = sum(await asyncio.gather(*(host.ask("drops") for host in hosts)))
            if drops > self._told_drops:
                self._fault("dropped", "links", drops - self._told_drops)
            self._told_drops = drops
            await self.cut_clients(())
        await super().heal()

    async def cut_clients(self, nodes: Sequence[str]) -> None:
        """See `ClientFaults`. Only what goes to the nodes' port is dropped: SSH goes on."""
        if nodes:
            self._fault("cut-clients", " ".join(nodes))
        if not self._ssh.kernel_cuts:
            raise WorldFailed("clients cannot be cut off: nobody may drop packets on the hosts")
        addresses = list(self._addresses().values())
        async with self._network_turn:
            await asyncio.gather(
                *(
                    host.ask("cut_clients", nodes=addresses, shut=node in nodes)
                    for node, host in self._ssh.hosts.items()
                )
            )

    async def set_realtime(self, node: str, offset_ns: int, drift_ppm: int) -> None:
        """See `RealtimeFaults`; only with `SshOptions.wall_clocks`."""
        await self._host(node).ask("clock", offset_ns=offset_ns, drift_ppm=drift_ppm)
        self._fault("clock-set" if offset_ns or drift_ppm else "clock-right", node)

    async def damage(self, node: str, damage: FileDamage) -> dict[str, Any]:
        """See `FileFaults`. Two disks are exchanged by way of here."""
        hit = must_be_down(self, node, damage)
        if damage.kind == "swap":
            done = await self._swap(hit)
        else:
            done = await self._host(node).ask("damage", **msgspec.to_builtins(damage))
        if damage.kind != "keep":
            for name in hit:
                self._fault(f"disk-{damage.kind}", name)
        return done

    async def disk_fault(self, node: str, fault: DiskFault) -> None:
        """See `DiskFaults`; only with `SshOptions.power_disk`."""
        await self._host(node).ask("disk_fault", **msgspec.to_builtins(fault))
        self._fault(f"disk-{fault.kind}", node)

    async def disk_heal(self, node: str) -> None:
        """See `DiskFaults`."""
        await self._host(node).ask("disk_heal")
        self._fault("disk-heal", node)

    async def limit_files(self, node: str, open_files: int) -> None:
        """See `FileLimits`."""
        self._limits[node] = open_files
        await self._host(node).ask("limit_files", open_files=open_files)
        self._fault("limit-files", node)

    async def _swap(self, hit: list[str]) -> dict[str, Any]:
        first, second = (self._host(name) for name in hit)
        disks = [await first.fetch_disk(), await second.fetch_disk()]
        await second.give_disk(disks[0])
        await first.give_disk(disks[1])
        for packed in disks:
            packed.unlink()
        return {"kind": "swap", "nodes": hit}

    async def _carry_out_cuts(self) -> None:
        if not self._ssh.kernel_cuts:
            await super()._carry_out_cuts()
            return
        addresses = self._addresses()
        async with self._network_turn:
            await asyncio.gather(
                *(
                    host.ask("cut", addresses=addresses, links=self._cut)
                    for host in self._ssh.hosts.values()
                )
            )

    def _cuts_of(self, node: str) -> Cuts:
        return Cuts() if self._ssh.kernel_cuts else super()._cuts_of(node)

    def _addresses(self) -> dict[str, str]:
        return self._ssh.addresses()

    def _host(self, node: str) -> SshHost:
        if node not in self._ssh.hosts:
            raise WorldFailed(f"{node} has no host: the world is not up")
        return self._ssh.hosts[node]


async def _fail(why: str) -> None:
    raise WorldFailed(why)
