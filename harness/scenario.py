"""A `Scenario`: everything that decides a run, as a short TOML file that a person can read and send
to somebody.

It names things (workload, world, nemeses, bug) and imports none of them: whoever loads one hands in
what is known. A wrong file gives one line that names the key, what stood there, what is allowed and
what was probably meant; nothing is ever guessed or ignored.

    workload = "crash-replay"
    seed = 7

    [[faults]]
    f = "arm"
    targets = ["leader"]
    value = { point = "apply.after_set", nth = 3, action = "kill" }
    when = { kind = "after", f = "register", nth = 2 }
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec

from harness.errors import UserMistake
from harness.operation import Kind
from harness.toml_writer import dumps
from harness.triggers import EVENTS, Trigger, chain_of, narrowed

__all__ = [
    "ALL_NEMESES",
    "NO_NEMESIS",
    "SECONDS_MAX",
    "SURVIVABLE",
    "THERE",
    "After",
    "At",
    "FaultEntry",
    "InOrder",
    "Known",
    "OnEvent",
    "Scenario",
    "ScenarioError",
    "check_names",
    "check_values",
    "dump_scenario",
    "load_scenario",
    "parse_concurrency",
]

NODES_MAX = 99
CONCURRENCY_MAX = 10_000
RATE_HZ_MAX = 1_000_000
SECONDS_MAX = 10_000_000

THERE = "there"
"""Among the targets of a fault that waits for an event: the node where it happened."""

NO_NEMESIS = "none"
"""Stands for no faults at all, where an empty list leaves the choice to the run."""

ALL_NEMESES = "all"
SURVIVABLE = "survivable"
"""Stand for every nemesis that the world can do, and for those of them whose right answer is that everything survives."""

Count = Annotated[int, msgspec.Meta(ge=0)]
Ordinal = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=SECONDS_MAX)]


class ScenarioError(UserMistake):
    """A scenario is wrong.

    The text is one line that says where, what stood there and what is allowed.
    """


class At(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="at",
):
    """So many seconds after the start of the run."""

    time_s: Seconds


class After(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
    tag="after",
):
    """`delay_s` after the `nth` operation of this `f` and `type` in the history."""

    f: str
    type: Kind = "ok"
    nth: Ordinal = 1
    delay_s: Seconds = 0.0


class OnEvent(
    Trigger,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
    tag="event",
):
    """`delay_s` after a trigger came about (see `harness.triggers`)."""

    delay_s: Seconds = 0.0


class InOrder(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
    tag="order",
):
    """`delay_s` after the run came so far: clients have `invoked` and `completed` so many operations, so many faults have `begun` and are `done`.

    A place in an order of things instead of a time: it means the same where everything takes longer.
    """

    invoked: Count = 0
    completed: Count = 0
    begun: Count = 0
    done: Count = 0
    delay_s: Seconds = 0.0


class FaultEntry(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One fault at one moment: the nemesis operation `f` on `targets` with the arguments `value`.

    `targets` are names of nodes, or words that the nemesis resolves at that moment (``leader``
    ...). ``there`` is the node of the event that the fault waited for.
    """

    f: str
    when: At | After | OnEvent | InOrder
    targets: list[str] = []
    value: dict[str, Any] = {}


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """See the head of this module.

    `rate` is operations per second of all clients together. `nemesis` are random faults, `faults`
    exact ones; one of them at a time. `bug` is the id of a seeded bug, `compat` names a behaviour to imitate; both may be
    empty. `options` belong to the workload. `stimuli` are facts with their smallest value, beyond
    those that the workload needs. `name` is the test name of the store; empty means the workload's.
    """

    workload: str
    name: str = ""
    world: str = "sim"
    nodes: Annotated[int, msgspec.Meta(ge=1, le=NODES_MAX)] = 5
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=CONCURRENCY_MAX)] = 5
    rate: Annotated[float, msgspec.Meta(gt=0, le=RATE_HZ_MAX)] = 20.0
    time_limit_s: Annotated[float, msgspec.Meta(gt=0, le=SECONDS_MAX)] = 15.0
    seed: Count = 0
    nemesis: list[str] = []
    bug: str = ""
    compat: str = ""
    options: dict[str, Any] = {}
    stimuli: dict[str, Count] = {}
    faults: list[FaultEntry] = []


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """The names that may stand in a scenario. `faults` are the operations of all nemeses."""

    workloads: frozenset[str]
    worlds: frozenset[str]
    nemeses: frozenset[str]
    bugs: frozenset[str]
    compats: frozenset[str]
    faults: frozenset[str]


