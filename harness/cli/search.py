"""``reprise search``: many seeds of one scenario, in simulation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from harness.cli.exits import exit_for
from harness.cli.options import Request, output_options, request_from, scenario_options
from harness.cli.starting import start_time_now
from harness.cli.words import DURATION
from harness.cli.workload_list import WorkloadCommand
from harness.errors import UserMistake

__all__ = ["command"]

USUAL_SEEDS = 1000


@click.command(name="search", cls=WorkloadCommand)
@click.argument("workload", required=False)
@click.option("--seeds", type=click.IntRange(1), metavar="N", help="How many seeds to try.")
@click.option("--budget", "budget_s", type=DURATION, help="How long to search (10m).")
@click.option("--keep-going", is_flag=True, help="Do not stop at the first seed that is not valid.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=os.cpu_count() or 1,
    metavar="N",
    help="Processes; as many as there are cores.",
)
@click.option(
    "--steer",
    "steered",
    is_flag=True,
    help="Try again and vary what led to what few runs have reached; usually every run is fresh.",
)
@click.option(
    "--wide",
    is_flag=True,
    help="Draw number of nodes, timeouts, load and storms of faults too, where you say nothing.",
)
@click.option(
    "--self-check",
    "self_check_percent",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    metavar="PERCENT",
    help="So many of the runs are made twice, and must be the same.",
)
@click.option(
    "--like",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Look for the failure of this run: what happened in it happens in the same order under every seed.",
)
@scenario_options
@output_options
def command(
    *,
    seeds: int | None,
    budget_s: float | None,
    jobs: int,
    keep_going: bool,
    steered: bool,
    wide: bool,
    self_check_percent: float,
    like: Path | None,
    **values: Any,
) -> int:
    """Try seeds of WORKLOAD in simulation until one fails or the budget is used up.

    Failures are grouped by cause, and the first run of each is kept.
    """
    from harness.campaign.runs import run_seeds
    from harness.campaign.search import Manner
    from harness.cli.progress import progress
    from harness.cli.scenarios import scenarios_from
    from harness.cli.telling import finish, tell_json
    from harness.store import Store

    if seeds is not None and budget_s is not None:
        raise UserMistake("--seeds and --budget were given; one of them ends the search")
    request = request_from({"worlds": (), **values})
    if like is not None:
        if steered or wide or keep_going:
            raise UserMistake(
                "--like tries one order of things under every seed; no --steer, --wide or --keep-going beside it"
            )
        return _search_like(like, request, seeds=seeds, budget_s=budget_s)
    if wide and request.file is not None:
        raise UserMistake("--wide draws what nobody said, and a --scenario file says everything")
    if request.worlds not in ((), ("sim",)):
        raise UserMistake("a search runs in simulation; to run one scenario elsewhere, use run")
    [scenario] = scenarios_from(request, workload=None, worlds=("sim",))
    if seeds is None and budget_s is None:
        seeds = USUAL_SEEDS
    manner = Manner(
        steered=steered,
        wide=wide,
        said=_said(request),
        self_check=self_check_percent / 100,
    )
    start_time = start_time_now()
    with progress(f"searching {scenario.workload}", seeds or 0, quiet=request.quiet) as bar:
        summary = run_seeds(
            scenario,
            Store(request.store),
            start_time,
            seeds=seeds,
            budget_s=budget_s,
            jobs=jobs,
            stop_at_first=not keep_going,
            manner=manner,
            progress=lambda done, failed: bar.at(done, f"{failed} not valid" if failed else ""),
        )
    finish(summary, quiet=request.json and request.quiet)
    if request.json:
        tell_json(summary)
    return exit_for(summary["valid"], interrupted=summary["interrupted"])


def _search_like(run: Path, request: Request, *, seeds: int | None, budget_s: float | None) -> int:
    """Look for the failure of `run`, whichever world it is from; 0 when it was found, else 2."""
    from harness.campaign.carry_out import look_for_like, written_down
    from harness.cli.exits import Exit
    from harness.cli.options import known
    from harness.cli.progress import progress
    from harness.cli.telling import finish, tell_carried, tell_json
    from harness.store import Store, open_run

    if request.workload is not None or request.changes:
        raise UserMistake(
            "--like takes everything from its run; no workload, scenario or option of one beside it"
        )
    failure = written_down(open_run(run), known(), "sim")
    start_time = start_time_now()
    if seeds is None and budget_s is None:
        seeds = USUAL_SEEDS
    with progress("searching for the like", seeds or 0, quiet=request.quiet) as bar:
        summary = look_for_like(
            failure,
            Store(request.store),
            start_time,
            seeds=seeds,
            budget_s=budget_s,
            progress=lambda tried: bar.at(tried, ""),
        )
    finish(summary, quiet=True)
    if not (request.json and request.quiet):
        tell_carried(summary)
    if request.json:
        tell_json(summary)
    return Exit.VALID if summary["again"] else Exit.UNKNOWN


def _said(request: Request) -> frozenset[str]:
    """The fields of a scenario that the user chose."""
    counted = {"concurrency"} if request.concurrency is not None else set()
    return frozenset(request.changes.keys() | counted)
