"""``reprise run``: one workload, or the main job; judged, kept, told."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import click

from harness.cli.exits import exit_for
from harness.cli.options import Request, output_options, request_from, scenario_options
from harness.cli.words import LIST
from harness.cli.workload_list import WorkloadCommand

__all__ = ["command"]

SEEDS = 100
MAIN_JOB = "registry"


@click.command(name="run", cls=WorkloadCommand)
@click.argument("workload", required=False)
@click.option(
    "--world", "worlds", type=LIST, metavar="LIST", default=(), help="Where: sim, local, docker."
)
@scenario_options
@output_options
def command(**values: Any) -> int:
    """Run WORKLOAD and judge it; without one, the main job: crash-replay on sim, then on real processes.

    In simulation 100 seeds are run, up to the first that is not valid; --seed runs exactly one.
    """
    return _run(request_from(values))


def _run(request: Request) -> int:
    from harness.campaign.places import PLACES, prepare
    from harness.campaign.runs import run_real, run_seed, run_seeds
    from harness.checkers.checker import merge_valid
    from harness.cli.progress import progress
    from harness.cli.scenarios import scenarios_from
    from harness.cli.telling import finish, tell_json
    from harness.store import Store

    main_job = request.workload is None
    worlds = ("sim", "local") if main_job else ("sim",)
    scenarios = scenarios_from(request, workload=MAIN_JOB, worlds=worlds)
    for scenario in scenarios:
        if scenario.world in PLACES:
            prepare(scenario.world, lambda line: click.echo(f"reprise: {line}", err=True))
    store = Store(request.store)
    start_time = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3] + "Z"
    told = []
    for scenario in scenarios:
        single = request.seed is not None
        if scenario.world in PLACES:
            nodes = f"{scenario.nodes} {PLACES[scenario.world].nodes_are}"
            what = f"{scenario.workload} on {nodes}"
            with progress(what, 1, quiet=request.quiet) as bar:
                bar.at(0, f"{scenario.time_limit_s:g} s of load")
                summary = run_real(scenario, store, start_time)
                bar.at(1, "judged")
        elif single:
            summary = run_seed(scenario, store, start_time)
        else:
            what = f"{scenario.workload} on {scenario.nodes} simulated nodes"
            with progress(what, SEEDS, quiet=request.quiet) as bar:
                summary = run_seeds(
                    scenario,
                    store,
                    start_time,
                    seeds=SEEDS,
                    jobs=os.cpu_count() or 1,
                    progress=lambda done, failed: bar.at(
                        done, f"{failed} not valid" if failed else ""
                    ),
                )
        told.append(summary)
        finish(summary, quiet=request.json and request.quiet)
    valid = merge_valid([summary["valid"] for summary in told])
    if request.json:
        tell_json(told[0] if len(told) == 1 else {"valid": valid, "runs": told})
    return exit_for(valid)
