"""Every live node catches up after the last fault was undone, or the verdict names what still holds it back (L3).

`availability` asks whether somebody succeeds; here every member must have applied what was committed when the cluster was healed,
within the limit. Excused is who is down at the end, paused, cut off, limited, stalled at a crash point or has a failing disk, and everybody
where no quorum runs: the fact ``held_back`` names what remained, and other checkers judge whether it should have. Who is no member is
not asked. A node that is behind for no such reason when the run ends before the limit makes it unknown; runs wait with their last
reads until everybody has caught up (`nemesis.catch_up`), so that hardly happens.

The end is the last operation: what the world does then, to undo and to stop, is not looked at. What a node tells of later moments counts,
for in simulation its own clock runs ahead of everybody's while it works or is stalled.

What is healed, and when, is told by `availability.healed_at_ns`; where a poison came before any fault, it is the moment of the poison.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cluster.trace import (
    Applied,
    Committed,
    Event,
    Fault,
    Halted,
    HitPoint,
    Installed,
    Reconfigured,
    Started,
    Stopped,
)
from harness.checkers.availability import RECOVERY_LIMIT_NS, healed_at_ns
from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import finding
from harness.operation import Operation

__all__ = ["Liveness"]

UNDONE_BY = {
    "pause": "resume",
    "cut": "heal",
    "degrade": "heal",
    "disk-eio": "disk-heal",
    "disk-full": "disk-heal",
    "disk-slow": "disk-heal",
    "disk-small": "disk-heal",
    "limit": "",
    "limit-files": "",
}
"""Faults that hold a node back for as long as they last -> what undoes them; nothing where they last to the end of the world."""

_OF_THE_WORLD = frozenset({Fault, Started, Stopped})
"""Events that come about because a world acts."""

_Place = tuple[str, int]


class Liveness:
    """See the module."""

    name = "liveness"

    def __init__(self, limit_ns: int = RECOVERY_LIMIT_NS) -> None:
        """`limit_ns`: how long after the heal a node may be behind what was committed then."""
        self._limit_ns = limit_ns

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``caught_up`` (nodes), ``caught_up_after_ns`` (the last one; -1: nobody), ``held_back``."""
        healed_ns = healed_at_ns(run.history) or _poisoned_at_ns(run.history)
        end_ns = run.history[-1].time_ns if run.history else 0
        story = _Story(
            [one for one in run.trace if one.at_ns <= end_ns or type(one) not in _OF_THE_WORLD],
            healed_ns,
        )
        facts: dict[str, Any] = {
            "caught_up": 0,
            "caught_up_after_ns": -1,
            "held_back": dict[str, str](),
        }
        evidence: list[dict[str, Any]] = []
        convicted = False
        for (node, group), goal in story.goals().items():
            place = (node, group)
            reached_ns = story.reached_ns(place, goal)
            if reached_ns >= 0:
                facts["caught_up"] += 1
                late_ns = reached_ns - healed_ns
                facts["caught_up_after_ns"] = max(facts["caught_up_after_ns"], late_ns)
            elif why := story.excuse(node, group):
                facts["held_back"][node] = why
            if 0 <= reached_ns <= healed_ns + self._limit_ns or (reached_ns < 0 and why):
                continue
            over = reached_ns >= 0 or end_ns >= healed_ns + self._limit_ns
            convicted |= over
            evidence.append(self._late(place, goal, story, over=over, healed_ns=healed_ns))
        valid: Any = False if convicted else "unknown" if evidence else True
        if valid is True and not facts["caught_up"]:
            what = "nothing was committed before the last fault was undone, or nobody was left to catch up"
            return Verdict(
                valid="unknown", facts=facts, evidence=[finding(self.name, "stimulus", what)]
            )
        return Verdict(valid=valid, facts=facts, evidence=evidence)

    def _late(
        self, place: _Place, goal: int, story: _Story, *, over: bool, healed_ns: int
    ) -> dict[str, Any]:
        node, group = place
        seconds = self._limit_ns / 1_000_000_000
        end = (
            f"within {seconds:g} s" if over else "by the end of the run, which came before its time"
        )
        what = (
            f"{node} had not applied entry {goal}, committed when the last fault was undone, {end}; "
            f"it was at {story.applied.get(place, 0)}, and no fault remained that held it back"
        )
        fields = {"node": node, "group": group, "index": goal, "time_ns": healed_ns}
        return {**finding(self.name, "L3" if over else "stimulus", what), **fields}


