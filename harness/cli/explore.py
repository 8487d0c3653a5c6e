"""``reprise explore``: everything up to a bound, where ``search`` draws.

``images`` boots every disk that a power loss could leave behind one run; ``crashes`` tries every schedule in which two nodes
crash. Both end with a statement of what was covered.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from harness.cli.exits import exit_for
from harness.cli.options import (
    Request,
    check_store,
    output_options,
    request_from,
    scenario_options,
    store_option,
)
from harness.cli.starting import start_time_now
from harness.cli.telling import VERDICT_WORDS, tell_json
from harness.cli.workload_list import WorkloadCommand
from harness.errors import UserMistake

if TYPE_CHECKING:
    from harness.campaign.exhaustive import Schedules
    from harness.campaign.images import Covered
    from harness.scenario import Scenario

__all__ = ["command"]

USUAL_WORKLOAD: Final = "registry"
USUAL_IMAGES: Final = 4096
USUAL_PASSES: Final = 4
USUAL_STEPS: Final = 10
PASSES_MAX: Final = 20
IMAGES_MAX: Final = 65_536
_SHOWN: Final = 3


@click.group(name="explore")
def command() -> None:
    """Try everything up to a bound: disks that a crash may leave, or schedules of two crashes."""


@command.command(name="images", cls=WorkloadCommand)
@click.argument("workload", required=False)
@click.option(
    "--images",
    "bound",
    type=click.IntRange(1, IMAGES_MAX),
    default=USUAL_IMAGES,
    show_default=True,
    metavar="N",
    help="Combinations of un-synced sectors and entries tried at each pass of a crash point.",
)
@click.option(
    "--passes",
    type=click.IntRange(1, PASSES_MAX),
    default=USUAL_PASSES,
    show_default=True,
    metavar="N",
    help="Passes of each crash point on each node: the 1st, 2nd, 4th, 8th ...",
)
@scenario_options
@output_options
def images(*, bound: int, passes: int, **values: Any) -> int:
    """Run one seed of WORKLOAD (registry), and boot a node on every disk that a power loss at a crash point could leave."""
    from harness.campaign.images import explore_images
    from harness.cli.progress import progress

    request, scenario = _one_scenario(values)
    with progress("waking nodes", 0, quiet=request.quiet) as bar:
        covered = explore_images(
            scenario,
            bound=bound,
            passes=passes,
            progress=lambda done, of, wrong: bar.at(
                done, f"of {of} photographs" + (f", {wrong} findings" if wrong else "")
            ),
        )
    if not (request.json and request.quiet):
        click.echo(_images_told(covered, scenario, bound))
    if request.json:
        about = {"workload": scenario.workload, "seed": scenario.seed, "bug": scenario.bug}
        tell_json(
            {
                "valid": covered.valid,
                **about,
                "bound": bound,
                **msgspec.to_builtins(covered),
                "missed": covered.missed,
            }
        )
    return exit_for(covered.valid)


@command.command(name="crashes", cls=WorkloadCommand)
@click.argument("workload", required=False)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=USUAL_STEPS,
    show_default=True,
    metavar="N",
    help="How many crash points of each node, in the order in which a run without crashes comes to them.",
)
@click.option(
    "--occurrences",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="How many passes of one crash point count.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, metavar="N")
@click.option("--bug", metavar="ID", help="Seed this bug of the catalogue.")
@store_option
@output_options
def crashes(
    *,
    workload: str | None,
    steps: int,
    occurrences: int,
    seed: int,
    bug: str | None,
    store: Path,
    json: bool,
    quiet: bool,
) -> int:
    """Crash two of three nodes at every two of the first crash points of a short run of WORKLOAD (registry), by kill and power loss.

    Stops at the first schedule that is not valid, and keeps its run.
    """
    from harness.campaign.exhaustive import explore_crashes
    from harness.campaign.runs import run_seed
    from harness.cli.options import known
    from harness.cli.progress import progress
    from harness.scenario import Scenario, check_names
    from harness.store import Store, open_run
    from reports.reading import write_report

    check_store(store)
    scenario = Scenario(workload=workload or USUAL_WORKLOAD, seed=seed, bug=bug or "")
    check_names(scenario, known())
    with progress("crashing", 0, quiet=quiet) as bar:
        found = explore_crashes(
            scenario,
            steps=steps,
            occurrences=occurrences,
            progress=lambda done, of, both: bar.at(done, f"of {of}, {both} struck both nodes"),
        )
    run = ""
    if found.failed is not None:
        start_time = start_time_now()
        run = str(run_seed(found.failed, Store(store), start_time)["run"])
        write_report(open_run(Path(run)))
    if not (json and quiet):
        click.echo(_crashes_told(found, scenario, run))
    if json:
        tell_json({"workload": scenario.workload, **msgspec.to_builtins(found), "run": run})
    return exit_for(found.valid)


def _crashes_told(found: Schedules, scenario: Scenario, run: str) -> str:
    steps = ", ".join(f"{count} on {node}" for node, count in found.steps.items())
    rest = "all valid" if found.valid is True else "and none of them struck both nodes"
    if run:
        rest = f"schedule {found.failed_number} is not valid: {run}"
    tried = f"{found.tried:,} of {found.schedules:,} schedules"
    scope = (
        f"two of {found.nodes} nodes, kill and power loss, {len(found.points)} crash points, "
        f"passes of each up to {found.occurrences}: {steps}"
    )
    both, one, none = (found.struck[crashed] for crashed in (2, 1, 0))
    lines = [
        f"{VERDICT_WORDS[found.valid]}  {scenario.workload}, seed {scenario.seed}: {tried}, {rest}",
        f"  {scope}",
        f"  both nodes were struck in {both:,}, one in {one:,}, none in {none:,}",
    ]
    lines += [f"  ! {one['checker']}: {one['what']}" for one in found.evidence[:_SHOWN]]
    return "\n".join(lines)


def _one_scenario(values: dict[str, Any]) -> tuple[Request, Scenario]:
    """The one run that is explored: in simulation, seed 0 unless said otherwise."""
    from harness.cli.scenarios import scenarios_from

    request = request_from({"worlds": (), **values})
    if request.worlds not in ((), ("sim",)):
        raise UserMistake(
            "only simulation can be explored: nowhere else can a disk be photographed"
        )
    [scenario] = scenarios_from(request, workload=USUAL_WORKLOAD, worlds=("sim",))
    return request, scenario


def _images_told(covered: Covered, scenario: Scenario, bound: int) -> str:
    rest = covered.photographs - covered.complete
    bounded = (
        f"; of the other {rest}, {bound} combinations each: the two ends, all up to two choices from an end, and drawn ones"
        if rest
        else ""
    )
    what = (
        f"{covered.images:,} different disks of {covered.combinations:,} combinations, "
        f"{covered.boots:,} starts"
    )
    where = (
        f"{len(covered.points)} crash points, {covered.photographs} passes of them, "
        f"up to {covered.choices_max} un-synced sectors and entries at once"
    )
    lines = [
        f"{VERDICT_WORDS[covered.valid]}  {scenario.workload}, seed {scenario.seed}: {what}",
        f"  {where}",
        f"  every combination of {covered.complete} passes{bounded}",
    ]
    if covered.missed:
        lines.append(f"  never passed in this run: {', '.join(covered.missed)}")
    lines += [f"  ! {found['invariant']}: {found['what']}" for found in covered.findings[:_SHOWN]]
    if covered.findings_found > _SHOWN:
        lines.append(f"  ! and {covered.findings_found - _SHOWN} more")
    return "\n".join(lines)
