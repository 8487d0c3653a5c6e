"""The page of a shrunk run: why it fails, what happens in it from beginning to end, and where it parts from a run that passes.

Made of the files in the folder ``shrunk`` alone. A run of a handful of operations can be told whole, in sentences; the page of the run
itself, which draws it, lies beside and is linked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from cluster.trace import (
    Event,
    FalseClaim,
    Halted,
    HitPoint,
    Installed,
    RoleChanged,
    SnapshotTaken,
    Started,
    Stopped,
)
from harness.campaign.shrink_folder import Shrunk, ShrunkFolder
from harness.operation import NEMESIS, Operation
from reports.findings import Card, Context, cards
from reports.page import ASSETS, ReportData, environment
from reports.phrases import compact, event_phrase, time_phrase
from reports.reading import read_run

__all__ = ["TOLD_MAX", "Told", "render_shrink_page", "told", "write_shrink_page"]

TOLD_MAX: Final = 150
"""Lines of the story; a run that is longer is told from its beginning, and how much is missing is said."""

_TELLING: Final = (Started, Stopped, Halted, HitPoint, SnapshotTaken, Installed, FalseClaim)
"""Events of nodes that belong to the story, beside a node that becomes leader."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the story."""

    at: str
    who: str
    kind: str
    """``fault``, ``operation`` or ``node``."""
    text: str


def write_shrink_page(folder: ShrunkFolder) -> None:
    """Render the page into the folder. Raises NotARunFolder for files that are missing or damaged."""
    page = render_shrink_page(read_run(folder.run), folder.read())
    folder.page.write_text(page, encoding="utf-8")


def render_shrink_page(data: ReportData, shrunk: Shrunk) -> str:
    """The page of the shrunk run `data`."""
    lines = told(data.history, data.trace)
    sibling = shrunk.sibling
    return (
        environment()
        .get_template("shrink.html")
        .render(
            shrunk=shrunk,
            cards=_cards(data, shrunk),
            lines=lines[:TOLD_MAX],
            missing=max(0, len(lines) - TOLD_MAX),
            common=_events(sibling.common) if sibling else [],
            here=_events(sibling.here) if sibling else [],
            there=_events(sibling.there) if sibling else [],
            parted=time_phrase(sibling.parted_at_ns) if sibling else "",
            scenario=data.scenario.strip(),
            command=data.results.get("command", ""),
            style=(ASSETS / "report.css").read_text(encoding="utf-8"),
        )
    )


def told(history: Sequence[Operation], trace: Sequence[Event]) -> list[Told]:
    """The whole run in sentences, in order of time: operations, faults, and what became of the nodes."""
    lines = [
        (operation.time_ns, place, _operation(operation)) for place, operation in enumerate(history)
    ]
    lines += [
        (event.at_ns, len(history) + place, _event(event))
        for place, event in enumerate(trace)
        if isinstance(event, _TELLING) or (type(event) is RoleChanged and event.role == "leader")
    ]
    return [line for _, _, line in sorted(lines, key=lambda one: one[:2])]


def _cards(data: ReportData, shrunk: Shrunk) -> list[Card]:
    """The findings of the cause, which is what the page explains."""
    cause = shrunk.cause
    found = data.results.get("checkers", {}).get(cause.checker, {}).get("evidence", ())
    alike = [
        {"checker": cause.checker, **piece}
        for piece in found
        if piece.get("invariant") == cause.anomaly
        and str(piece.get("crash_point") or "") == cause.code_point
    ]
    return cards(alike[:1], Context(history=data.history, trace=data.trace))


def _operation(operation: Operation) -> Told:
    ending = {"invoke": "asks", "ok": "is done", "fail": "failed", "info": "nobody knows"}
    fault = operation.process == NEMESIS
    word = "" if fault else f" {ending[operation.type]}"
    text = f"{operation.f}{word} {compact(operation.value)}".rstrip()
    if operation.error:
        text += f" ({operation.error})"
    return Told(
        at=time_phrase(operation.time_ns),
        who="nemesis" if fault else f"client {operation.process}",
        kind="fault" if fault else "operation",
        text=text,
    )


def _event(event: Event) -> Told:
    return Told(at=time_phrase(event.at_ns), who=event.node, kind="node", text=event_phrase(event))


def _events(events: Sequence[Event]) -> list[Told]:
    return [_event(event) for event in events]
