"""The options that say what to run, shared by `run` and `search`, and the request they are read into.

Words become checked `Scenario`s here; nothing is started or written, and a name that does not exist is a
`UserMistake` with the nearest one. The catalogues are imported when a request is read, not for ``--help``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import msgspec

from harness.cli.words import DURATION, KEY_VALUE, LIST, unknown_word
from harness.errors import UserMistake

if TYPE_CHECKING:
    from harness.scenario import Known, Scenario

__all__ = [
    "WORLDS",
    "Request",
    "check_store",
    "host_options",
    "known",
    "output_options",
    "reach_from",
    "read_text",
    "request_from",
    "scenario_options",
    "store_option",
]

WORLDS: Final = ("sim", "local", "docker", "ssh")
"""Worlds that this version has."""

COMPATS: Final = ("original",)

Command = TypeVar("Command", bound=Callable[..., Any])


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for, with every name checked.

    `workload` is None when neither an argument nor a scenario file names one: the main job. `seed` is None when
    neither says one: many seeds. `worlds` is empty when neither says where.
    """

    workload: str | None
    seed: int | None
    worlds: tuple[str, ...]
    store: Path
    json: bool
    quiet: bool
    file: Any
    """The `Scenario` of ``--scenario``, or None."""
    concurrency: str | None
    """``7``, or ``2n``: it means something once the number of nodes is known."""
    reach: Any
    """The `Reach` of ``--hosts`` and the options beside it."""
    changes: dict[str, Any]
    """Fields of `Scenario` that options set."""

    def scenario(self, workload: str, world: str, seed: int) -> Scenario:
        """The scenario of one run; options win over the file, the file over the defaults."""
        from harness.scenario import Scenario

        base = self.file or Scenario(workload=workload)
        return msgspec.structs.replace(
            base, **self.changes, workload=workload, world=world, seed=seed
        )


def known() -> Known:
    """Every name that a scenario may hold in this version."""
    from cluster.bugs.catalogue import CATALOGUE
    from harness.scenario import ALL_NEMESES, NO_NEMESIS, SURVIVABLE, Known
    from nemesis.catalogue import NEMESES, OPERATIONS
    from workloads.catalogue import WORKLOADS

    return Known(
        workloads=frozenset(WORKLOADS),
        worlds=frozenset(WORLDS),
        nemeses=frozenset(NEMESES) | {NO_NEMESIS, ALL_NEMESES, SURVIVABLE},
        bugs=frozenset(CATALOGUE),
        compats=frozenset(COMPATS),
        faults=frozenset(OPERATIONS),
    )


def _scenario_in(path: Path, names: Known) -> Scenario:
    """The scenario of a file. Raises UserMistake naming it."""
    from harness.scenario import ScenarioError, load_scenario

    try:
        return load_scenario(read_text(path), names)
    except ScenarioError as error:
        raise UserMistake(f"{path}: {error}") from None


def request_from(values: Mapping[str, Any]) -> Request:
    """Check what click parsed and return it as a request. Raises UserMistake naming what is allowed."""
    from harness.scenario import Scenario, check_names, parse_concurrency

    names = known()
    file = _scenario_in(values["scenario"], names) if values["scenario"] else None
    workload, seed = values["workload"], values["seed"]
    if workload is not None and file is not None:
        raise UserMistake("a workload and --scenario were given; the scenario names its workload")
    if workload is not None and workload not in names.workloads:
        raise unknown_word("workload", workload, names.workloads)
    if values["bug"] == "":
        raise unknown_word("bug", "", names.bugs)
    check_store(values["store"])
    for world in values["worlds"]:
        if world not in names.worlds:
            raise unknown_word("world", world, names.worlds)
    if file is not None:
        workload = file.workload
        seed = file.seed if seed is None else seed
    request = Request(
        workload=workload,
        seed=seed,
        worlds=values["worlds"] or ((file.world,) if file else ()),
        store=values["store"],
        json=values["json"],
        quiet=values["quiet"],
        file=file,
        concurrency=values["concurrency"],
        reach=reach_from(values),
        changes=_changes(values, file or Scenario(workload="")),
    )
    if request.concurrency is not None:
        parse_concurrency(request.concurrency, 1)
    some_workload = workload or min(names.workloads)
    check_names(request.scenario(some_workload, WORLDS[0], 0), names)
    return request


