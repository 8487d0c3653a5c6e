"""``reprise shrink``: the smallest scenario that still fails, as a file, a test and a page."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from harness.cli.options import output_options
from harness.cli.words import DURATION

__all__ = ["command"]

USUAL_BUDGET_S = 60.0


@click.command(name="shrink")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--budget",
    "budget_s",
    type=DURATION,
    default=USUAL_BUDGET_S,
    show_default="60s",
    help="How long to try; ended early, it goes on next time.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=os.cpu_count() or 1,
    metavar="N",
    help="Processes; as many as there are cores.",
)
@output_options
def command(run: Path, budget_s: float, jobs: int, json: bool, quiet: bool) -> int:
    """Make the failing run in the folder RUN smaller, as long as it fails for the same cause.

    The result lies in RUN/shrunk: scenario.toml, test_shrunk.py, shrink.html. Exit 0 when there is one, 255 when its replays differ.
    """
    from harness.campaign.shrink import shrink
    from harness.campaign.shrink_folder import ShrunkFolder
    from harness.cli.exits import Exit
    from harness.cli.options import known
    from harness.cli.progress import progress
    from harness.cli.telling import tell_json
    from harness.store import open_run
    from reports.reading import write_report
    from reports.shrink_page import write_shrink_page

    folder = open_run(run)
    with progress("shrinking", 0, quiet=quiet) as bar:
        summary = shrink(folder, known(), budget_s=budget_s, jobs=jobs, progress=bar.at)
    shrunk = ShrunkFolder(folder)
    write_report(shrunk.run)
    write_shrink_page(shrunk)
    if summary["passing"]:
        write_report(open_run(Path(summary["passing"])))
    if not (json and quiet):
        click.echo(_told(summary))
    if json:
        tell_json(summary)
    if summary["interrupted"]:
        return Exit.INTERRUPTED
    return Exit.VALID if summary["identical"] == summary["replays"] else Exit.INTERNAL


def _told(summary: Mapping[str, Any]) -> str:
    before, cause = summary["before"], summary["cause"]
    after = f", after {cause['code_point']}" if cause["code_point"] else ""
    if summary["complete"]:
        end = "nothing more can be left out"
    elif summary["interrupted"]:
        end = "interrupted; call again to go on"
    else:
        end = "the time is over; call again to go on"
    sizes = ", ".join(
        f"{name} {summary[name]} (of {before[name]})" for name in ("operations", "faults", "nodes")
    )
    lines = [
        f"{cause['checker']}: {cause['anomaly']}{after}",
        f"  {sizes}; {end}",
        f"  replayed {summary['replays']} times, {summary['identical']} times byte for byte the same",
        f"  scenario: {summary['scenario']}",
        f"  test:     {summary['test']}",
        f"  page:     {summary['page']}",
    ]
    return "\n".join(lines)
