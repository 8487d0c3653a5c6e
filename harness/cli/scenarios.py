"""From what the user asked for to checked scenarios, one for each world.

Names are checked here, before anything starts: workload, worlds, nemeses, bug, and whether a world can do what the nemeses
need. What the user did not say is what the world usually does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from harness.cli.words import unknown_word
from harness.errors import UserMistake

if TYPE_CHECKING:
    from harness.cli.options import Request
    from harness.scenario import Known, Scenario

__all__ = ["known", "scenarios_from"]

USUAL: Final[dict[str, dict[str, Any]]] = {
    "sim": {"nodes": 5, "concurrency": 5, "rate": 20.0, "time_limit_s": 6.0},
    "local": {"nodes": 3, "concurrency": 5, "rate": 20.0, "time_limit_s": 12.0},
}
"""World -> the size of a run there, when nobody says otherwise."""


def known() -> Known:
    """Return every name that a scenario may use."""
    from cluster.bugs.catalogue import CATALOGUE
    from harness.scenario import Known
    from nemesis.catalogue import NEMESES, OPERATIONS
    from workloads.catalogue import WORKLOADS

    return Known(
        workloads=frozenset(WORKLOADS),
        worlds=frozenset(USUAL),
        nemeses=frozenset({*NEMESES, "none"}),
        bugs=frozenset(CATALOGUE),
        compats=frozenset({"original"}),
        faults=OPERATIONS,
    )


def scenarios_from(
    request: Request, *, workload: str | None, worlds: Sequence[str]
) -> list[Scenario]:
    """Return one scenario per world; `workload` and `worlds` hold where the request names none.

    Raises UserMistake (ScenarioError) for what cannot be run.
    """
    from harness.scenario import Scenario, load_scenario

    names = known()
    for kind, given, allowed in (
        ("world", request.worlds, names.worlds),
        ("workload", (request.workload,) if request.workload else (), names.workloads),
        ("nemesis", request.nemeses or (), names.nemeses),
        ("bug", (request.bug,) if request.bug else (), names.bugs),
    ):
        for word in given:
            if word not in allowed:
                raise unknown_word(kind, word, allowed)
    if request.scenario is not None:
        written = load_scenario(_text(request.scenario), names)
        return [
            _checked(_changed(written, request, world), names)
            for world in request.worlds or (written.world,)
        ]
    name = request.workload or workload
    if name is None:
        raise UserMistake("which workload? name one, or give a --scenario")
    return [
        _checked(_changed(Scenario(workload=name, **USUAL[world]), request, world), names)
        for world in request.worlds or worlds
    ]


def _changed(scenario: Scenario, request: Request, world: str) -> Scenario:
    """Return `scenario` with what the command line says in `request`."""
    nodes = request.nodes or scenario.nodes
    concurrency = request.concurrency or scenario.concurrency
    if request.concurrency_per_node:
        concurrency *= nodes
    said = {
        "time_limit_s": request.time_limit_s,
        "rate": request.rate_hz,
        "seed": request.seed,
        "bug": request.bug,
        "compat": request.compat,
        "nemesis": None if request.nemeses is None else list(request.nemeses),
    }
    changed: Scenario = msgspec.structs.replace(
        scenario,
        world=world,
        nodes=nodes,
        concurrency=concurrency,
        options={**scenario.options, **request.options},
        **{key: value for key, value in said.items() if value is not None},
    )
    return changed


def _checked(scenario: Scenario, names: Known) -> Scenario:
    from harness.campaign.needs import check_needs
    from harness.scenario import check_names

    check_names(scenario, names)
    check_needs(scenario)
    return scenario


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserMistake(f"cannot read {path}: {error}") from None
