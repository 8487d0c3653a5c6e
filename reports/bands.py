"""Faults as spans of time: when the cluster was hurt, and by what.

A fault of the trace opens a band, its opposite closes it; what has no opposite is a moment. Processes that
the world ended are down until they start again, whoever starts them. Without a trace (a run against a
foreign system) the operations of the nemesis are taken instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from cluster.trace import Event, Fault, HitPoint, Started, Stopped
from harness.operation import NEMESIS, Operation
from reports.phrases import compact

__all__ = ["KINDS", "Band", "bands"]

LINKS_MAX: Final = 6
"""Links named one by one; a ring of five nodes has ten."""

KINDS: Final = ("crash points", "processes", "network", "disk", "clock", "membership", "other")
"""Rows of the chart, in order; those without a band are left out."""

_KIND_OF_WORD: Final = {
    "kill": "processes",
    "power": "processes",
    "pause": "processes",
    "stop": "processes",
    "cut": "network",
    "partition": "network",
    "loss": "network",
    "lose": "network",
    "delay": "network",
    "reorder": "network",
    "duplicate": "network",
    "duplication": "network",
    "disk": "disk",
    "fsync": "disk",
    "full": "disk",
    "eio": "disk",
    "rot": "disk",
    "damage": "disk",
    "clock": "clock",
    "skew": "clock",
    "member": "membership",
    "membership": "membership",
}
"""The kind of an action by any word in its name."""

_CLOSERS: Final = {
    "heal": "network",
    "resume": "processes",
    "start": "processes",
    "heal-disk": "disk",
    "disk-heal": "disk",
    "reset-clocks": "clock",
    "clock-right": "clock",
}
"""Actions that end bands: the kind they end. Those in `_OF_TARGET` end the bands of their target only."""

_OF_TARGET: Final = frozenset({"resume", "start", "clock-right"})
_NO_BAND: Final = frozenset({"dropped"})
"""Counts of what a fault came to: the fault itself has a band."""


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """One fault: `end_us` equals `start_us` for a moment; `kind` is one of `KINDS`."""

    kind: str
    start_us: int
    end_us: int
    label: str
    target: str


def bands(trace: Sequence[Event], history: Iterable[Operation], end_ns: int) -> list[Band]:
    """All faults in order of their start; what nobody undid lasts until `end_ns`."""
    board = _Board()
    if not trace:
        for operation in history:
            if operation.process == NEMESIS and operation.type != "invoke":
                board.act(operation.time_ns, operation.f, compact(operation.value))
    for event in trace:
        if type(event) is Fault:
            board.act(event.at_ns, event.action, event.target)
        elif type(event) is HitPoint:
            board.moment(event.at_ns, "crash points", f"{event.point}: {event.action}", event.node)
        elif type(event) is Stopped and event.cause in {"kill", "power"}:
            board.open(event.at_ns, "processes", event.cause, event.node)
        elif type(event) is Started:
            board.close(event.at_ns, "processes", event.node)
    return board.finished(end_ns)


class _Board:
    """Open bands by (kind, target); closing moves them to the finished ones."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], tuple[int, str]] = {}
        self._finished: list[Band] = []

    def act(self, at_ns: int, action: str, target: str) -> None:
        """Take an action of the world or of the nemesis by its name."""
        name = action.replace("_", "-")
        if name in _NO_BAND:
            return
        if name in _CLOSERS or name.startswith("stop-"):
            kind = _CLOSERS.get(name) or _kind(name.removeprefix("stop-"))
            self.close(at_ns, kind, target if name in _OF_TARGET else "")
            return
        kind = _kind(name)
        if kind in {"processes", "network", "disk", "clock"}:
            words = _links_phrase(target) if kind == "network" else target
            self.open(at_ns, kind, name.removeprefix("start-"), words)
        else:
            self.moment(at_ns, kind, name, target)

    def open(self, at_ns: int, kind: str, label: str, target: str) -> None:
        """Open a band; one of the same kind and target that is open ends here."""
        self._end((kind, target), at_ns)
        self._open[kind, target] = (at_ns, label)

    def close(self, at_ns: int, kind: str, target: str) -> None:
        """End the bands of `kind` at `target` (``""``: at every target)."""
        for key in [key for key in self._open if key[0] == kind and target in ("", key[1])]:
            self._end(key, at_ns)

    def moment(self, at_ns: int, kind: str, label: str, target: str) -> None:
        """Add a fault without duration."""
        self._add(kind, at_ns, at_ns, label, target)

    def finished(self, end_ns: int) -> list[Band]:
        """Everything, with what is still open ended at `end_ns`."""
        for key in list(self._open):
            self._end(key, end_ns)
        return sorted(self._finished, key=lambda band: (band.start_us, band.kind, band.target))

    def _end(self, key: tuple[str, str], at_ns: int) -> None:
        if key in self._open:
            start_ns, label = self._open.pop(key)
            self._add(key[0], start_ns, at_ns, label, key[1])

    def _add(self, kind: str, start_ns: int, end_ns: int, label: str, target: str) -> None:
        self._finished.append(
            Band(
                kind=kind,
                start_us=start_ns // 1000,
                end_us=end_ns // 1000,
                label=label,
                target=target,
            )
        )


def _links_phrase(target: str) -> str:
    """``a>b b>a ...`` in words: the sides of a clean split as ``n1 | n2 n3``, anything else as arrows."""
    links = [tuple(link.split(">")) for link in target.split() if link.count(">") == 1]
    if not links:
        return target
    cut = set(links)
    sides: list[list[str]] = []
    for node in sorted(
        {node for link in links for node in link}, key=lambda name: (len(name), name)
    ):
        side = next((side for side in sides if (node, side[0]) not in cut), None)
        if side is None:
            sides.append([node])
        else:
            side.append(node)
    wanted = {
        (one, other)
        for mine in sides
        for yours in sides
        if mine is not yours
        for one in mine
        for other in yours
    }
    if wanted == cut:
        return " | ".join(" ".join(side) for side in sides)
    shown = [f"{source} → {sink}" for source, sink in links[:LINKS_MAX]]
    return ", ".join(shown) + (
        f" and {len(links) - LINKS_MAX} more" if len(links) > LINKS_MAX else ""
    )


def _kind(name: str) -> str:
    return next((_KIND_OF_WORD[word] for word in name.split("-") if word in _KIND_OF_WORD), "other")
