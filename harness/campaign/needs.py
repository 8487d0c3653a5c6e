"""Whether a scenario can be run at all: options that exist, and a world that can do what its faults need.

Refused before anything starts, never weakened in silence.
"""

from __future__ import annotations

from cluster.worlds.errors import WorldMissing
from cluster.worlds.host.power_disk.power_disk import require_fuse
from cluster.worlds.tape import Tape
from harness.campaign.plan import make_plan
from harness.errors import UserMistake
from harness.scenario import Scenario

__all__ = ["CAPABILITIES", "WorldCannot", "check_needs"]

_PROCESSES = frozenset(
    {"kill", "power", "pause", "cut", "crash-points", "inspect", "disk-dump", "membership"}
)

CAPABILITIES: dict[str, frozenset[str]] = {
    "sim": _PROCESSES
    | {"link-faults", "clock-rate", "disk-faults", "cut-clients", "file-faults", "realtime"},
    "local": _PROCESSES | {"clock-rate", "file-faults", "limit-files", "realtime"},
    "docker": _PROCESSES
    | {
        "clock-rate",
        "cut-clients",
        "file-faults",
        "limit-files",
        "limits",
        "link-faults",
        "realtime",
    },
    "ssh": _PROCESSES | {"clock-rate", "cut-clients", "file-faults", "limit-files", "realtime"},
}
"""World -> what it can do, known without starting it; each world states the same of itself once it is up.

What hosts lack of it is found when they are reached (`harness.campaign.places`).
"""

_MOUNTED = ("sim", "local", "docker", "ssh")


class WorldCannot(UserMistake):
    """The scenario needs something that its world does not offer."""


def check_needs(scenario: Scenario) -> None:
    """Raise UserMistake when `scenario` cannot be planned, or asks its world for what it cannot do."""
    plan = make_plan(scenario, Tape(scenario.seed))
    offered = CAPABILITIES[scenario.world]
    if scenario.options.get("disk") == "mounted":
        _check_mounted(scenario.world)
        offered |= {"disk-faults"}
    missing = sorted(plan.needs - offered)
    if missing:
        able = sorted(world for world, words in CAPABILITIES.items() if plan.needs <= words)
        raise WorldCannot(
            f"the world {scenario.world!r} cannot do {', '.join(missing)}, which the nemeses need; "
            f"worlds that can: {', '.join(able) or 'none'}"
        )


def _check_mounted(world: str) -> None:
    """Raise UserMistake where there are no mounted disks. A simulated disk does all that they do, and needs nothing; what other hosts lack is found there."""
    if world not in _MOUNTED:
        raise WorldCannot(
            f"option disk: the world {world!r} has no mounted disks; worlds that have: {', '.join(_MOUNTED)}"
        )
    if world in ("local", "docker"):
        try:
            require_fuse()
        except WorldMissing as missing:
            raise UserMistake(f"option disk: {missing}; try: {missing.remedy}") from None
