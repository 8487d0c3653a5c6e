"""`render`: a run as one self-contained HTML page.

`ReportData` in, text out; nothing is read but the assets beside this module and nothing is written. The page
holds the data as one JSON object and draws it with the scripts of `reports/assets`; the words (verdict, findings,
facts, checkers) are HTML, so that they can be read without a script and found by a search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cluster.trace import Event
from harness.operation import Operation
from harness.verdict import STIMULI
from reports.bands import KINDS, bands
from reports.clocks import clock_series
from reports.columns import columns, rows
from reports.facts import singles, tables
from reports.findings import Context, cards
from reports.lanes import lanes
from reports.phrases import start_phrase, time_phrase
from reports.verdicts import headline, reproduce, stimuli, verdict_word

__all__ = ["ReportData", "environment", "render"]

ASSETS: Final = Path(__file__).parent / "assets"
SCRIPTS: Final = ("data.js", "view.js", "panels.js", "clocks.js", "page.js")


class ReportData(msgspec.Struct, frozen=True, kw_only=True):
    """What a page is made from.

    `results` is the object of results.json; beside what the design asks for, these keys are shown where present:
    ``name, started, nodes, duration_ns, events, command, bug, compat``. `history` is in index order, `trace` in
    time order; both may be empty. `scenario` is the text of scenario.toml.
    """

    results: Mapping[str, Any]
    history: Sequence[Operation] = ()
    trace: Sequence[Event] = ()
    scenario: str = ""


def render(data: ReportData) -> str:
    """The page. `results` must hold ``valid``; everything else may be missing and is then not shown."""
    results = data.results
    end_ns = _end_ns(data)
    nodes = _nodes(data)
    evidence = _evidence(results)
    found = cards(evidence, Context(history=data.history, trace=data.trace))
    needed = stimuli(results)
    facts = results.get("facts", {})
    context = {
        "verdict": verdict_word(results["valid"]),
        "title": str(results.get("workload") or results.get("name") or "run"),
        "headline": headline(results, found, len(evidence), needed),
        "about": _about(results, len(nodes), end_ns),
        "command": reproduce(results),
        "scenario": data.scenario.strip(),
        "cards": found,
        "cards_total": len(evidence),
        "cards_shown": sum(1 + len(card.others) for card in found),
        "stimuli": needed,
        "facts": singles(facts, without=(stimulus.fact for stimulus in needed)),
        "tables": tables(facts),
        "checkers": _checkers(results),
        "events": f"{len(data.trace):,}",
        "style": _asset("report.css"),
        "script": "\n".join(_asset(name) for name in SCRIPTS),
        "data": _embedded(_charts(data, nodes, end_ns, found)),
    }
    return environment().get_template("report.html").render(context)


@cache
def environment() -> Environment:
    """The one template environment: everything is escaped, and a name that is missing is an error."""
    return Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _charts(
    data: ReportData, nodes: Sequence[str], end_ns: int, found: Sequence[Any]
) -> dict[str, Any]:
    return {
        "end_us": max(1, end_ns // 1000),
        "operations": columns(rows(data.history, end_ns)),
        "bands": bands(data.trace, data.history, end_ns),
        "band_kinds": KINDS,
        "lanes": lanes(data.trace, nodes, end_ns),
        "clocks": clock_series(data.history, end_ns),
        "findings": [
            {"at_us": place.at_us, "node": place.node, "what": card.what, "number": card.number}
            for card in found
            for place in (card, *card.others)
            if place.at_us >= 0
        ],
    }


def _embedded(charts: Mapping[str, Any]) -> str:
    """JSON that may stand inside a script element: no ``<`` can end it early."""
    text = msgspec.json.encode(charts).decode()
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@cache
def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _end_ns(data: ReportData) -> int:
    """When the run ended: as the results say, and never before its last event."""
    last_operation = max((operation.time_ns for operation in data.history), default=0)
    last_event = data.trace[-1].at_ns if data.trace else 0
    return max(int(data.results.get("duration_ns") or 0), last_operation, last_event)


def _nodes(data: ReportData) -> list[str]:
    """The cluster's nodes in natural order (n2 before n10)."""
    given = data.results.get("nodes")
    if isinstance(given, (list, tuple)):
        return [str(node) for node in given]
    names = {event.node for event in data.trace if event.node}
    return sorted(names, key=lambda name: (len(name), name))


def _evidence(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The evidence of all checkers, what is invalid first, then by time.

    Missing stimuli are not among it: they have a place of their own on the page.
    """
    found = [
        (checker.get("valid") is not False, {"checker": name, **piece})
        for name, checker in results.get("checkers", {}).items()
        if name != STIMULI
        for piece in checker.get("evidence", ())
    ]
    found.sort(key=lambda pair: (pair[0], _order(pair[1].get("time_ns"))))
    return [piece for _, piece in found]


def _order(time_ns: Any) -> int:
    return time_ns if isinstance(time_ns, int) else 2**63


def _about(results: Mapping[str, Any], nodes: int, end_ns: int) -> list[tuple[str, str]]:
    """The chips under the verdict: name and value of what is known."""
    pairs = [
        ("workload", results.get("workload")),
        ("world", results.get("world")),
        ("seed", results.get("seed")),
        ("nodes", nodes or None),
        ("duration", time_phrase(end_ns) if end_ns else None),
        ("bug", results.get("bug")),
        ("compat", results.get("compat")),
        ("fingerprint", results.get("fingerprint")),
        ("started", start_phrase(str(results.get("started", "")))),
    ]
    return [(name, str(value)) for name, value in pairs if value not in (None, "")]


def _checkers(results: Mapping[str, Any]) -> list[tuple[str, str, int, str]]:
    """Name, verdict word, pieces of evidence and the facts in one line, what failed first."""
    table = [
        (
            name,
            verdict_word(checker.get("valid", "unknown")),
            len(checker.get("evidence", ())),
            ", ".join(f"{fact.name} {fact.value}" for fact in singles(checker.get("facts", {}))),
        )
        for name, checker in results.get("checkers", {}).items()
        if name != STIMULI
    ]
    order = {"invalid": 0, "unknown": 1, "valid": 2}
    return sorted(table, key=lambda row: (order[row[1]], row[0]))
