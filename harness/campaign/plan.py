"""From a scenario and a seed to everything a run needs; nothing is started here.

What the scenario leaves open is drawn from the tape, stream ``plan`` (*swarm*: each seed has its own mix of faults, replay
mode, snapshot rhythm and network; Groce et al. 2012), so a seed stands for one exact run. A bug's id reaches the factory of
the nodes here and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from cluster.bugs.catalogue import parts_with
from cluster.machine.parts import Parts
from cluster.node.config import NodeConfig
from cluster.worlds.sim.network import LinkModel
from cluster.worlds.sim.world import SimOptions
from cluster.worlds.tape import Stream, Tape
from harness.campaign.capabilities import named_nemeses
from harness.campaign.options import check_options
from harness.checkers.availability import CATCH_UP
from harness.checkers.exact_faults import ExactFaults
from harness.checkers.wall_clocks import WallClocks
from harness.errors import UserMistake
from harness.generator import NOTHING, SECOND_NS, Generatorish, any_of, nemesis, sleep
from harness.scenario import NO_NEMESIS, At, Scenario
from harness.test import Test, Workload, arrange, exact_faults, triggers_of
from nemesis.arguments import check_fault
from nemesis.catalogue import EVERY, NEMESES, OPERATIONS
from nemesis.catch_up import CatchUpNemesis
from nemesis.exact import ExactNemesis
from nemesis.membership import SPARES, MembershipNemesis
from nemesis.moments import check_moment, points_of
from nemesis.package import Composed, Package, compose
from nemesis.process import ProcessNemesis
from workloads.catalogue import WORKLOADS
from workloads.exact import exact_load

__all__ = ["EXACT", "MODES", "Plan", "make_plan"]

_MS = 1_000_000
MODES = ("data", "data", "data", "every", "snapshot")
"""Replay modes and how often a search draws each; `data` is the default of the specification."""

EXACT = "exact_operations"
"""The option that replaces a workload's load and last reads by listed operations (`workloads.exact`)."""

ALWAYS = "crash-replay"
TIMING_MS = {"sim": (300, 60), "local": (1000, 100), "docker": (1000, 100), "ssh": (1000, 100)}
"""World -> election timeout and heartbeat interval in milliseconds; real disks have slow fsyncs."""
WAL_SEGMENT_BYTES = 8 * 1024
"""About eighty entries: runs begin and drop segments, and a restart does not read long-finished work again."""
INTERVALS_S = (0.3, 0.7, 1.5, 3.0)
"""What a swarm of named nemeses draws from: how often each strikes."""
WARM_UP_NS = SECOND_NS // 2
"""Faults begin when there has been time to elect a leader: before that they all look alike."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A test, and the surroundings it runs in."""

    scenario: Scenario
    test: Test
    node: NodeConfig
    parts: Parts
    surroundings: SimOptions
    needs: frozenset[str]
    drawn: dict[str, Any]
    """What the plan's draws came to, for the results and the reader."""