def reach_from(values: Mapping[str, Any]) -> Any:
    """How hosts are reached, where the command has options for it."""
    from cluster.worlds.ssh.places import Reach

    return Reach(
        hosts=values.get("hosts") or (),
        key=str(values.get("ssh_key") or ""),
        known_hosts=str(values.get("known_hosts") or ""),
        node_port=values.get("node_port") or 0,
    )


def _changes(values: Mapping[str, Any], base: Scenario) -> dict[str, Any]:
    """The fields of a scenario that were given as options."""
    plain = ("nodes", "time_limit_s", "rate", "bug", "compat")
    changes = {name: values[name] for name in plain if values[name] is not None}
    if values["nemesis"] is not None:
        changes["nemesis"] = list(values["nemesis"])
    if values["option"]:
        changes["options"] = {**base.options, **dict(values["option"])}
    return changes


def check_store(store: Path) -> None:
    """Refuse a store that cannot be written before an hour of work is done for it. What is missing is made later."""
    place = store.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise UserMistake(f"cannot keep a run in {store}: {place} is no folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserMistake(f"cannot keep a run in {store}: {place} cannot be written")


def read_text(path: Path) -> str:
    """Return the text of a file that the user named. Raises UserMistake."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserMistake(f"cannot read {path}: {error}") from None


store_option: Final = click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("store"),
    show_default=True,
    help="Where run folders go.",
)
"""``--store``."""

_SCENARIO_OPTIONS: Final = (
    click.option("--nodes", type=click.IntRange(1, 99), metavar="N", help="Number of nodes."),
    click.option(
        "--time-limit", "time_limit_s", type=DURATION, help="How long clients work (90, 10m)."
    ),
    click.option(
        "--rate",
        type=click.FloatRange(0, min_open=True),
        metavar="HZ",
        help="Operations a second, of all clients together.",
    ),
    click.option("--concurrency", metavar="N|Nn", help="Clients, or clients per node with n."),
    click.option(
        "--nemesis",
        type=LIST,
        metavar="LIST",
        help="Faults, by name; none, all, or survivable: those after which everything must be there.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**63 - 1),
        metavar="N",
        help="Run exactly this seed; a search begins with it.",
    ),
    click.option("--bug", metavar="ID", help="Seed this bug of the catalogue."),
    click.option("--compat", type=click.Choice(COMPATS), help="Behave as the public system does."),
    click.option(
        "--scenario",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Take from this file what no option says.",
    ),
    store_option,
    click.option(
        "-o",
        "option",
        type=KEY_VALUE,
        multiple=True,
        metavar="KEY=VALUE",
        help="An option of the workload; repeatable.",
    ),
)

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)

_HOST_OPTIONS: Final = (
    click.option(
        "--hosts",
        type=LIST,
        metavar="LIST",
        envvar="REPRISE_HOSTS",
        help="Hosts of the world ssh, one for each node: user@host:port. [env: REPRISE_HOSTS]",
    ),
    click.option(
        "--ssh-key",
        type=_FILE,
        envvar="REPRISE_SSH_KEY",
        help="Log in with this key; usually with the agent's and those in ~/.ssh. [env: REPRISE_SSH_KEY]",
    ),
    click.option(
        "--known-hosts",
        type=_FILE,
        envvar="REPRISE_KNOWN_HOSTS",
        help="Believe these host keys; usually ~/.ssh/known_hosts. [env: REPRISE_KNOWN_HOSTS]",
    ),
    click.option(
        "--node-port",
        type=click.IntRange(1, 65535),
        envvar="REPRISE_NODE_PORT",
        metavar="PORT",
        help="Where nodes listen on their hosts; usually any free port. [env: REPRISE_NODE_PORT]",
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


def host_options(command: Command) -> Command:
    """Add the options that say how the hosts of the world ssh are reached."""
    return _with(command, _HOST_OPTIONS)


def output_options(command: Command) -> Command:
    """Add ``--json`` and ``--quiet``."""
    return _with(command, _OUTPUT_OPTIONS)


def _with(command: Command, options: tuple[Callable[[Command], Command], ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
