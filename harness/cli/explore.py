"""``reprise explore``: everything up to a bound, where ``search`` draws.

``images`` boots every disk that a power loss could leave behind one run; ``crashes`` tries every schedule in which two nodes
crash. Both end with a statement of what was covered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from harness.cli.exits import exit_for
from harness.cli.options import Request, output_options, request_from, scenario_options
from harness.cli.telling import tell_json
from harness.cli.workload_list import WorkloadCommand
from harness.errors import UserMistake

if TYPE_CHECKING:
    from harness.campaign.images import Covered
    from harness.scenario import Scenario

__all__ = ["command"]

USUAL_WORKLOAD: Final = "registry"
USUAL_IMAGES: Final = 4096
USUAL_PASSES: Final = 4
PASSES_MAX: Final = 20
IMAGES_MAX: Final = 65_536
_WORDS: Final[dict[Any, str]] = {True: "VALID", False: "INVALID", "unknown": "UNKNOWN"}
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
        f"{_WORDS[covered.valid]}  {scenario.workload}, seed {scenario.seed}: {what}",
        f"  {where}",
        f"  every combination of {covered.complete} passes{bounded}",
    ]
    if covered.missed:
        lines.append(f"  never passed in this run: {', '.join(covered.missed)}")
    lines += [f"  ! {found['invariant']}: {found['what']}" for found in covered.findings[:_SHOWN]]
    if covered.findings_found > _SHOWN:
        lines.append(f"  ! and {covered.findings_found - _SHOWN} more")
    return "\n".join(lines)
