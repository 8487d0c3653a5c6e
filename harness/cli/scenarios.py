"""From a request to the scenarios of a command, one for each world, checked against what the worlds can do.

What the user did not say is what the world usually does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from harness.errors import UserMistake

if TYPE_CHECKING:
    from harness.cli.options import Request
    from harness.scenario import Scenario

__all__ = ["scenarios_from"]

USUAL: Final[dict[str, dict[str, Any]]] = {
    "sim": {"nodes": 5, "concurrency": 5, "rate": 20.0, "time_limit_s": 6.0},
    "local": {"nodes": 3, "concurrency": 5, "rate": 20.0, "time_limit_s": 12.0},
    "docker": {"nodes": 5, "concurrency": 5, "rate": 20.0, "time_limit_s": 12.0},
    "ssh": {"nodes": 3, "concurrency": 5, "rate": 20.0, "time_limit_s": 12.0},
}
"""World -> the size of a run there, when nobody says otherwise."""

_REPLAYS: Final[dict[str, Any]] = {
    "options": {"durability": "data"},
    "stimuli": {"replayed_registrations": 1, "crash_points_hit": 1},
}

MAIN_JOB: Final[dict[str, dict[str, Any]]] = {
    "sim": {},
    "local": _REPLAYS,
    "docker": _REPLAYS,
    "ssh": _REPLAYS,
}
"""World -> what the main job adds: a single run must itself replay something, many seeds do so together."""


def scenarios_from(
    request: Request, *, workload: str | None, worlds: Sequence[str]
) -> list[Scenario]:
    """Return one scenario per world. `workload` and `worlds` hold where the request names none.

    Raises UserMistake when there is no workload, a value is out of bounds, or a world cannot do what the nemeses need.
    """
    from harness.campaign.needs import check_needs
    from harness.scenario import check_values, parse_concurrency

    name = request.workload or workload
    if name is None:
        raise UserMistake("which workload? name one, or give a --scenario")
    scenarios = []
    for world in request.worlds or worlds:
        scenario = request.scenario(name, world, request.seed or 0)
        if request.file is None:
            usual = USUAL[world] if request.workload else {**USUAL[world], **MAIN_JOB[world]}
            if world == "ssh" and request.reach.hosts:
                usual = {**usual, "nodes": len(request.reach.hosts)}
            unsaid = {key: value for key, value in usual.items() if key not in request.changes}
            scenario = msgspec.structs.replace(scenario, **unsaid)
        if request.concurrency is not None:
            clients = parse_concurrency(request.concurrency, scenario.nodes)
            scenario = msgspec.structs.replace(scenario, concurrency=clients)
        check_values(scenario)
        check_needs(scenario)
        scenarios.append(scenario)
    return scenarios
