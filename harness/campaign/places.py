"""Worlds of real processes: what each asks of this machine, and how one is made for a plan. One row for each.

What a machine lacks is found before a run begins, and is its user's to mend; `doctor` tells the same beforehand.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cluster.worlds.docker.daemon import connect, require_host
from cluster.worlds.docker.image import node_image
from cluster.worlds.docker.world import DockerOptions, DockerWorld
from cluster.worlds.errors import WorldFailed, WorldMissing
from cluster.worlds.local.world import LocalOptions, LocalWorld
from cluster.worlds.real.world import RealWorld
from harness.campaign.plan import Plan
from harness.errors import RunFailed, UserMistake

__all__ = ["PLACES", "Say", "make_world", "prepare", "prepared_image"]

Say = Callable[[str], None]
"""Told what is being done when it takes long."""


class _Place(msgspec.Struct, frozen=True):
    nodes_are: str
    """What a node is there, in the plural."""
    prepare: Callable[[Say], object]
    make: Callable[[Plan, Path, dict[str, Any]], RealWorld]


def prepare(world: str, say: Say) -> None:
    """See that `world` can run here, building what it needs. Raises UserMistake with the remedy, and RunFailed."""
    try:
        PLACES[world].prepare(say)
    except WorldMissing as missing:
        remedy = f"; try: {missing.remedy}" if missing.remedy else ""
        raise UserMistake(f"the world {world} cannot run here: {missing}{remedy}") from None
    except WorldFailed as failure:
        raise RunFailed(str(failure)) from failure


def make_world(plan: Plan, directory: Path) -> RealWorld:
    """Return a world for `plan` whose files lie in `directory`; nothing is started. Raises WorldFailed."""
    scenario = plan.scenario
    bug = ("cluster.bugs.catalogue", "parts_with", scenario.bug)
    surroundings: dict[str, Any] = {
        "power_disk": scenario.options.get("disk") == "mounted",
        "wall_clocks": "realtime" in plan.needs,
    }
    if scenario.bug:
        surroundings["parts"] = bug
    return PLACES[scenario.world].make(plan, directory, surroundings)


def prepared_image(say: Say) -> str:
    """Return the tag of the node image, built when it is missing or stale. Raises WorldMissing and WorldFailed."""
    require_host()
    client = connect()
    try:
        return node_image(client, os.environ.get("REPRISE_BASE_IMAGE", ""), say)
    finally:
        client.close()


def _local(plan: Plan, directory: Path, surroundings: dict[str, Any]) -> RealWorld:
    options = LocalOptions(**surroundings)
    return LocalWorld(plan.test.nodes, directory=directory, config=plan.node, options=options)


def _docker(plan: Plan, directory: Path, surroundings: dict[str, Any]) -> RealWorld:
    options = DockerOptions(
        image=prepared_image(_nobody),
        seed=plan.scenario.seed,
        **surroundings,
    )
    return DockerWorld(plan.test.nodes, directory=directory, config=plan.node, options=options)


def _nobody(_line: str) -> None:
    """Long work was told of, and done, by `prepare`."""


PLACES: dict[str, _Place] = {
    "local": _Place("real processes", prepare=lambda _say: None, make=_local),
    "docker": _Place("containers", prepare=prepared_image, make=_docker),
}
