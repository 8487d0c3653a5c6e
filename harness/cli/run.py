"""``reprise run``: reads the options into a request and hands it to the campaign."""

from __future__ import annotations

from typing import Any

import click

from harness.cli.options import output_options, request_from, scenario_options
from harness.cli.words import LIST
from harness.errors import UserMistake

__all__ = ["command"]


@click.command(name="run")
@click.argument("workload", required=False)
@click.option(
    "--world", "worlds", type=LIST, metavar="LIST", default=(), help="Where: sim, local, or both."
)
@scenario_options
@output_options
def command(**values: Any) -> int:
    """Run WORKLOAD and judge it; without one, the main job: crash-replay on sim, then on real processes.

    In simulation 100 seeds are run, up to the first that is not valid; --seed runs exactly one.
    """
    request_from(values)
    raise UserMistake("this version has no workloads yet")
