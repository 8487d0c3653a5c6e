"""``reprise replay``: the same run again, compared byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.cli.options import output_options

__all__ = ["command"]


@click.command(name="replay")
@click.argument("run", type=click.Path(path_type=Path))
@output_options
def command(run: Path, json: bool, **_output: Any) -> int:
    """Run the scenario of the folder RUN again; exit 0 when every byte is the same, 255 when not."""
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
