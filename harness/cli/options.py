"""The options that say what to run, shared by `run` and `search`, and the request they are read into.

Here words become a checked `Request`; nothing is started, opened or written. A name that does not exist is a
`UserMistake` with the nearest one. Files named by ``--scenario`` are read by whoever executes the request.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from harness.cli.words import DURATION, KEY_VALUE, LIST, unknown_word
from harness.errors import UserMistake

__all__ = [
    "WORLDS",
    "Request",
    "known_modules",
    "output_options",
    "request_from",
    "scenario_options",
]

WORLDS: Final = ("sim", "local")
"""Worlds that this version has."""

Command = TypeVar("Command", bound=Callable[..., Any])


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for; None means not said, so that a scenario file or a workload may say it."""

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


def known_modules(package: Any) -> tuple[str, ...]:
    """The names that `package` offers: its public modules, ``_`` as ``-``, without importing any."""
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted(name.replace("_", "-") for name in names if not name.startswith("_")))


def request_from(values: Mapping[str, Any]) -> Request:
    """Check what click parsed and return it as a request. Raises UserMistake naming what is allowed."""
    import nemesis
    import workloads

    given = dict(values)
    count, per_node = _concurrency(given.pop("concurrency"))
    options = dict(given.pop("option"))
    request = Request(concurrency=count, concurrency_per_node=per_node, options=options, **given)
    _check_words("world", request.worlds, WORLDS)
    _check_words("nemesis", request.nemeses or (), (*known_modules(nemesis), "none"))
    if request.workload is not None:
        _check_words("workload", (request.workload,), known_modules(workloads))
    if request.workload is not None and request.scenario is not None:
        raise UserMistake("a workload and --scenario were given; the scenario names its workload")
    return request


def scenario_options(command: Command) -> Command:
    """Add the options that describe a scenario."""
    for option in reversed(
        (
            click.option(
                "--nodes", type=click.IntRange(1, 9), metavar="N", help="Number of nodes."
            ),
            click.option(
                "--time-limit",
                "time_limit_s",
                type=DURATION,
                help="How long clients work (90, 10m).",
            ),
            click.option(
                "--rate",
                "rate_hz",
                type=click.FloatRange(0, min_open=True),
                metavar="HZ",
                help="Operations a second.",
            ),
            click.option(
                "--concurrency", metavar="N|Nn", help="Clients, or clients per node with n."
            ),
            click.option(
                "--nemesis",
                "nemeses",
                type=LIST,
                metavar="LIST",
                help="Faults, by name; none for no faults.",
            ),
            click.option(
                "--seed",
                type=click.IntRange(0, 2**64 - 1),
                metavar="N",
                help="Run exactly this seed.",
            ),
            click.option("--bug", metavar="ID", help="Seed this bug of the catalogue."),
            click.option(
                "--compat",
                type=click.Choice(["original"]),
                help="Behave as the public system does.",
            ),
            click.option(
                "--scenario",
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                help="Take everything else from this file.",
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
    ):
        command = option(command)
    return command


def output_options(command: Command) -> Command:
    """Add ``--json`` and ``--quiet``."""
    command = click.option("--quiet", is_flag=True, help="Only results, no progress.")(command)
    return click.option(
        "--json", is_flag=True, help="End standard output with the results as one line of JSON."
    )(command)


def _concurrency(text: str | None) -> tuple[int | None, bool]:
    if text is None:
        return None, False
    match = re.fullmatch(r"([1-9]\d{0,3})(n?)", text)
    if match is None:
        raise UserMistake(
            f"--concurrency {text!r} is neither a number like 10 nor one per node like 2n"
        )
    return int(match[1]), match[2] == "n"


def _check_words(kind: str, given: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    for word in given:
        if word not in allowed:
            raise unknown_word(kind, word, allowed)
