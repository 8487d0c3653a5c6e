"""The plan of a night: a list of searches and runs, each with a time budget, as a TOML file. Text in, checked values out.

    name = "nightly"

    [[entries]]
    name = "many seeds"
    search = "registry"              # a workload, or a scenario file beside the plan
    budget = "4m"
    [entries.scenario]               # what the workload's usual run is not
    nemesis = ["crash-replay", "partition"]

    [[entries]]
    name = "a rollback halts"
    run = "a2-rollback-halts.toml"
    worlds = ["sim", "local"]
    budget = "1m"

Everything that can be found wrong is found before the night begins, in one line that names the entry: nobody wants to read in
the morning that a name was misspelt.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec

from harness.campaign.needs import check_needs
from harness.errors import UserMistake
from harness.scenario import Known, Scenario, check_names, load_scenario

__all__ = ["Entry", "NightPlan", "Step", "Surroundings", "load_plan"]

ENTRIES_MAX = 1_000
Expected = Literal["valid", "invalid", "unknown"]
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_CHANGES = tuple(name for name in Scenario.__struct_fields__ if name not in ("workload", "world"))
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry as it is written. Exactly one of `search` and `run` is given: a workload's name or a scenario file's path.

    `budget` is the time that it may take (``90s``, ``4m``, ``1h``): a search uses all of it, unless it finds something and
    does not `keep_going`; a run that is not done by then is ended. `expect` is the verdict that it should come to.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    budget: str
    search: str = ""
    run: str = ""
    worlds: list[str] = []
    expect: Expected = "valid"
    keep_going: bool = False
    scenario: dict[str, Any] = {}


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(pattern=_NAME, max_length=100)]
    entries: Annotated[list[Entry], msgspec.Meta(min_length=1, max_length=ENTRIES_MAX)]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that was checked: its scenarios, one for each world."""

    name: str
    kind: Literal["search", "run"]
    budget_s: float
    expect: Expected
    keep_going: bool
    fresh: bool
    """Whether it takes its first seed from the night: nobody said one."""
    scenarios: tuple[Scenario, ...]


class NightPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole night. `text` is the file as it was read: two nights of one text do the same."""

    name: str
    text: str
    steps: tuple[Step, ...]


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan is read with: the names there are; world by world, what a workload's run is like when nobody says otherwise;
    and how the text of a scenario file is found by its path in the plan.
    """

    known: Known
    usual: Mapping[str, Mapping[str, Any]]
    read: Callable[[str], str]


def load_plan(text: str, about: Surroundings) -> NightPlan:
    """Return the plan written in the TOML `text`. Raises UserMistake, and whatever `about.read` raises."""
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except tomllib.TOMLDecodeError as error:
        raise UserMistake(f"the plan is not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise UserMistake(_one_line(str(error))) from None
    steps: dict[str, Step] = {}
    for number, entry in enumerate(file.entries):
        try:
            step = _step(entry, about)
        except UserMistake as mistake:
            raise UserMistake(f"entries[{number}] {entry.name!r}: {mistake}") from None
        if step.name in steps:
            raise UserMistake(f"entries[{number}]: there are two entries named {entry.name!r}")
        steps[step.name] = step
    return NightPlan(name=file.name, text=text, steps=tuple(steps.values()))


def _step(entry: Entry, about: Surroundings) -> Step:
    if bool(entry.search) == bool(entry.run):
        raise UserMistake("it needs one of search and run, and only one")
    if entry.search and entry.worlds not in ([], ["sim"]):
        raise UserMistake(
            "worlds: a search runs in simulation; to run one scenario elsewhere, use run"
        )
    what = entry.search or entry.run
    scenarios = [_scenario(what, world, entry.scenario, about) for world in entry.worlds or [""]]
    if entry.search and scenarios[0].world != "sim":
        raise UserMistake(
            f"search: {what} runs on {scenarios[0].world}; a search runs in simulation"
        )
    return Step(
        name=entry.name,
        kind="search" if entry.search else "run",
        budget_s=_seconds(entry.budget),
        expect=entry.expect,
        keep_going=entry.keep_going,
        fresh=not what.endswith(".toml") and "seed" not in entry.scenario,
        scenarios=tuple(scenarios),
    )


def _scenario(
    what: str,
    world: str,
    changes: Mapping[str, Any],
    about: Surroundings,
) -> Scenario:
    """Return the scenario of a file or of a workload in `world` (``""``: where it runs usually), with `changes`."""
    if what.endswith(".toml"):
        base = load_scenario(about.read(what), about.known)
        world = world or base.world
        fields = {**msgspec.to_builtins(base), **changes, "world": world}
    else:
        world = world or "sim"
        fields = {**about.usual.get(world, {}), **changes, "workload": what, "world": world}
    wrong = [name for name in changes if name not in _CHANGES]
    if wrong:
        near = difflib.get_close_matches(wrong[0], _CHANGES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        allowed = ", ".join(_CHANGES)
        raise UserMistake(f"scenario.{wrong[0]}: there is no such key; {hint}allowed: {allowed}")
    try:
        scenario = msgspec.convert(fields, Scenario)
    except msgspec.ValidationError as error:
        raise UserMistake(f"scenario: {_one_line(str(error))}") from None
    check_names(scenario, about.known)
    check_needs(scenario)
    return scenario


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if match is None or float(match[1]) == 0:
        raise UserMistake(f"budget: {text!r} is no duration; write 90s, 4m or 1h")
    return float(match[1]) * _SECONDS[match[2]]


def _one_line(message: str) -> str:
    """Turn msgspec's message into ours: where first, then what."""
    problem, _, path = message.partition(" - at ")
    where = path.strip("`").removeprefix("$").removeprefix(".")
    return f"{where}: {problem}".replace("`", "") if where else problem.replace("`", "")
