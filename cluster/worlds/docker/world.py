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

from cluster.node.config import NodeConfig
from cluster.node.process_config import Cuts
from cluster.worlds.docker.image import USER_ID
from cluster.worlds.docker.lines import ContainerLine
from cluster.worlds.docker.site import DockerSite
from cluster.worlds.errors import WorldFailed
from cluster.worlds.host.limits import GroupLimits, group_of
from cluster.worlds.host.network import HostNetwork
from cluster.worlds.real.host import Life
from cluster.worlds.real.nearby import NearbyOptions, NearbyWorld, Surroundings
from cluster.worlds.real.world import RealOptions
from cluster.worlds.world import Limits, LinkFault

__all__ = ["DockerOptions", "DockerWorld"]


class DockerOptions(NearbyOptions, frozen=True, kw_only=True):
    """What the surroundings of containers are like."""

    image: str
    """The tag of a node image (`cluster.worlds.docker.image`)."""
    seed: int = 0
    """Decides what becomes of packets on bad links."""


class DockerWorld(NearbyWorld):
    """See `NearbyWorld`; `LinkFaults` and `ClientFaults` too."""

    name = "docker"

    def __init__(
        self, nodes: Sequence[str], *, directory: Path, config: NodeConfig, options: DockerOptions
    ) -> None:
        surroundings = Surroundings(options, owner=(USER_ID, USER_ID))
        self._docker = DockerSite(options.image, options.seed, surroundings)
        self._groups: dict[str, GroupLimits] = {}
        self._network_turn = asyncio.Lock()
        super().__init__(
            nodes,
            directory=directory,
            config=config,
            options=options,
            site=self._docker,
            surroundings=surroundings,
        )

    def connect(self, node: str) -> ContainerLine:
        """See `World`; only after `up`."""
        return ContainerLine(self._line(node), lambda: self.running(node))

    async def start(self, node: str, **changes: Any) -> None:
        """See `World`. A container that starts has a control group of its own."""
        if not self.running(node):
            self._groups.pop(node, None)
        await super().start(node, **changes)

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

    async def limit(self, node: str, limits: Limits) -> None:
        """See `ResourceFaults`."""
        self._limits[node] = limits
        self._limit(node)
        self._fault("limit", node)

    def _apply_limits(self, node: str, life: Life, limits: Limits) -> None:
        super()._apply_limits(node, life, limits)
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
            "limits",
            "link-faults",
        }

    @property
    def _network(self) -> HostNetwork:
        if self._docker.network is None:
            raise WorldFailed("the network is not up")
        return self._docker.network
