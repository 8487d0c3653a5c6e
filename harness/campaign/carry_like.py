"""How alike two runs are: what happened in them, in order, with everything left out that is only luck. Pure.

The *story* of a run is the sequence of its faults, its strikes at crash points, its starts and stops, its changes of leader and how its
operations ended. Two stories are compared as texts are: twice what they have in common, in order, over what both have together.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from cluster.trace import Event, Halted, HitPoint, Installed, RoleChanged, SnapshotTaken, Stopped
from harness.operation import NEMESIS, Operation

__all__ = ["likeness", "story_of"]

_PREPARED = "transfer"
"""What a carried run does beforehand belongs to no story."""


def story_of(history: Sequence[Operation], trace: Sequence[Event]) -> list[str]:
    """Return what happened, one word for each, in order of time."""
    words = [
        (one.time_ns, f"fault {one.f}")
        for one in [one for one in history if one.process == NEMESIS][::2]
        if one.f != _PREPARED
    ]
    words += [
        (one.time_ns, f"{one.f} {one.type}")
        for one in history
        if one.process != NEMESIS and one.type != "invoke"
    ]
    words += [(event.at_ns, word) for event in trace if (word := _word(event))]
    words.sort(key=lambda pair: pair[0])
    return [word for _, word in words]


def likeness(one: Sequence[str], other: Sequence[str]) -> float:
    """Return how alike two stories are, from 0.0 to 1.0."""
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _word(event: Event) -> str:
    if isinstance(event, HitPoint):
        return f"{event.action} at {event.point} of a {event.role}"
    if isinstance(event, RoleChanged):
        return f"{event.node} leads" if event.role == "leader" else ""
    if isinstance(event, Stopped):
        return f"{event.node} stopped: {event.cause}"
    named = {Halted: "halted", SnapshotTaken: "snapshot", Installed: "installed"}
    return f"{event.node} {named[type(event)]}" if type(event) in named else ""
