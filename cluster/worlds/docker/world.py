"""The docker world: a cluster of containers on a private network, broken from the host.

What it does to nodes is said in `cluster.worlds.real.world`; here stand the faults of the network, which the kernel carries
out between the containers: nodes know nothing of them. Nothing outlives the world but the run folder; what a harness that
was killed has left is found by its labels and removed at the next start.
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
from cluster.worlds.docker.lines import ContainerLine
from cluster.worlds.docker.site import DockerSite
from cluster.worlds.errors import WorldFailed
from cluster.worlds.host.limits import GroupLimits, group_of, limit_open_files
from cluster.worlds.host.network import HostNetwork
from cluster.worlds.real.directories import Directories
from cluster.worlds.real.wall_clocks import WallClocks
from cluster.worlds.real.world import RealOptions, RealWorld
from cluster.worlds.world import FileDamage, Limits, LinkFault

__all__ = ["DockerOptions", "DockerWorld"]


class DockerOptions(RealOptions, frozen=True, kw_only=True):
    """What the surroundings of containers are like."""

    image: str
    """The tag of a node image (`cluster.worlds.docker.image`)."""
    seed: int = 0
    """Decides what becomes of packets on bad links."""
    wall_clocks: bool = False
    """Whether the nodes' wall clocks can be set wrong; needs a C compiler once."""


class DockerWorld(RealWorld):
    """See `RealWorld`; `LinkFaults` and `ClientFaults` too."""

    name = "docker"

    def __init__(
        self, nodes: Sequence[str], *, directory: Path, config: NodeConfig, options: DockerOptions
    ) -> None:
        self._clocks = WallClocks()
        self._docker = DockerSite(
            options.image, options.seed, self._clocks if options.wall_clocks else None
        )
        self._limits: dict[str, Limits] = {}
        self._groups: dict[str, GroupLimits] = {}
        self._network_turn = asyncio.Lock()
        super().__init__(
            nodes, directory=directory, config=config, options=options, site=self._docker
        )
        self._directories = Directories({n.name: n.directory for n in self._nodes.values()})
        if options.wall_clocks:
            self.capabilities |= {"realtime"}

    def connect(self, node: str) -> ContainerLine:
        """See `World`; only after `up`."""
        return ContainerLine(self._line(node), lambda: self.running(node))

    async def start(self, node: str, **changes: Any) -> None:
        """See `World`. Limits hold for the new process too, once it serves."""
        await super().start(node, **changes)
        if node in self._limits:
            self._groups.pop(node, None)
            self._apply_limits(node)

    async def heal(self) -> None:
        """See `World`. What was dropped since the last time is told first."""
        self._cut = ()
        async with self._network_turn:
            swallowed = await asyncio.to_thread(self._network.swallowed)
            await asyncio.to_thread(self._network.heal)
        for what, amount in swallowed.items():
            if amount:
                self._fault("dropped", what, amount)
        self._fault("heal", "")

    async def degrade(self, links: Sequence[tuple[str, str]], fault: LinkFault) -> None:
        """See `LinkFaults`."""
        self._fault("degrade", " ".join(f"{source}>{target}" for source, target in links))
        async with self._network_turn:
            await asyncio.to_thread(self._network.degrade, links, fault)

    async def cut_clients(self, nodes: Sequence[str]) -> None:
        """See `ClientFaults`."""
        self._fault("cut-clients", " ".join(nodes))
        async with self._network_turn:
            await asyncio.to_thread(self._network.cut_clients, nodes)

    async def set_realtime(self, node: str, offset_ns: int, drift_ppm: int) -> None:
        """See `RealtimeFaults`; only with `DockerOptions.wall_clocks`."""
        self._clocks.set(node, offset_ns, drift_ppm)
        self._fault("clock-set" if offset_ns or drift_ppm else "clock-right", node)

    async def damage(self, node: str, damage: FileDamage) -> dict[str, Any]:
        """See `FileFaults`."""
        hit = must_be_down(self, node, damage)
        done = await asyncio.to_thread(self._directories.damage, hit, damage)
        if damage.kind != "keep":
            for name in hit:
                self._fault(f"disk-{damage.kind}", name)
        return done

    async def limit(self, node: str, limits: Limits) -> None:
        """See `ResourceFaults`. Raises WorldFailed for a limit of the disk, which containers do not have here."""
        if limits.disk_bytes:
            raise WorldFailed(
                f"the disk of {node} cannot be made smaller: it is a folder of this host"
            )
        self._limits[node] = limits
        self._apply_limits(node)
        self._fault("limit", node)

    async def limit_files(self, node: str, open_files: int) -> None:
        """See `FileLimits`."""
        limits = self._limits.get(node, Limits())
        self._limits[node] = msgspec.structs.replace(limits, open_files=open_files)
        self._apply_limits(node)
        self._fault("limit-files", node)

    def _apply_limits(self, node: str) -> None:
        """Put a node's limits in force, on its process and its control group. A node that is down gets them at its start."""
        life = self._nodes[node].life
        if life is None:
            return
        limits = self._limits[node]
        limit_open_files(life.pid, limits.open_files)
        if node not in self._groups:
            assert self._docker.changes is not None
            try:
                group = group_of(Path(f"/proc/{life.pid}/cgroup").read_text())
            except (FileNotFoundError, ProcessLookupError):
                return
            self._groups[node] = GroupLimits(group, self._docker.changes)
        self._groups[node].apply(limits)

    async def _carry_out_cuts(self) -> None:
        async with self._network_turn:
            await asyncio.to_thread(self._network.cut, self._cut)

    def _cuts_of(self, node: str) -> Cuts:
        return Cuts()

    def _capabilities(self, config: NodeConfig, options: RealOptions) -> frozenset[str]:
        return super()._capabilities(config, options) | {
            "cut",
            "cut-clients",
            "file-faults",
            "limit-files",
            "limits",
            "link-faults",
        }

    @property
    def _network(self) -> HostNetwork:
        if self._docker.network is None:
            raise WorldFailed("the network is not up")
        return self._docker.network
