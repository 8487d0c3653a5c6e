"""The options that say what to run, shared by `run` and `search`, and the request they are read into.

A request holds what was said and nothing else; names are checked and defaults filled in by `scenarios`, so that
``--help`` needs no catalogue. Nothing is started, opened or written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from harness.cli.words import DURATION, KEY_VALUE, LIST
from harness.errors import UserMistake

__all__ = ["Request", "output_options", "request_from", "scenario_options"]

Command = TypeVar("Command", bound=Callable[..., Any])


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for; None means not said, so that a scenario file or a world may say it."""

    workload: str | None = None
    worlds: tuple[str, ...] = ()
    nodes: int | None = None
    time_limit_s: float | None = None
    rate_hz: float | None = None
    concurrency: int | None = None
    concurrency_per_node: bool = False
    """Whether `concurrency` counts clients per node (``2n``)."""
    nemeses: tuple[str, ...] | None = None
    seed: int | None = None
    bug: str | None = None
    compat: str | None = None
    scenario: Path | None = None
    store: Path = Path("store")
    options: dict[str, Any] = {}
    json: bool = False
    quiet: bool = False


def request_from(values: Mapping[str, Any]) -> Request:
    """What click parsed, as a request. Raises UserMistake for what cannot be meant together."""
    given = dict(values)
    count, per_node = _concurrency(given.pop("concurrency"))
    options = dict(given.pop("option"))
    request = Request(concurrency=count, concurrency_per_node=per_node, options=options, **given)
    if request.workload is not None and request.scenario is not None:
        raise UserMistake("a workload and --scenario were given; the scenario names its workload")
    return request


def _concurrency(text: str | None) -> tuple[int | None, bool]:
    if text is None:
        return None, False
    match = re.fullmatch(r"([1-9]\d{0,3})(n?)", text)
    if match is None:
        raise UserMistake(
            f"--concurrency {text!r} is neither a number like 10 nor one per node like 2n"
        )
    return int(match[1]), match[2] == "n"


_SCENARIO_OPTIONS: Final = (
    click.option("--nodes", type=click.IntRange(1, 99), metavar="N", help="Number of nodes."),
    click.option(
        "--time-limit", "time_limit_s", type=DURATION, help="How long clients work (90, 10m)."
    ),
    click.option(
        "--rate",
        "rate_hz",
        type=click.FloatRange(0, min_open=True),
        metavar="HZ",
        help="Operations a second, of all clients together.",
    ),
    click.option("--concurrency", metavar="N|Nn", help="Clients, or clients per node with n."),
    click.option(
        "--nemesis",
        "nemeses",
        type=LIST,
        metavar="LIST",
        help="Faults, by name; none for no faults.",
    ),
    click.option(
        "--seed", type=click.IntRange(0, 2**63 - 1), metavar="N", help="Run exactly this seed."
    ),
    click.option("--bug", metavar="ID", help="Seed this bug of the catalogue."),
    click.option(
        "--compat", type=click.Choice(["original"]), help="Behave as the public system does."
    ),
    click.option(
        "--scenario",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Take from this file what no option says.",
    ),
    click.option(
        "--store",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("store"),
        show_default=True,
        help="Where run folders go.",
    ),
    click.option(
        "-o",
        "option",
        type=KEY_VALUE,
        multiple=True,
        metavar="KEY=VALUE",
        help="An option of the workload; repeatable.",
    ),
)

_OUTPUT_OPTIONS: Final = (
    click.option(
        "--json", is_flag=True, help="End standard output with the results as one line of JSON."
    ),
    click.option("--quiet", is_flag=True, help="Only results, no progress."),
)


def scenario_options(command: Command) -> Command:
    """Add the options that describe a scenario."""
    return _with(command, _SCENARIO_OPTIONS)


def output_options(command: Command) -> Command:
    """Add ``--json`` and ``--quiet``."""
    return _with(command, _OUTPUT_OPTIONS)


def _with(command: Command, options: tuple[Callable[[Command], Command], ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
