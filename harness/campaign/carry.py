"""Carrying a failure from one world to another: its run as an order of things, where times mean nothing any more.

A recorded run (`shrink_course` writes it down) becomes a scenario in which every operation and every fault waits for what
came before it in the record: so many operations invoked and completed, so many faults begun and done. Crash points are armed as
they were, and the node that led is made the leader first. What one world does in milliseconds takes another as long as it takes;
only pauses are kept, and stretched as election timeouts are. Pure: nothing is run here.

An operation counts as asked where it began to show: one that was asked early, for want of a leader, and reached no log before a fault
began stands behind that fault. Elsewhere a leader may be there at once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cluster.trace import Appended, Event, RoleChanged
from harness.campaign.plan import EXACT, TIMING_MS, Plan
from harness.campaign.shrink_course import course_of, healing_of
from harness.generator import SECOND_NS, found_nobody
from harness.operation import NEMESIS, Operation
from harness.scenario import FaultEntry, InOrder, OnEvent, Scenario
from nemesis.crash_replay import STRIKE_WAIT_NS
from workloads.exact import ExactStep

__all__ = ["carried", "leader_in"]

ARMING_S = 0.2
"""How long after a fault began its crash point is surely armed, and its link cut, in a world where that takes time."""

PAUSE_MIN_S = 0.1
"""Shorter pauses say nothing but the order: what was under way beside each other in a millisecond must be so in another world, too."""

PATIENCE_S = 20.0
"""How much longer than all its pauses together a carried load may take."""

_STORIES = frozenset({"crash-point"})
"""Faults that wait for what happens as long as they say: nothing within them is stretched."""

_TIMES_MS = ("election_timeout_ms", "heartbeat_ms")
_SIMULATED = ("delay_min_ms", "delay_max_ms", "loss_percent", "duplication_percent")
"""Options of simulated links, which mean nothing of real ones, and of which a real run says nothing."""


class _Moment(msgspec.Struct, frozen=True):
    """One event of the record: `at_ns` is when it counts as happened, `put_off` whether that is later than recorded."""

    at_ns: int
    put_off: bool
    operation: Operation


def carried(
    plan: Plan, history: Sequence[Operation], trace: Sequence[Event], world: str
) -> Scenario:
    """Return the run of `plan` that left `history` and `trace`, as a scenario for `world`."""
    history = _without_refusals(history)
    course = course_of(plan, history)
    place = healing_of(history)
    stretch = TIMING_MS[world][0] / TIMING_MS[plan.scenario.world][0]
    leader = leader_in(trace, history)
    load = _placed(_moments(history[:place], trace), stretch, faults_before=int(bool(leader)))
    last = _placed(_as_recorded(history[place:]), 1.0, faults_before=0)
    steps = [
        msgspec.structs.replace(step, at_s=0.0, when=when)
        for step, when in zip(course.steps, [*_asked(load), *_asked(last)], strict=False)
    ]
    faults = [
        _stretched(msgspec.structs.replace(fault, when=when), stretch)
        for fault, when in zip(course.faults, _begun(load), strict=True)
    ]
    if leader:
        faults.insert(0, _made_leader(leader))
    return msgspec.structs.replace(
        course.scenario,
        world=world,
        faults=faults,
        time_limit_s=round(_pauses_s(steps, faults) + PATIENCE_S, 3),
        options=_options(
            course.scenario.options,
            steps,
            links=world == plan.scenario.world == "sim",
            stretch=stretch,
        ),
    )


def leader_in(trace: Sequence[Event], history: Sequence[Operation]) -> str:
    """Return who led when the first operation or fault showed: the last leader before, else the first; ``""`` for nobody."""
    leaders = [
        (event.at_ns, event.node)
        for event in trace
        if isinstance(event, RoleChanged) and event.role == "leader"
    ]
    begun_ns = min(
        [one.time_ns for one in history if one.process == NEMESIS or one.type != "invoke"],
        default=0,
    )
    before = [node for at_ns, node in leaders if at_ns <= begun_ns]
    return (before[-1:] or [node for _, node in leaders[:1]] or [""])[0]


def _without_refusals(history: Sequence[Operation]) -> list[Operation]:
    """The history without operations that found nobody to take them: elsewhere whoever is there takes them."""
    asked: dict[int, int] = {}
    refused = set()
    for place, one in enumerate(history):
        if one.type == "invoke":
            asked[one.process] = place
        elif found_nobody(one):
            refused |= {place, asked[one.process]}
    return [one for place, one in enumerate(history) if place not in refused]


def _moments(history: Sequence[Operation], trace: Sequence[Event]) -> list[_Moment]:
    """The events of the load in order, invocations put off as the module says."""
    written = [
        event.at_ns
        for event in trace
        if isinstance(event, Appended) and any(data for _, _, data in event.entries)
    ]
    written.sort()
    faults = [(place, one.time_ns) for place, one in enumerate(history) if one.process == NEMESIS]
    completed = _completions(history)
    moments = []
    for place, one in enumerate(history):
        shown_ns = one.time_ns
        if one.process != NEMESIS and one.type == "invoke":
            shown_ns = completed.get(place, shown_ns)
            first = bisect_left(written, one.time_ns)
            if first < len(written):
                shown_ns = min(shown_ns, written[first])
        passed = [at_ns for later, at_ns in faults if later > place and at_ns < shown_ns]
        moments.append(_Moment(max([one.time_ns, *passed]), bool(passed), one))
    return sorted(moments, key=lambda moment: (moment.at_ns, moment.put_off))


def _as_recorded(history: Sequence[Operation]) -> list[_Moment]:
    return [_Moment(one.time_ns, False, one) for one in history if one.process != NEMESIS]


def _completions(history: Sequence[Operation]) -> dict[int, int]:
    """Place of an invocation -> when it completed."""
    asked: dict[int, int] = {}
    found = {}
    for place, one in enumerate(history):
        if one.type == "invoke":
            asked[one.process] = place
        elif one.process in asked:
            found[asked.pop(one.process)] = one.time_ns
    return found


def _placed(
    moments: Sequence[_Moment], stretch: float, *, faults_before: int
) -> list[tuple[Operation, InOrder]]:
    """Every invocation and every begin of a fault, with its place in the order."""
    invoked = completed = 0
    begun = done = faults_before
    before_ns = moments[0].at_ns if moments else 0
    story = just_begun = False
    placed = []
    for moment in moments:
        one = moment.operation
        open_fault = begun > done
        begins = one.type == "invoke" or (one.process == NEMESIS and not open_fault)
        if begins:
            gap_s = (moment.at_ns - before_ns) / SECOND_NS
            delay_s = gap_s if story and open_fault else gap_s * stretch
            if gap_s < PAUSE_MIN_S:
                delay_s = 0.0
            if just_begun:
                delay_s = max(delay_s, ARMING_S)
            when = InOrder(
                invoked=invoked,
                completed=completed,
                begun=begun,
                done=done,
                delay_s=round(delay_s, 3),
            )
            placed.append((one, when))
        if one.process != NEMESIS:
            invoked += begins
            completed += not begins
        else:
            begun += begins
            done += not begins
            story = one.f in _STORIES
        just_begun = one.process == NEMESIS and begins
        before_ns = moment.at_ns
    return placed


def _asked(placed: Sequence[tuple[Operation, InOrder]]) -> list[InOrder]:
    """The places of operations, in the order in which they were recorded."""
    mine = [(one, when) for one, when in placed if one.process != NEMESIS]
    return [when for _, when in sorted(mine, key=lambda pair: pair[0].index)]


def _begun(placed: Sequence[tuple[Operation, InOrder]]) -> list[InOrder]:
    return [when for one, when in placed if one.process == NEMESIS]


def _made_leader(node: str) -> FaultEntry:
    """Leadership given to `node` once anybody leads; everything else waits for it. Where it leads already nothing is done."""
    return FaultEntry(f="transfer", targets=[node], when=OnEvent(event="role", role="leader"))


def _stretched(fault: FaultEntry, stretch: float) -> FaultEntry:
    """A fault that lasts as long as elections do lasts as long as they do there; a story waits longer for its point."""
    lasting = {}
    if "duration_ns" in fault.value:
        lasting["duration_ns"] = round(fault.value["duration_ns"] * stretch)
    if fault.f in _STORIES:
        wait_ns = fault.value.get("wait_ns", STRIKE_WAIT_NS)
        lasting["wait_ns"] = max(wait_ns, round(wait_ns * stretch))
    return msgspec.structs.replace(fault, value={**fault.value, **lasting})


def _pauses_s(steps: Sequence[ExactStep], faults: Sequence[FaultEntry]) -> float:
    lasting: float = sum(fault.value.get("duration_ns", 0) for fault in faults) / SECOND_NS
    waits = [*[step.when for step in steps], *[fault.when for fault in faults]]
    return lasting + sum(when.delay_s for when in waits if isinstance(when, InOrder))


def _options(
    options: Mapping[str, Any], steps: Sequence[ExactStep], *, links: bool, stretch: float
) -> dict[str, Any]:
    """The options of the carried scenario; what was said of simulated links is kept with `links`, else left to the world, or to its seed."""
    kept = {name: value for name, value in options.items() if links or name not in _SIMULATED}
    timed = {name: max(1, round(kept[name] * stretch)) for name in _TIMES_MS if name in kept}
    return {
        "spares": 0,
        **kept,
        **timed,
        EXACT: [msgspec.to_builtins(step) for step in steps],
    }
