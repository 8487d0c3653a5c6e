"""The local world: a cluster of real processes on loopback, with real files, without root.

What it does to nodes is said in `cluster.worlds.real`; here stands where they live. Nothing outlives the world:
processes die with the harness, ports and lists are given back, and a run folder is all that remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cluster.node.config import NodeConfig
from cluster.worlds.local.site import LocalSite
from cluster.worlds.real.nearby import NearbyOptions, NearbyWorld, Surroundings

__all__ = ["LocalOptions", "LocalWorld"]


class LocalOptions(NearbyOptions, frozen=True, kw_only=True):
    """What the surroundings of local processes are like."""


class LocalWorld(NearbyWorld):
    """See `NearbyWorld`."""

    name = "local"

    def __init__(
        self, nodes: Sequence[str], *, directory: Path, config: NodeConfig, options: LocalOptions
    ) -> None:
        surroundings = Surroundings(options)
        super().__init__(
            nodes,
            directory=directory,
            config=config,
            options=options,
            site=LocalSite(surroundings),
            surroundings=surroundings,
        )
