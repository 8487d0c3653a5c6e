"""``reprise replay``: the same run again, compared byte for byte; or its failure in another world."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from harness.cli.options import WORLDS, host_options, output_options, store_option

__all__ = ["command"]


@click.command(name="replay")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--world",
    type=click.Choice(WORLDS),
    help="Carry the failure of RUN to this world: the same order of operations, faults and crash points.",
)
@store_option
@host_options
@output_options
def command(run: Path, world: str | None, json: bool, quiet: bool, **values: Any) -> int:
    """Run the scenario of the folder RUN again; exit 0 when every byte is the same, 255 when not.

    With --world the failure is carried to another world; exit 0 when it came again there, 2 when it did not.
    """
    if world is not None:
        return _elsewhere(run, world, json=json, quiet=quiet, values=values)
    from harness.campaign.replay import replay
    from harness.cli.exits import Exit
    from harness.cli.options import known
    from harness.cli.telling import tell_json
    from harness.store import open_run

    again = replay(open_run(run), known())
    click.echo(again["words"])
    if json:
        tell_json(again)
    return Exit.VALID if again["identical"] else Exit.INTERNAL


def _elsewhere(run: Path, world: str, *, json: bool, quiet: bool, values: Mapping[str, Any]) -> int:
    from harness.campaign.carry_out import carry_out, written_down
    from harness.cli.exits import Exit
    from harness.cli.options import check_store, known, reach_from
    from harness.cli.progress import progress
    from harness.cli.starting import start_time_now
    from harness.cli.telling import finish, tell_carried, tell_json
    from harness.store import Store, open_run

    check_store(values["store"])
    failure = written_down(open_run(run), known(), world)
    start_time = start_time_now()
    with progress(f"carrying to {world}", 1, quiet=quiet) as bar:
        summary = carry_out(
            failure,
            Store(values["store"]),
            start_time,
            lambda line: click.echo(f"reprise: {line}", err=True),
            reach_from(values),
        )
        bar.at(1, "judged")
    finish(summary, quiet=True)
    if not (json and quiet):
        tell_carried(summary)
    if json:
        tell_json(summary)
    return Exit.VALID if summary["again"] else Exit.UNKNOWN
