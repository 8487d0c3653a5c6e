"""A course: a run written down exactly, as something that can be made smaller.

The operations that clients asked for, each with its moment and its client; the faults, each with its moment; and a scenario
in which everything that a seed once drew for the cluster is said. What is left to the seed are delays and timeouts of the
single message. Pure: a course is made of a recorded run and turned into a scenario, and nothing is run here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from harness.campaign.plan import EXACT, Plan
from harness.generator import SECOND_NS
from harness.operation import NEMESIS, Operation
from harness.scenario import NO_NEMESIS, At, FaultEntry, Scenario
from nemesis.catalogue import OPERATIONS
from workloads.exact import ExactStep, spelled

__all__ = ["Course", "course_of", "healing_of", "scenario_of"]

_MS = 1_000_000
_AFTER_LAST_S = 1.0
"""How much later than the last step a load may end: its last operations and stories are completed."""

_LAST_READ = {"registry": "read-rows"}
"""Workload with an end of its own behind the last reads -> the operation that those end with."""

_OF_RANDOM_FAULTS = ("nemesis", "nemesis_interval_s", EXACT)
"""What a plan tells of random faults is no option, and a course has exact ones; what it listed is listed anew."""

_HEALING = "resume"
"""What the healing of every run begins with (`harness.campaign.plan`)."""


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """See the module. `scenario` has neither operations nor faults; `steps` and `faults` are in order of time."""

    scenario: Scenario
    steps: tuple[ExactStep, ...]
    faults: tuple[FaultEntry, ...]

    @property
    def size(self) -> tuple[int, int, int]:
        """Faults, operations and nodes: what a reader has to hold in mind."""
        return len(self.faults), len(self.steps), self.scenario.nodes


def course_of(plan: Plan, history: Sequence[Operation]) -> Course:
    """Return the course of a run of `plan` that left `history`.

    Of an end behind the last reads (a poison) nothing is listed: it is the workload's, and its options say what it is.
    """
    scenario = plan.scenario
    healed = healing_of(history)
    load, last = _invoked(history[:healed]), _invoked(history[healed:])
    if scenario.workload in _LAST_READ:
        last = _until(last, _LAST_READ[scenario.workload])
    origin_ns = last[0].time_ns if last else 0
    steps = [_step(operation, scenario.concurrency, 0, last=False) for operation in load]
    steps += [_step(operation, scenario.concurrency, origin_ns, last=True) for operation in last]
    return Course(
        scenario=_settled(plan),
        steps=tuple(steps),
        faults=tuple([_fault(one) for one in _struck(history[:healed])]),
    )


def scenario_of(course: Course) -> Scenario:
    """Return the scenario that a course stands for."""
    load_s = [step.at_s for step in course.steps if not step.last]
    faults_s = [_moment_s(fault) for fault in course.faults]
    return msgspec.structs.replace(
        course.scenario,
        time_limit_s=float(int(max([0.0, *load_s, *faults_s]) + _AFTER_LAST_S) + 1),
        options={
            **course.scenario.options,
            EXACT: [msgspec.to_builtins(step) for step in course.steps],
        },
        faults=list(course.faults),
    )


def _settled(plan: Plan) -> Scenario:
    """The plan's scenario with all draws of the plan said; the world is the simulated one."""
    scenario, link = plan.scenario, plan.surroundings.link
    spares = len(plan.test.nodes) - scenario.nodes
    drawn = {name: value for name, value in plan.drawn.items() if name not in _OF_RANDOM_FAULTS}
    return msgspec.structs.replace(
        scenario,
        world="sim",
        nemesis=[NO_NEMESIS],
        faults=[],
        options={
            **drawn,
            "delay_min_ms": link.delay_min_ns // _MS,
            "delay_max_ms": link.delay_max_ns // _MS,
            **({"spares": spares} if spares else {}),
        },
    )


def healing_of(history: Sequence[Operation]) -> int:
    """The place in the history where the healing begins; its end when it never came to that.

    The nemesis does one thing at a time, so every other of its operations is a completion. An exact fault has targets, if only none.
    """
    asked = [place for place, one in enumerate(history) if one.process == NEMESIS][::2]
    healing = [
        place for place in asked if history[place].f == _HEALING and not history[place].value
    ]
    return healing[-1] if healing else len(history)


def _invoked(history: Sequence[Operation]) -> list[Operation]:
    return [one for one in history if one.type == "invoke" and one.process != NEMESIS]


def _until(operations: Sequence[Operation], f: str) -> list[Operation]:
    """The operations up to the first with this `f`."""
    place = next((place for place, one in enumerate(operations) if one.f == f), len(operations))
    return list(operations[: place + 1])


def _struck(history: Sequence[Operation]) -> list[Operation]:
    """What the nemesis was asked for: it does one thing at a time, so every other of its operations is a completion."""
    return [
        one
        for one in [one for one in history if one.process == NEMESIS][::2]
        if one.f in OPERATIONS
    ]


def _step(operation: Operation, concurrency: int, origin_ns: int, *, last: bool) -> ExactStep:
    return ExactStep(
        f=operation.f,
        at_s=(operation.time_ns - origin_ns) / SECOND_NS,
        client=operation.process % concurrency,
        value=None if operation.value is None else spelled(operation.value),
        last=last,
    )


def _fault(operation: Operation) -> FaultEntry:
    value: dict[str, Any] = dict(operation.value or {})
    targets = value.pop("targets", [])
    moment = At(time_s=operation.time_ns / SECOND_NS)
    return FaultEntry(f=operation.f, when=moment, targets=list(targets), value=value)


def _moment_s(fault: FaultEntry) -> float:
    assert isinstance(fault.when, At), "a course has moments only"
    return fault.when.time_s
