"""``reprise run``: one workload, or the main job, in one world or several; judged, kept, told, compared."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from harness.cli.exits import Exit, exit_for
from harness.cli.options import (
    Request,
    host_options,
    output_options,
    request_from,
    scenario_options,
)
from harness.cli.starting import start_time_now
from harness.cli.words import LIST
from harness.cli.workload_list import WorkloadCommand
from harness.errors import UserMistake

if TYPE_CHECKING:
    from harness.scenario import Scenario
    from harness.store import Store

__all__ = ["command"]

SEEDS = 100
MAIN_JOB = "registry"


@click.command(name="run", cls=WorkloadCommand)
@click.argument("workload", required=False)
@click.option(
    "--world",
    "worlds",
    type=LIST,
    metavar="LIST",
    default=(),
    help="Where: names with commas between; one after the other, and compared at the end.",
)
@scenario_options
@host_options
@output_options
def command(**values: Any) -> int:
    """Run WORKLOAD and judge it; without one, the main job: crash-replay on sim, then on real processes.

    In simulation 100 seeds are run, up to the first that is not valid; --seed runs exactly one.
    """
    request = request_from(values)
    source = click.get_current_context().get_parameter_source("hosts")
    said = request.worlds or ("sim",)
    if source is ParameterSource.COMMANDLINE and "ssh" not in said:
        raise UserMistake("--hosts names hosts of the world ssh; say --world ssh too")
    return _run(request)


def _run(request: Request) -> int:
    from harness.campaign.places import PLACES, prepare
    from harness.checkers.checker import merge_valid
    from harness.cli.comparing import compare, tell_comparison
    from harness.cli.scenarios import scenarios_from
    from harness.cli.telling import finish, tell_json
    from harness.errors import RunFailed
    from harness.store import Store

    main_job = request.workload is None
    worlds = ("sim", "local") if main_job else ("sim",)
    scenarios = scenarios_from(request, workload=MAIN_JOB, worlds=worlds)
    for scenario in scenarios:
        if scenario.world in PLACES:
            prepare(scenario, lambda line: click.echo(f"reprise: {line}", err=True), request.reach)
    store = Store(request.store)
    start_time = start_time_now()
    told: list[dict[str, Any]] = []
    for scenario in scenarios:
        try:
            summary = _in_one_world(scenario, request, store, start_time)
        except RunFailed as failure:
            if len(scenarios) == 1:
                raise
            click.echo(f"reprise: {scenario.world}: {failure}", err=True)
            told.append({"world": scenario.world, "valid": "unknown", "failed": str(failure)})
            continue
        told.append(summary)
        finish(summary, quiet=request.json and request.quiet)
        if summary.get("interrupted"):
            break
    valid = merge_valid([summary["valid"] for summary in told])
    together = told[0]
    if len(scenarios) > 1:
        rows = compare(told)
        if not (request.json and request.quiet):
            tell_comparison(rows)
        together = {"valid": valid, "runs": told, "comparison": rows}
    if request.json:
        tell_json(together)
    if any("failed" in summary for summary in told):
        return Exit.INTERNAL
    return exit_for(valid, interrupted=any(summary.get("interrupted") for summary in told))


def _in_one_world(
    scenario: Scenario, request: Request, store: Store, start_time: str
) -> dict[str, Any]:
    """Run `scenario` and return its summary: one run, or in simulation many seeds where none was named."""
    from harness.campaign.places import PLACES
    from harness.campaign.runs import run_real, run_seed, run_seeds
    from harness.cli.progress import progress

    if scenario.world in PLACES:
        nodes = f"{scenario.nodes} {PLACES[scenario.world].nodes_are}"
        with progress(f"{scenario.workload} on {nodes}", 1, quiet=request.quiet) as bar:
            bar.at(0, f"{scenario.time_limit_s:g} s of load")
            summary = run_real(scenario, store, start_time, request.reach)
            bar.at(1, "judged")
            return summary
    if request.seed is not None:
        return run_seed(scenario, store, start_time)
    what = f"{scenario.workload} on {scenario.nodes} simulated nodes"
    with progress(what, SEEDS, quiet=request.quiet) as bar:
        return run_seeds(
            scenario,
            store,
            start_time,
            seeds=SEEDS,
            jobs=os.cpu_count() or 1,
            progress=lambda done, failed: bar.at(done, f"{failed} not valid" if failed else ""),
        )
