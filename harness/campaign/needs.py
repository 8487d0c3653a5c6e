"""Whether a scenario can be run at all: options that exist, and a world that can do what its faults need.

Refused before anything starts, never weakened in silence.
"""

from __future__ import annotations

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
    "docker": _PROCESSES | {"clock-rate", "cut-clients", "link-faults"},
}
"""World -> what it can do, known without starting it; each world states the same of itself once it is up."""


class WorldCannot(UserMistake):
    """The scenario needs something that its world does not offer."""


def check_needs(scenario: Scenario) -> None:
    """Raise UserMistake when `scenario` cannot be planned, or asks its world for what it cannot do."""
    plan = make_plan(scenario, Tape(scenario.seed))
    missing = sorted(plan.needs - CAPABILITIES[scenario.world])
    if missing:
        able = sorted(world for world, words in CAPABILITIES.items() if plan.needs <= words)
        raise WorldCannot(
            f"the world {scenario.world!r} cannot do {', '.join(missing)}, which the nemeses need; "
            f"worlds that can: {', '.join(able) or 'none'}"
        )
