"""The local world: a cluster of real processes on loopback, with real files, without root.

What it does to nodes is said in `cluster.worlds.real.world`; here stands where they live. Nothing outlives the world:
processes die with the harness, ports and lists are given back, and a run folder is all that remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cluster.node.config import NodeConfig
from cluster.worlds.local.site import LocalSite
from cluster.worlds.real.world import RealOptions, RealWorld

__all__ = ["LocalOptions", "LocalWorld"]


class LocalOptions(RealOptions, frozen=True, kw_only=True):
    """What the surroundings of local processes are like."""


class LocalWorld(RealWorld):
    """See `RealWorld`."""

    name = "local"

    def __init__(
        self, nodes: Sequence[str], *, directory: Path, config: NodeConfig, options: LocalOptions
    ) -> None:
        super().__init__(
            nodes, directory=directory, config=config, options=options, site=LocalSite()
        )
