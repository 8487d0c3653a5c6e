"""The ssh world: a cluster on hosts that are reached over SSH, a node on each.

What it does to nodes is said in `cluster.worlds.real.world`, and by whom on their hosts in `cluster.worlds.ssh.keeper`. Where
users may drop packets (root, nft) links are cut, and bad, by the kernels of the hosts, and nodes know nothing of it; elsewhere
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
from cluster.worlds.world import DiskFault, FileDamage, Limits, LinkFault

__all__ = ["SshOptions", "SshWorld"]


class SshOptions(RealOptions, frozen=True, kw_only=True):
    """What the surroundings of nodes on hosts are like."""

    reach: Reach
    power_disk: bool = False
    """Whether each node's disk is a mount that loses power by itself, and fails on command; needs FUSE there."""
    wall_clocks: bool = False
    """Whether the nodes' wall clocks can be set wrong; needs a C compiler there."""
    seed: int = 0
    """Decides what becomes of packets on bad links."""


class SshWorld(RealWorld):
    """See `RealWorld`; `FileFaults` and `FileLimits`, by option `DiskFaults` and `RealtimeFaults`, as root `LinkFaults`, `ClientFaults` and `ResourceFaults` too."""

    name = "ssh"

    def __init__(
        self, nodes: Sequence[str], *, directory: Path, config: NodeConfig, options: SshOptions
    ) -> None:
        self._told_drops = 0
        self._shut: tuple[str, ...] = ()
        self._network_turn = asyncio.Lock()
        self._limits: dict[str, Limits] = {}
        self._bad: dict[tuple[str, str], LinkFault] = {}
        self._ssh = SshSite(
            options.reach,
            seed=options.seed,
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
        """See `World`. What may be done to kernels is known then."""
        await super().up()
        self.capabilities |= self._ssh.able
        if self._kernel_cuts:
            self.capabilities |= {"cut-clients"}

    def facts(self) -> dict[str, int]:
        """See `RealWorld`: by how much times of different nodes may be wrong at most, in nanoseconds."""
        known = [clock.uncertainty_ns for clock in self._ssh.clocks.values()]
        return {"clock_uncertainty_ns": max(known, default=0)}

    async def start(self, node: str, **changes: Any) -> None:
        """See `World`. A limit holds for the new process too, once it serves."""
        await super().start(node, **changes)
        if node in self._limits:
            await self._limit(node)

    async def heal(self) -> None:
        """See `World`. What was dropped since the last time is told first."""
        if not self._kernel_cuts:
            await super().heal()
            return
        self._cut, self._bad = (), {}
        await self._carry_out_links()
        if self._shut:
            await self.cut_clients(())
        hosts = self._ssh.hosts.values()
        drops = sum(await asyncio.gather(*(host.ask("drops") for host in hosts)))
        if drops > self._told_drops:
            self._fault("dropped", "links", drops - self._told_drops)
        self._told_drops = drops
        self._fault("heal", "")

    async def cut_clients(self, nodes: Sequence[str]) -> None:
        """See `ClientFaults`. Only what goes to the nodes' port is dropped: SSH goes on."""
        if nodes:
            self._fault("cut-clients", " ".join(nodes))
        if not self._kernel_cuts:
            raise WorldFailed("clients cannot be cut off: nobody may drop packets on the hosts")
        self._shut = tuple(nodes)
        addresses = list(self._addresses().values())
        async with self._network_turn:
            await asyncio.gather(
                *(
                    host.ask("cut_clients", nodes=addresses, shut=node in nodes)
                    for node, host in self._ssh.hosts.items()
                )
            )

    async def degrade(self, links: Sequence[tuple[str, str]], fault: LinkFault) -> None:
        """See `LinkFaults`."""
        self._fault("degrade", " ".join(f"{source}>{target}" for source, target in links))
        if "link-faults" not in self._ssh.able:
            raise WorldFailed("links cannot be made bad: nobody may hold packets on the hosts")
        self._bad |= dict.fromkeys(links, fault)
        await self._carry_out_links()

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
        limits = self._limits.get(node, Limits())
        self._limits[node] = msgspec.structs.replace(limits, open_files=open_files)
        await self._limit(node)
        self._fault("limit-files", node)

    async def limit(self, node: str, limits: Limits) -> None:
        """See `ResourceFaults`."""
        self._limits[node] = limits
        await self._limit(node)
        self._fault("limit", node)

    async def _limit(self, node: str) -> None:
        await self._host(node).ask("limit", **msgspec.to_builtins(self._limits[node]))

    async def _swap(self, hit: list[str]) -> dict[str, Any]:
        first, second = (self._host(name) for name in hit)
        disks = [await first.fetch_disk(), await second.fetch_disk()]
        await second.give_disk(disks[0])
        await first.give_disk(disks[1])
        for packed in disks:
            packed.unlink()
        return {"kind": "swap", "nodes": hit}

    async def _carry_out_cuts(self) -> None:
        if self._kernel_cuts:
            await self._carry_out_links()
        else:
            await super()._carry_out_cuts()

    async def _carry_out_links(self) -> None:
        """Let the hosts do what holds of links now: each is told all of it."""
        async with self._network_turn:
            bad = [
                (source, target, msgspec.to_builtins(fault))
                for (source, target), fault in self._bad.items()
            ]
            said = {"addresses": self._addresses(), "cut": self._cut, "faults": bad}
            await asyncio.gather(*(host.ask("links", **said) for host in self._ssh.hosts.values()))

    def _cuts_of(self, node: str) -> Cuts:
        return Cuts() if self._kernel_cuts else super()._cuts_of(node)

    @property
    def _kernel_cuts(self) -> bool:
        return "cut" in self._ssh.able

    def _addresses(self) -> dict[str, str]:
        return self._ssh.addresses()

    def _host(self, node: str) -> SshHost:
        if node not in self._ssh.hosts:
            raise WorldFailed(f"{node} has no host: the world is not up")
        return self._ssh.hosts[node]


async def _fail(why: str) -> None:
    raise WorldFailed(why)