_FIELDS_AT = (
    (re.compile(r"\$\Z"), Scenario),
    (re.compile(r"\$\.faults\[\d+\]\Z"), FaultEntry),
    (re.compile(r"\$\.faults\[\d+\]\.when(\.after)+\Z"), Trigger),
)
"""Which struct stands at a path, for the names that are allowed there."""

_KINDS: dict[object, type[At | After | OnEvent | InOrder]] = {
    "at": At,
    "after": After,
    "event": OnEvent,
    "order": InOrder,
}

_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.+)`\Z")
_MISSING_FIELD = re.compile(r"Object missing required field `(.+)`\Z")
_EXPECTED = re.compile(r"Expected (.+?)(?:, got .+)?\Z")


def load_scenario(text: str, known: Known) -> Scenario:
    """Return the scenario written in the TOML `text`. Raises ScenarioError."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"the scenario is not TOML: {error}") from None
    spelled = raw.get("concurrency")
    if isinstance(spelled, str) and isinstance(raw.get("nodes", 5), int):
        raw["concurrency"] = parse_concurrency(spelled, raw.get("nodes", 5))
    scenario = _converted(raw)
    _refuse_moments("options", scenario.options)
    for number, fault in enumerate(scenario.faults):
        _refuse_moments(f"faults[{number}].value", fault.value)
    check_names(scenario, known)
    return scenario


def check_values(scenario: Scenario) -> None:
    """Raise ScenarioError for the first value in `scenario` that no file could hold: msgspec checks what it reads only."""
    _converted(msgspec.to_builtins(scenario))


def _converted(raw: dict[str, Any]) -> Scenario:
    try:
        return msgspec.convert(raw, Scenario)
    except msgspec.ValidationError as error:
        raise ScenarioError(_one_line(str(error), raw)) from None


def dump_scenario(scenario: Scenario) -> str:
    """Return `scenario` as TOML, every key spelled out: later defaults must not change an old file.

    Raises ScenarioError when an option is nothing that TOML can hold.
    """
    try:
        return dumps(msgspec.to_builtins(scenario))
    except TypeError as error:
        raise ScenarioError(f"the scenario cannot be written: {error}") from None


def parse_concurrency(text: str, nodes: int) -> int:
    """Return the number of clients that ``"7"`` or ``"2n"`` (two for each node) means.

    Raises ScenarioError.
    """
    match = re.fullmatch(r"([1-9][0-9]*)(n?)", text)
    if match is None:
        raise ScenarioError(
            f"concurrency: {text!r} is not allowed; allowed are a number such as 10, "
            "or a multiple of the nodes such as 2n"
        )
    return int(match[1]) * (nodes if match[2] else 1)


def check_names(scenario: Scenario, known: Known) -> None:
    """Raise ScenarioError for the first name in `scenario` that nobody knows."""
    _check_name("workload", scenario.workload, known.workloads)
    _check_name("world", scenario.world, known.worlds)
    for number, name in enumerate(scenario.nemesis):
        _check_name(f"nemesis[{number}]", name, known.nemeses)
    if NO_NEMESIS in scenario.nemesis and len(scenario.nemesis) > 1:
        others = ", ".join(name for name in scenario.nemesis if name != NO_NEMESIS)
        raise ScenarioError(
            f"nemesis: {NO_NEMESIS!r} means no faults; it cannot stand beside {others}"
        )
    if scenario.bug:
        _check_name("bug", scenario.bug, known.bugs)
    if scenario.compat:
        _check_name("compat", scenario.compat, known.compats)
    for number, fault in enumerate(scenario.faults):
        _check_name(f"faults[{number}].f", fault.f, known.faults)
        if isinstance(fault.when, OnEvent):
            _check_trigger(f"faults[{number}].when", fault.when)


def _check_trigger(where: str, trigger: Trigger) -> None:
    """Raise ScenarioError for the first word in `trigger` that its event does not have."""
    for one in chain_of(trigger):
        _check_name(f"{where}.event", one.event, EVENTS)
        kind, given = EVENTS[one.event], narrowed(one)
        for name, value in given.items():
            if name not in kind.fields:
                has = ", ".join(kind.fields) or "none"
                raise ScenarioError(
                    f"{where}.{name}: the event {one.event!r} has no such key; it has: {has}"
                )
            if kind.fields[name]:
                _check_name(f"{where}.{name}", value, kind.fields[name])
        if kind.needed and kind.needed not in given:
            raise ScenarioError(
                f"{where}.{kind.needed}: this key is missing and needed with the event {one.event!r}"
            )
        where += ".after"


def _check_name(key: str, name: str, allowed: Iterable[str]) -> None:
    if name not in allowed:
        raise ScenarioError(f"{key}: {name!r} is unknown; {_allowed(name, allowed)}")


def _allowed(name: object, allowed: Iterable[str]) -> str:
    """Say which names are allowed, and which of them was probably meant."""
    names = sorted(allowed)
    near = difflib.get_close_matches(str(name), names, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return f"{meant}allowed: {', '.join(names) if names else 'none'}"


def _refuse_moments(key: str, value: object) -> None:
    """Refuse dates and times, which TOML has and a history has not."""
    if isinstance(value, dict):
        for name, one in value.items():
            _refuse_moments(f"{key}.{name}", one)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            _refuse_moments(f"{key}[{number}]", one)
    elif not isinstance(value, str | int | float):
        raise ScenarioError(
            f"{key}: {value} is a {type(value).__name__}; "
            "allowed: text, number, true, false, lists and tables of these"
        )


def _one_line(message: str, raw: Mapping[str, Any]) -> str:
    """Turn msgspec's message into ours."""
    problem, _, path = message.partition(" - at ")
    path = path.strip("`") or "$"
    if path == "$.stimuli[...]":
        path = f"$.stimuli.{_first_wrong_stimulus(raw)}"
    where = path.removeprefix("$").removeprefix(".")
    if match := _UNKNOWN_FIELD.match(problem):
        key = f"{where}.{match[1]}" if where else match[1]
        return f"{key}: there is no such key; {_allowed(match[1], _fields_at(path, raw))}"
    if match := _MISSING_FIELD.match(problem):
        key = f"{where}.{match[1]}" if where else match[1]
        kinds = f" (one of {', '.join(map(str, _KINDS))})" if match[1] == "kind" else ""
        return f"{key}: this key is missing and needed{kinds}"
    present = _value_at(path, raw)
    if path.endswith(".kind"):
        return f"{where}: {present!r} is unknown; {_allowed(present, map(str, _KINDS))}"
    if path.endswith((".when.type", ".after.type")):
        return f"{where}: {present!r} is unknown; {_allowed(present, ('invoke', 'ok', 'fail', 'info'))}"
    if match := _EXPECTED.match(problem):
        wanted = match[1].replace("`", "").removesuffix(" | null")
        return f"{where}: {present!r} is not allowed; allowed: {_in_words(wanted)}"
    return f"{where}: {problem}"