def _poisoned_at_ns(history: Sequence[Operation]) -> int:
    """Return when a poison was proposed; 0: never."""
    return next((one.time_ns for one in history if one.f == "propose_raw"), 0)


class _Story:
    """What became of the nodes."""

    def __init__(self, trace: Sequence[Event], healed_ns: int) -> None:
        self.applied: dict[_Place, int] = {}
        self._reached: dict[_Place, list[tuple[int, int]]] = {}
        """Place -> (when, applied index) since the heal, each higher than the one before."""
        self._committed: dict[int, int] = {}
        self._configurations: dict[int, Reconfigured] = {}
        """Group -> the newest configuration that was applied, and the first before there is one: what is not committed may be undone."""
        self._stalled: dict[str, str] = {}
        """Node -> the crash point at which it was last heard of, waiting."""
        self._down: dict[str, str] = {}
        self._faults: dict[str, dict[str, str]] = {}
        """What undoes them -> node (or links in words) -> fault, of those that last."""
        self._healed_ns = healed_ns
        for event in trace:
            self._observe(event)

    def goals(self) -> dict[_Place, int]:
        """Return what each member must apply."""
        return {
            (node, group): index
            for group, index in self._committed.items()
            for node in self._members(group)
        }

    def reached_ns(self, place: _Place, goal: int) -> int:
        """Return when the node was first seen at `goal` or beyond, since the heal; -1: never."""
        return next((at_ns for at_ns, index in self._reached.get(place, []) if index >= goal), -1)

    def excuse(self, node: str, group: int) -> str:
        """Return what held `node` back to the end, or nothing."""
        if node in self._down:
            return self._down[node]
        if node in self._stalled:
            return f"it was stalled at {self._stalled[node]}"
        for faults in self._faults.values():
            for target, action in faults.items():
                if node in target.replace(">", " ").split():
                    return f"{action} of {target} was not undone"
        return self._missing_quorum(group)

    def _missing_quorum(self, group: int) -> str:
        """Return why no quorum of a group runs, or nothing."""
        now = self._configurations[group]
        for voters in (now.voters, now.outgoing):
            down = [name for name in voters if name in self._down]
            if down and 2 * len(down) >= len(voters):
                return f"no quorum ran: {', '.join(down)} did not"
        return ""

    def _members(self, group: int) -> tuple[str, ...]:
        now = self._configurations.get(group)
        return tuple(dict.fromkeys((*now.voters, *now.outgoing, *now.learners))) if now else ()

    def _observe(self, event: Event) -> None:
        place = (event.node, event.group)
        if type(event) is not Fault:
            self._stalled.pop(event.node, None)
        if type(event) is HitPoint and event.action == "stall":
            self._stalled[event.node] = event.point
        elif type(event) is Applied:
            if event.decision != "halt":
                self._at(place, event.index, event.at_ns)
        elif type(event) is Committed:
            if event.at_ns <= self._healed_ns:
                self._committed[event.group] = max(event.index, self._committed.get(event.group, 0))
        elif type(event) is Installed:
            self._at(place, event.index, event.at_ns)
        elif type(event) is Started:
            self._down.pop(event.node, None)
            self._at(place, event.snapshot_index if event.restored else event.have, event.at_ns)
        elif type(event) is Stopped:
            if event.cause != "stop":
                self._down[event.node] = f"it ended by {event.cause} and did not come back"
        elif type(event) is Halted:
            self._down[event.node] = f"it halted at entry {event.index}"
        elif type(event) is Reconfigured:
            known = self._configurations.get(event.group)
            if event.voters and (known is None or (event.applied and event.index >= known.index)):
                self._configurations[event.group] = event
        elif type(event) is Fault:
            self._fault(event)

    def _at(self, place: _Place, index: int, at_ns: int) -> None:
        self.applied[place] = index
        reached = self._reached.setdefault(place, [])
        if at_ns < self._healed_ns:
            reached[:] = [(self._healed_ns, index)]
        elif not reached or index > reached[-1][1]:
            reached.append((at_ns, index))

    def _fault(self, fault: Fault) -> None:
        undone_by = UNDONE_BY.get(fault.action)
        if undone_by is not None:
            self._faults.setdefault(undone_by, {})[fault.target] = fault.action
        elif fault.action == "heal":
            self._faults.pop("heal", None)
        elif fault.action in self._faults:
            self._faults[fault.action].pop(fault.target, None)
