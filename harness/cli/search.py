"""``reprise search``: many seeds of one scenario, in simulation."""

from __future__ import annotations

import os
from typing import Any

import click

from harness.cli.options import output_options, request_from, scenario_options
from harness.cli.words import DURATION
from harness.errors import UserMistake

__all__ = ["command"]


@click.command(name="search")
@click.argument("workload")
@click.option("--seeds", type=click.IntRange(1), metavar="N", help="How many seeds to try.")
@click.option("--budget", "budget_s", type=DURATION, help="How long to search (10m).")
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=os.cpu_count() or 1,
    metavar="N",
    help="Processes; as many as there are cores.",
)
@scenario_options
@output_options
def command(seeds: int | None, budget_s: float | None, **values: Any) -> int:
    """Try seeds of WORKLOAD in simulation until one fails or the budget is used up."""
    if seeds is not None and budget_s is not None:
        raise UserMistake("--seeds and --budget were given; one of them ends the search")
    values.pop("jobs")
    request_from({"worlds": ("sim",), **values})
    raise UserMistake("this version has no workloads yet")