def make_plan(scenario: Scenario, tape: Tape) -> Plan:
    """Return the plan of `scenario` on `tape`. Its names have been checked; raises ScenarioError for an option."""
    draw = tape.stream("plan")
    offer = WORKLOADS[scenario.workload]
    check_options(scenario.options, scenario.workload, offer.options)
    nodes = tuple(f"n{number}" for number in range(1, scenario.nodes + 1))
    given = {name: value for name, value in scenario.options.items() if name != EXACT}
    options = {**_defaults(draw), **given, "nodes": nodes}
    options = offer.swarm(draw, options)
    workload, listed = _as_listed(scenario, offer.make(options))
    about = {"nodes": nodes, "opcode": offer.opcode, **given}
    named = named_nemeses(scenario, about)
    names = _swarm(tape.stream("swarm"), named) if named else _enabled(draw, offer.nemeses)
    spares = _spares(scenario, names)
    everybody = (*nodes, *spares)
    paces: dict[str, float] = {}
    if scenario.faults:
        names, faults = [], _exactly(scenario, everybody)
    else:
        about = {**about, "nodes": everybody, "spares": len(spares)}
        if len(named) > 1:
            paces = _paces(tape.stream("swarm"), names, given)
        faults = _compose(names, about, paces)
    exact = exact_faults(scenario.faults) if scenario.faults else None
    node = _node_config(scenario, options, nodes)
    test = Test(
        name=scenario.name or scenario.workload,
        workload=scenario.workload,
        nodes=everybody,
        concurrency=scenario.concurrency,
        client=workload.client,
        nemesis=faults.nemesis,
        generator=arrange(
            workload,
            rate_hz=scenario.rate,
            time_limit_ns=round(scenario.time_limit_s * SECOND_NS),
            faults=None if scenario.faults else [sleep(WARM_UP_NS), faults.generator],
            exact=exact if listed is None else any_of(listed, exact),
            healing=[{"f": "resume"}, faults.final_generator, {"f": "start"}, *_rest(node)],
        ),
        checkers=(
            *workload.checkers,
            *([ExactFaults(scenario.faults)] if scenario.faults else ()),
            *([WallClocks(jump_needed=not paces)] if "realtime" in faults.needs else ()),
        ),
        options=workload.options,
        stimuli={**workload.stimuli, **scenario.stimuli},
        time_limit_ns=round(scenario.time_limit_s * SECOND_NS),
        triggers=triggers_of(scenario.faults),
    )
    drawn = {
        "nemesis": list(names),
        **({"nemesis_interval_s": paces} if paces else {}),
        **{key: value for key, value in options.items() if key != "nodes"},
    }
    return Plan(
        scenario=scenario,
        test=test,
        node=node,
        parts=parts_with(scenario.bug) if scenario.bug else Parts(),
        surroundings=_surroundings(draw, options),
        needs=faults.needs.union(
            *[NEMESES[name](about).needs for name in named if name in NEMESES]
        ),
        drawn=drawn,
    )


def _defaults(draw: Stream) -> dict[str, Any]:
    """Draw what belongs to the cluster rather than to the workload."""
    return {
        "durability": MODES[draw.below(len(MODES))],
        "snapshot_threshold": (8, 16, 32, 64)[draw.below(4)],
        "log_entries_kept": (0, 0, 8)[draw.below(3)],
        "loss_percent": (0, 0, 1, 5)[draw.below(4)],
        "duplication_percent": (0, 1, 5)[draw.below(3)],
    }


def _enabled(draw: Stream, nemeses: tuple[str, ...]) -> list[str]:
    """Draw which of the workload's nemeses take part; crash-replay always does."""
    return [name for name in nemeses if name == ALWAYS or draw.below(2)]


def _as_listed(scenario: Scenario, workload: Workload) -> tuple[Workload, Generatorish]:
    """Return the workload, and the load that the scenario lists: then nothing is left of the workload's own."""
    raw = scenario.options.get(EXACT)
    if raw is None:
        return workload, None
    load, last = (exact_load(raw, scenario.concurrency, last=last) for last in (False, True))
    workload = msgspec.structs.replace(workload, generator=NOTHING, final_generator=last)
    return workload, load


def _swarm(draw: Stream, named: list[str]) -> list[str]:
    """Draw which of several named nemeses take part: every other, crash-replay always, and somebody does."""
    if len(named) == 1:
        return named
    enabled = [name for name in named if draw.below(2) or name == ALWAYS]
    return enabled or [named[draw.below(len(named))]]


def _paces(draw: Stream, names: list[str], given: Mapping[str, Any]) -> dict[str, float]:
    """Draw how often each of several named nemeses strikes, in seconds between, unless the scenario says it."""
    if "interval_s" in given:
        return {}
    return {name: INTERVALS_S[draw.below(len(INTERVALS_S))] for name in names}


def _spares(scenario: Scenario, names: Collection[str]) -> tuple[str, ...]:
    """Return the nodes behind the members that wait to be added: none, unless the scenario says so or changes its membership."""
    asked = {entry.f for entry in scenario.faults}
    changes = asked & MembershipNemesis.fs if asked else "membership" in names
    count = scenario.options.get("spares", SPARES if changes else 0)
    return tuple(f"n{scenario.nodes + number}" for number in range(1, count + 1))


