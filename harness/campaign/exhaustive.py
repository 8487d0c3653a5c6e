"""Every schedule of two crashes within a small scope: two nodes of a short run, each at any crash point, by a kill or a power loss.

The scope is found by a clean run of the same seed, which is watched: the *steps* of a node are the first passes of its crash
points, in the order in which the run comes to them. A schedule gives two nodes an order each; what is down is started again
five times a second, and the run is judged as ever. Behind the first crash the run is another one, so an order may never be
met; how many schedules struck both nodes is part of the answer. What a power loss leaves is drawn by the seed:
`harness.campaign.images` tries all of that instead.

Small scopes tried in full are the idea of Jackson's small scope hypothesis, and of B3 (OSDI 2018) for crashes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, product
from typing import Any

import msgspec

from cluster.node.config import NodeConfig
from cluster.node.crash_points import FAILURE_POINTS
from cluster.raft.messages import Message
from cluster.storage.sim_disk import SimDisk
from cluster.worlds.sim.watched import WatchedWorld
from cluster.worlds.tape import Tape
from harness.campaign.plan import make_plan
from harness.campaign.simulate import simulate, simulate_plan
from harness.scenario import At, FaultEntry, Scenario

__all__ = ["Schedules", "Step", "explore_crashes", "small_scope"]

NODES = 3
ACTIONS = ("kill", "power")
RESTART_EVERY_S = 0.2
LOAD_S = 1.5
RATE_HZ = 20.0
CALM: dict[str, Any] = {
    "durability": "data",
    "snapshot_threshold": 8,
    "log_entries_kept": 0,
    "loss_percent": 0,
    "duplication_percent": 0,
}
"""One way through the options that a seed would draw; snapshots come early."""


class Step(msgspec.Struct, frozen=True):
    """The `nth` pass of a crash point on one node, counted from the start of the load."""

    node: str
    point: str
    nth: int


class Schedules(msgspec.Struct, frozen=True, kw_only=True):
    """What was tried. `failed` is the first scenario that is not valid, with the number of its schedule, from 1."""

    nodes: int
    points: tuple[str, ...]
    occurrences: int
    steps: dict[str, int]
    """Node -> its steps within the scope."""
    schedules: int
    tried: int
    struck: dict[int, int]
    """Crashes that happened (0, 1, 2) -> schedules."""
    valid: Any
    failed: Scenario | None = None
    failed_number: int = 0
    evidence: tuple[dict[str, Any], ...] = ()


class _Counter:
    """See `Watcher`: counts the passes of each point on each node."""

    def __init__(self, occurrences: int) -> None:
        self.steps: dict[str, list[Step]] = {}
        self._occurrences = occurrences
        self._passed: dict[tuple[str, str], int] = {}

    def passed(self, node: str, group: int, point: str, disk: SimDisk, config: NodeConfig) -> None:
        if group or point in FAILURE_POINTS:
            return
        nth = self._passed[node, point] = self._passed.get((node, point), 0) + 1
        if nth <= self._occurrences:
            self.steps.setdefault(node, []).append(Step(node, point, nth))

    def said(self, group: int, message: Message) -> None:
        """Nothing is made of messages."""


def small_scope(scenario: Scenario) -> Scenario:
    """Return the short run of `scenario`: its workload, seed, bug and options on three calm nodes, without faults."""
    options = {**CALM, **({"poison": "none"} if scenario.workload == "registry" else {})}
    return msgspec.structs.replace(
        scenario,
        nodes=NODES,
        concurrency=NODES,
        rate=RATE_HZ,
        time_limit_s=LOAD_S,
        nemesis=["none"],
        faults=[],
        options={**options, **scenario.options},
    )


def explore_crashes(
    scenario: Scenario,
    *,
    steps: int,
    occurrences: int,
    progress: Callable[[int, int, int], None],
) -> Schedules:
    """Try every schedule of two crashes of `small_scope(scenario)`, to the first that is not valid.

    Of each node the first `steps` of the first `occurrences` passes of its crash points. `progress` hears how many schedules are
    done, how many there are, and how many struck both nodes.
    """
    short = small_scope(scenario)
    scope = _steps(short, occurrences)
    within = {node: found[:steps] for node, found in sorted(scope.items())}
    schedules = list(_schedules(within))
    struck = {0: 0, 1: 0, 2: 0}
    about: dict[str, Any] = {}
    tried = 0
    valid: Any = True
    for tried, orders in enumerate(schedules, 1):
        faults = _faults(orders)
        crashing = msgspec.structs.replace(short, nemesis=[], faults=faults)
        results = simulate(crashing).results
        hit = sum(results["facts"]["crash_points_hit"].values())
        struck[hit] += 1
        progress(tried, len(schedules), struck[2])
        if results["valid"] is not True:
            valid = results["valid"]
            about = {
                "failed": crashing,
                "failed_number": tried,
                "evidence": tuple(results["evidence"]),
            }
            break
    if not struck[2]:
        valid = "unknown" if valid is True else valid
    points = dict.fromkeys(step.point for found in within.values() for step in found)
    return Schedules(
        nodes=NODES,
        points=tuple(points),
        occurrences=occurrences,
        steps={node: len(found) for node, found in within.items()},
        schedules=len(schedules),
        tried=tried,
        struck=struck,
        valid=valid,
        **about,
    )


def _steps(short: Scenario, occurrences: int) -> dict[str, list[Step]]:
    """Run `short` without a crash and return the steps of each node, in order."""
    counter = _Counter(occurrences)

    def make_world(*arguments: Any, **options: Any) -> WatchedWorld:
        return WatchedWorld(*arguments, watcher=counter, **options)

    tape = Tape(short.seed)
    simulate_plan(make_plan(short, tape), tape, make_world=make_world)
    return counter.steps


def _schedules(
    within: dict[str, list[Step]],
) -> Iterator[tuple[tuple[Step, str], tuple[Step, str]]]:
    for first, second in combinations(within, 2):
        yield from product(
            product(within[first], ACTIONS),
            product(within[second], ACTIONS),
        )


def _faults(orders: tuple[tuple[Step, str], ...]) -> list[FaultEntry]:
    """Both orders at the beginning, and starts of what is down until the load ends."""
    armed = [
        FaultEntry(
            f="arm",
            targets=[step.node],
            value={"point": step.point, "action": action, "nth": step.nth},
            when=At(time_s=0.0),
        )
        for step, action in orders
    ]
    moments = [
        round(RESTART_EVERY_S * number, 3) for number in range(1, int(LOAD_S / RESTART_EVERY_S) + 1)
    ]
    starts = [FaultEntry(f="start", targets=["down"], when=At(time_s=at_s)) for at_s in moments]
    return [*armed, *starts]
