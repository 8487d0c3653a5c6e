"""Whether a scenario can be run at all: options that exist, and a world that can do what its faults need.

Refused before anything starts, never weakened in silence.
"""

from __future__ import annotations

import msgspec

from cluster.worlds.errors import WorldMissing
from cluster.worlds.host.power_disk.power_disk import require_mount
from cluster.worlds.tape import Tape
from harness.campaign.capabilities import CAPABILITIES, offered
from harness.campaign.plan import make_plan
from harness.errors import UserMistake
from harness.scenario import Scenario

__all__ = ["WorldCannot", "check_needs"]

_MOUNTED = ("sim", "local", "docker", "ssh")


class WorldCannot(UserMistake):
    """The scenario needs something that its world does not offer."""


def check_needs(scenario: Scenario) -> None:
    """Raise UserMistake when `scenario` cannot be planned, or asks its world for what it cannot do."""
    plan = make_plan(scenario, Tape(scenario.seed))
    if scenario.options.get("disk") == "mounted":
        _check_mounted(scenario.world)
    missing = sorted(plan.needs - offered(scenario))
    if missing:
        able = sorted(world for world, words in CAPABILITIES.items() if plan.needs <= words)
        raise WorldCannot(
            f"the world {scenario.world!r} cannot do {', '.join(missing)}, which the nemeses need; "
            f"worlds that can: {', '.join(able) or 'none'}{_with_mounted_disks(scenario, plan.needs)}"
        )


def _with_mounted_disks(scenario: Scenario, needs: frozenset[str]) -> str:
    """What to add where the world of `scenario` could do what is needed if its disks were mounted."""
    options = {**scenario.options, "disk": "mounted"}
    mounted = msgspec.structs.replace(scenario, options=options)
    able = scenario.world in _MOUNTED and needs <= offered(mounted)
    return "; this one too with -o disk=mounted" if able else ""


def _check_mounted(world: str) -> None:
    """Raise UserMistake where there are no mounted disks. A simulated disk does all that they do, and needs nothing; what other hosts lack is found there."""
    if world not in _MOUNTED:
        raise WorldCannot(
            f"option disk: the world {world!r} has no mounted disks; worlds that have: {', '.join(_MOUNTED)}"
        )
    if world in ("local", "docker"):
        try:
            require_mount()
        except WorldMissing as missing:
            raise UserMistake(f"option disk: {missing}; try: {missing.remedy}") from None
