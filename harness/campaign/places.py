"""Worlds of real processes: what each asks of this machine, and how one is made for a plan. One row for each.

What a machine lacks is found before a run begins, and is its user's to mend; `doctor` tells the same beforehand.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from cluster.worlds.docker.daemon import connect, require_host
from cluster.worlds.docker.image import node_image
from cluster.worlds.docker.world import DockerOptions, DockerWorld
from cluster.worlds.errors import WorldFailed, WorldMissing
from cluster.worlds.local.world import LocalOptions, LocalWorld
from cluster.worlds.real.world import RealWorld
from cluster.worlds.ssh.crew import examine, why_not_links
from cluster.worlds.ssh.places import Reach
from cluster.worlds.ssh.world import SshOptions, SshWorld
from cluster.worlds.tape import Tape
from harness.campaign.mending import mend
from harness.campaign.plan import Plan, make_plan
from harness.errors import RunFailed, UserMistake
from harness.scenario import Scenario

__all__ = ["PLACES", "PORT_MAX", "Say", "make_world", "prepare", "prepared_image", "reach_of"]

PORT_MAX = 65535

Say = Callable[[str], None]
"""Told what is being done when it takes long."""


class _Place(msgspec.Struct, frozen=True):
    nodes_are: str
    """What a node is there, in the plural."""
    prepare: Callable[[Scenario, Reach, Say], object]
    make: Callable[[Plan, Path, Reach, dict[str, Any]], RealWorld]
    makes_containers: bool = False


def reach_of(environment: Mapping[str, str]) -> Reach:
    """Return how hosts are reached where no option says it: REPRISE_HOSTS, REPRISE_SSH_KEY, REPRISE_KNOWN_HOSTS, REPRISE_NODE_PORT.

    Raises UserMistake.
    """
    port = environment.get("REPRISE_NODE_PORT", "0")
    if not port.isdecimal() or int(port) > PORT_MAX:
        raise UserMistake(f"REPRISE_NODE_PORT: {port!r} is no port")
    return Reach(
        hosts=tuple(filter(None, environment.get("REPRISE_HOSTS", "").split(","))),
        key=environment.get("REPRISE_SSH_KEY", ""),
        known_hosts=environment.get("REPRISE_KNOWN_HOSTS", ""),
        node_port=int(port),
    )


def prepare(scenario: Scenario, say: Say, reach: Reach | None = None) -> None:
    """See that the world of `scenario` can run: undo what killed runs left here, build what it needs, and say both.

    Raises UserMistake with the remedy, and RunFailed.
    `reach` says how hosts are reached, None: as the environment says.
    """
    world = scenario.world
    place = PLACES[world]
    try:
        place.prepare(scenario, reach or reach_of(os.environ), say)
        for line in mend(containers=place.makes_containers):
            say(line)
    except WorldMissing as missing:
        remedy = f"; try: {missing.remedy}" if missing.remedy else ""
        raise UserMistake(f"the world {world} cannot run here: {missing}{remedy}") from None
    except WorldFailed as failure:
        raise RunFailed(str(failure)) from failure


def make_world(plan: Plan, directory: Path, reach: Reach | None = None) -> RealWorld:
    """Return a world for `plan` whose files lie in `directory`; nothing is started. Raises WorldFailed. `reach`: see `prepare`."""
    scenario = plan.scenario
    bug = ("cluster.bugs.catalogue", "parts_with", scenario.bug)
    surroundings: dict[str, Any] = {
        "power_disk": scenario.options.get("disk") == "mounted",
        "wall_clocks": "realtime" in plan.needs,
    }
    if scenario.bug:
        surroundings["parts"] = bug
    reach = reach or reach_of(os.environ)
    return PLACES[scenario.world].make(plan, directory, reach, surroundings)


def prepared_image(say: Say) -> str:
    """Return the tag of the node image, built when it is missing or stale. Raises WorldMissing and WorldFailed."""
    require_host()
    client = connect()
    try:
        return node_image(client, os.environ.get("REPRISE_BASE_IMAGE", ""), say)
    finally:
        client.close()


def _local(plan: Plan, directory: Path, _reach: Reach, surroundings: dict[str, Any]) -> RealWorld:
    options = LocalOptions(**surroundings)
    return LocalWorld(plan.test.nodes, directory=directory, config=plan.node, options=options)


def _docker(plan: Plan, directory: Path, _reach: Reach, surroundings: dict[str, Any]) -> RealWorld:
    options = DockerOptions(
        image=prepared_image(_nobody),
        seed=plan.scenario.seed,
        **surroundings,
    )
    return DockerWorld(plan.test.nodes, directory=directory, config=plan.node, options=options)


def _ssh(plan: Plan, directory: Path, reach: Reach, surroundings: dict[str, Any]) -> RealWorld:
    options = SshOptions(reach=reach, seed=plan.scenario.seed, **surroundings)
    return SshWorld(plan.test.nodes, directory=directory, config=plan.node, options=options)


_OF_LINKS = {
    "cut-clients": ("cut", "clients cannot be cut off"),
    "link-faults": ("link-faults", "links cannot be made bad"),
}
"""What a scenario may need of links -> what hosts call it, and what cannot be done where they lack it."""


def _prepare_hosts(scenario: Scenario, reach: Reach, say: Say) -> None:
    """Reach every host, bring it the program, and see that it can do what this scenario needs."""
    plan = make_plan(scenario, Tape(scenario.seed))
    nodes = plan.test.nodes
    if not reach.hosts:
        raise UserMistake("the world ssh needs hosts: --hosts user@host:port,... or REPRISE_HOSTS")
    if len(reach.hosts) < len(nodes):
        raise UserMistake(
            f"{len(nodes)} nodes need as many hosts, and --hosts names {len(reach.hosts)}; try: --nodes"
        )
    say(f"reaching {len(nodes)} hosts")
    found = dict(zip(nodes, examine(reach, len(nodes)), strict=True))
    for need, (word, cannot) in _OF_LINKS.items():
        why_not, remedy = why_not_links(found, word)
        if need in plan.needs and why_not:
            raise WorldMissing(f"{cannot}: {why_not}", remedy)
    wanted = {"limits", "realtime"} & plan.needs
    if scenario.options.get("disk") == "mounted":
        wanted |= {"disk"}
    for node, host in found.items():
        for word in sorted(wanted & set(host.missing)):
            reason, remedy = host.missing[word]
            raise WorldMissing(f"on the host of {node}, {reason}", remedy)


def _nobody(_line: str) -> None:
    """Long work was told of, and done, by `prepare`."""


PLACES: dict[str, _Place] = {
    "local": _Place("real processes", prepare=lambda *_given: None, make=_local),
    "docker": _Place(
        "containers",
        prepare=lambda _scenario, _reach, say: prepared_image(say),
        make=_docker,
        makes_containers=True,
    ),
    "ssh": _Place("hosts", prepare=_prepare_hosts, make=_ssh),
}