_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "array": "a list",
    "object": "a table",
}
_BOUND_WORDS = {">=": "from", ">": "above", "<=": "up to", "<": "below"}


def _in_words(wanted: str) -> str:
    """Say ``int >= 1`` as people do."""
    kind, _, bound = wanted.partition(" ")
    relation, _, limit = bound.partition(" ")
    words = _WORDS.get(kind, kind)
    return f"{words} {_BOUND_WORDS[relation]} {limit}" if bound else words


def _first_wrong_stimulus(raw: Mapping[str, Any]) -> str:
    """Return the name that msgspec leaves out.

    The first whose value is no whole number from 0 on.
    """
    stimuli: dict[str, Any] = raw["stimuli"]
    return next(name for name, value in stimuli.items() if type(value) is not int or value < 0)


def _fields_at(path: str, raw: Mapping[str, Any]) -> tuple[str, ...]:
    for pattern, struct in _FIELDS_AT:
        if pattern.match(path):
            return struct.__struct_fields__
    entry = _value_at(path, raw)
    kind = entry.get("kind") if isinstance(entry, dict) else None
    return ("kind", *_KINDS[kind].__struct_fields__)


def _value_at(path: str, raw: Any) -> Any:
    """Return what stands at a path such as ``$.faults[0].when``."""
    if path.startswith("$.stimuli."):
        return raw["stimuli"][path.removeprefix("$.stimuli.")]
    for name, number in re.findall(r"\.([^.\[]+)|\[(\d+)\]", path):
        raw = raw[name] if name else raw[int(number)]
    return raw