def _compose(names: list[str], options: Mapping[str, Any], paces: Mapping[str, float]) -> Package:
    """Compose the named packages, each at its pace. What the end of a run asks for is always understood: starts, single crash orders, waiting."""
    packages = [
        NEMESES[name]({**options, **({"interval_s": paces[name]} if name in paces else {})})
        for name in names
        if name != NO_NEMESIS
    ]
    ending = Package(
        name="ending",
        nemesis=Composed([ExactNemesis(), ProcessNemesis(), CatchUpNemesis()]),
        generator=None,
    )
    return compose([*packages, ending])


def _exactly(scenario: Scenario, nodes: tuple[str, ...]) -> Package:
    """The package of a scenario's exact faults. Raises UserMistake for one that makes no sense, or would come too late."""
    if set(scenario.nemesis) - {NO_NEMESIS}:
        raise UserMistake("nemesis and faults: random faults cannot stand beside exact ones")
    for number, entry in enumerate(scenario.faults):
        try:
            check_fault(entry, nodes)
            check_moment(entry, nodes)
        except UserMistake as mistake:
            raise UserMistake(f"faults[{number}]: {mistake}") from None
        if isinstance(entry.when, At) and entry.when.time_s >= scenario.time_limit_s:
            raise UserMistake(
                f"faults[{number}]: at {entry.when.time_s:g} s the run is over (time_limit_s is {scenario.time_limit_s:g})"
            )
    ending = [{"f": "heal"}, {"f": "disarm"}]
    if any(entry.f in MembershipNemesis.fs for entry in scenario.faults):
        ending.append({"f": "settle-membership"})
    return Package(
        name="exact",
        nemesis=Composed([make() for make in EVERY]),
        generator=None,
        final_generator=nemesis(ending),
        needs=frozenset().union(*[OPERATIONS[entry.f] for entry in scenario.faults]),
    )


def _node_config(
    scenario: Scenario, options: Mapping[str, Any], nodes: tuple[str, ...]
) -> NodeConfig:
    timing = TIMING_MS[scenario.world]
    return NodeConfig(
        name="",
        peers=nodes,
        election_timeout_ns=int(options.get("election_timeout_ms", timing[0])) * _MS,
        heartbeat_interval_ns=int(options.get("heartbeat_ms", timing[1])) * _MS,
        applied_index_durability=options["durability"],
        row_replay_guard="epoch" if scenario.compat == "original" else "index",
        snapshot_threshold=options["snapshot_threshold"],
        log_entries_kept=options["log_entries_kept"],
        wal_segment_bytes=WAL_SEGMENT_BYTES,
        inspection=True,
        crash_points=True,
        watched_points=points_of(triggers_of(scenario.faults)),
    )


def _rest(node: NodeConfig) -> list[dict[str, Any]]:
    """What the healing ends with: a wait, unless leaders speak so seldom that the cluster never rests, whoever waits for it."""
    return [{"f": CATCH_UP}] if node.heartbeat_interval_ns < node.election_timeout_ns else []


def _surroundings(draw: Stream, options: Mapping[str, Any]) -> SimOptions:
    delay_min_ms = 1 + draw.below(5)
    delay_max_ms = delay_min_ms + 1 + draw.below(10)
    delay_min_ms = options.get("delay_min_ms", delay_min_ms)
    delay_max_ms = options.get("delay_max_ms", max(delay_min_ms, delay_max_ms))
    if delay_min_ms > delay_max_ms:
        raise UserMistake(f"delay_min_ms {delay_min_ms} is above delay_max_ms {delay_max_ms}")
    return SimOptions(
        link=LinkModel(
            delay_min_ns=delay_min_ms * _MS,
            delay_max_ns=delay_max_ms * _MS,
            loss=options["loss_percent"] / 100,
            duplication=options["duplication_percent"] / 100,
        )
    )
