"""One lane per replica: what it was at every moment, how far it had applied, and what befell it.

States are the roles of raft, and ``down``, ``paused``, ``halted`` above them. A lane is folded from the
events of one node and group in their order; what happens to a process happens to all its groups.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from cluster.trace import (
    Applied,
    Event,
    FalseClaim,
    Fault,
    Halted,
    HitPoint,
    Installed,
    RoleChanged,
    SnapshotTaken,
    Started,
    Stopped,
)
from reports.phrases import event_phrase

__all__ = ["APPLIED_POINTS_MAX", "Lane", "Mark", "Span", "lanes"]

APPLIED_POINTS_MAX: Final = 4_000
"""Points of one applied line; more are thinned, the first and last of every life stay."""

_MARKED: Final = {
    Started: "start",
    Stopped: "stop",
    Halted: "halt",
    HitPoint: "hit",
    SnapshotTaken: "snapshot",
    Installed: "install",
    FalseClaim: "claim",
}
"""Events that are marks of a lane, and the sign they are drawn as."""


class Span(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of time in one state; `term` is 0 where unknown."""

    start_us: int
    end_us: int
    state: str
    term: int


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """Something that happened at one moment; `label` is short enough to be drawn, `text` is a sentence."""

    at_us: int
    sign: str
    label: str
    text: str


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the page draws of one replica. `applied` alternates time (µs) and index; -1 ends a life."""

    node: str
    group: int
    spans: list[Span]
    marks: list[Mark]
    applied: list[int]


def lanes(trace: Sequence[Event], nodes: Sequence[str], end_ns: int) -> list[Lane]:
    """The lanes of `nodes` in their order, group by group; a node without events was never up."""
    groups: dict[str, list[int]] = {node: [] for node in nodes}
    for event in trace:
        if type(event) is Started and event.group not in groups.setdefault(event.node, []):
            groups[event.node].append(event.group)
    builders = {
        node: {group: _Builder(node, group) for group in sorted(found) or [0]}
        for node, found in groups.items()
    }
    for event in trace:
        of_node = builders.get(event.target if type(event) is Fault else event.node, {})
        if isinstance(event, (Stopped, Fault)):
            for builder in of_node.values():
                builder.take(event)
        elif event.group in of_node:
            of_node[event.group].take(event)
    return [
        builder.finished(end_ns // 1000)
        for of_node in builders.values()
        for builder in of_node.values()
    ]


class _Builder:
    """Folds the events of one replica."""

    def __init__(self, node: str, group: int) -> None:
        self._node = node
        self._group = group
        self._state = "down"
        self._role = "follower"
        self._term = 0
        self._since_us = 0
        self._spans: list[Span] = []
        self._marks: list[Mark] = []
        self._applied: list[int] = []

    def take(self, event: Event) -> None:
        """Take the next event of this replica or of its process."""
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)
        if type(event) in _MARKED:
            self._mark(event)

    def applied(self, event: Applied) -> None:
        if event.decision != "halt":
            self._applied += (event.at_ns // 1000, event.index)

    def role_changed(self, event: RoleChanged) -> None:
        self._role = event.role
        if self._state not in {"halted", "paused"}:
            self._become(event.at_ns, event.role, event.term)

    def started(self, event: Started) -> None:
        self._role = "follower"
        self._become(event.at_ns, "follower", self._term)
        self._applied += (event.at_ns // 1000, event.have)

    def stopped(self, event: Stopped) -> None:
        self._applied += (event.at_ns // 1000, -1)
        self._become(event.at_ns, "halted" if event.cause == "halt" else "down", self._term)

    def halted(self, event: Halted) -> None:
        self._become(event.at_ns, "halted", self._term)

    def installed(self, event: Installed) -> None:
        self._applied += (event.at_ns // 1000, event.index)

    def fault(self, event: Fault) -> None:
        if event.action == "pause" and self._state not in {"down", "halted"}:
            self._become(event.at_ns, "paused", self._term)
        elif event.action == "resume" and self._state == "paused":
            self._become(event.at_ns, self._role, self._term)

    def finished(self, end_us: int) -> Lane:
        """Close the last span at the end of the run and return the lane."""
        self._become(end_us * 1000, "end", self._term)
        return Lane(
            node=self._node,
            group=self._group,
            spans=self._spans,
            marks=self._marks,
            applied=_thinned(self._applied),
        )

    def _become(self, at_ns: int, state: str, term: int) -> None:
        at_us = at_ns // 1000
        if (state, term) == (self._state, self._term):
            return
        if at_us > self._since_us:
            self._spans.append(Span(self._since_us, at_us, self._state, self._term))
        self._state, self._term, self._since_us = state, term, at_us

    def _mark(self, event: Event) -> None:
        sign = _MARKED[type(event)]
        label = ""
        if isinstance(event, HitPoint):
            label = event.point
        elif isinstance(event, Halted):
            label = f"halt at {event.index}"
        elif isinstance(event, FalseClaim):
            label = f"{event.durable_id} not durable"
        elif isinstance(event, Stopped) and event.cause not in {"halt", "stop"}:
            label = event.cause
        self._marks.append(Mark(event.at_ns // 1000, sign, label, event_phrase(event)))


_HANDLERS: Final[dict[type, Callable[[_Builder, Any], None]]] = {
    Applied: _Builder.applied,
    Fault: _Builder.fault,
    Halted: _Builder.halted,
    Installed: _Builder.installed,
    RoleChanged: _Builder.role_changed,
    Started: _Builder.started,
    Stopped: _Builder.stopped,
}


def _thinned(applied: list[int]) -> list[int]:
    """Every n-th point, but all ends of lives and their neighbours: the drawn line stays true there."""
    points = len(applied) // 2
    if points <= APPLIED_POINTS_MAX:
        return applied
    step = -(-points // APPLIED_POINTS_MAX)
    kept: list[int] = []
    for position in range(points):
        index = applied[2 * position + 1]
        before = applied[2 * position - 1] if position else -1
        after = applied[2 * position + 3] if position + 1 < points else -1
        if position % step == 0 or -1 in (index, before, after) or after < index:
            kept += (applied[2 * position], index)
    return kept
