"""Findings: what a checker says when something is wrong, always in the same shape.

Here live the one function that builds a finding and the memory of where each node died last, because a reader
asks first "what happened to that node before?". Nothing here judges. Fields of a finding: see
`harness.checkers.checker`.
"""

from __future__ import annotations

from typing import Any

from cluster.trace import Applied, Event, HitPoint, Stopped

__all__ = ["EVIDENCE_MAX", "LastCrash", "finding", "telling_first"]

EVIDENCE_MAX = 100
"""Findings kept by one checker; one broken run can have thousands, and the first ones say why."""


_IN_WORDS = {
    "kill": "a kill",
    "power": "a power loss",
    "error": "a failure",
    "stall": "a stall",
}
_DEADLY = ("kill", "power")
_INFLICTED = (*_DEADLY, "error")
"""Causes of death that come from outside; a halt or a clean stop is the node's own doing."""


class LastCrash:
    """Remembers for every node what struck it last: a crash point, or a death from outside.

    Feed it the trace in order. A death that a crash point caused keeps the point's name.
    """

    def __init__(self) -> None:
        self._point: dict[str, str] = {}
        self._words: dict[str, str] = {}
        self._struck: dict[str, int] = {}

    def observe(self, event: Event) -> None:
        """Take note of `event` if it is a hit or a death."""
        node = event.node
        if type(event) is HitPoint:
            self._point[node] = event.point
            self._words[node] = f", after {_IN_WORDS[event.action]} at {event.point}"
            if event.action in _DEADLY:
                self._struck[node] = event.incarnation
        elif (
            type(event) is Stopped
            and event.cause in _INFLICTED
            and self._struck.get(node) != event.incarnation
        ):
            self._point[node] = event.cause
            self._words[node] = f", after {_IN_WORDS[event.cause]}"

    def of(self, node: str) -> str:
        """Return the crash point, the cause of death, or ``""`` when nothing ever struck the node."""
        return self._point.get(node, "")

    def words(self, node: str) -> str:
        """Return the same as the end of a sentence."""
        return self._words.get(node, "")


def telling_first(evidence: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what is kept of `evidence`: findings of a node that was struck before come first, they tell most."""
    return sorted(evidence, key=lambda found: not found.get("crash_point"))[:EVIDENCE_MAX]


def finding(
    checker: str, invariant: str, what: str, event: Event | None = None, **fields: Any
) -> dict[str, Any]:
    """Return a finding; node, group, index, epochs and time are taken from `event` where it has them."""
    found: dict[str, Any] = {"checker": checker, "invariant": invariant, "what": what}
    if event is not None:
        found["node"] = event.node
        found["group"] = event.group
        found["time_ns"] = event.at_ns
        index = getattr(event, "index", None)
        if index is not None:
            found["index"] = index
        if type(event) is Applied and event.epoch_entry >= 0:
            found["epoch_entry"] = event.epoch_entry
            found["epoch_row"] = event.epoch_row
    found.update(fields)
    return found
