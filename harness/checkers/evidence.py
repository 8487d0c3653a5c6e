"""Findings: what a checker says when something is wrong, always in the same shape.

Here live the one function that builds a finding and the memory of where each node died last, because a reader
asks first "what happened to that node before?". Nothing here judges. Fields of a finding: see
`harness.checkers.checker`.
"""

from __future__ import annotations

from typing import Any

from cluster.trace import Applied, Event, HitPoint, Stopped

__all__ = ["EVIDENCE_MAX", "LastCrash", "finding", "named"]

EVIDENCE_MAX = 100
"""Findings kept by one checker; one broken run can have thousands, and the first ones say why."""


class LastCrash:
    """Remembers for every node the crash point (or the kind of death) that came last.

    Feed it the trace in order. A death that a crash point caused keeps the point's name.
    """

    def __init__(self) -> None:
        self._point: dict[str, str] = {}
        self._struck: dict[str, int] = {}

    def observe(self, event: Event) -> None:
        """Take note of `event` if it is a hit or a death."""
        if type(event) is HitPoint:
            self._point[event.node] = event.point
            self._struck[event.node] = event.incarnation
        elif (
            type(event) is Stopped
            and event.cause != "stop"
            and self._struck.get(event.node) != event.incarnation
        ):
            self._point[event.node] = event.cause

    def of(self, node: str) -> str:
        """Return the name, or ``""`` when the node never died or was struck."""
        return self._point.get(node, "")


def named(crash_point: str) -> str:
    """Return the half sentence that names `crash_point`, or nothing."""
    if not crash_point:
        return ""
    return f", after a crash at {crash_point}" if "." in crash_point else f", after a {crash_point}"


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
