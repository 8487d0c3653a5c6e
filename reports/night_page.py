"""The pages of a night, written into its folder: index.html, junit.xml, summary.txt, results.json. The edge of `night`.

JUnit XML is what the servers of continuous integration read: an entry that did not come to its verdict is a failure, one that
the harness could not do an error, one that proved nothing a failure too, since an unknown never counts as a pass.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import msgspec

from harness.campaign.night import RunLine
from harness.campaign.night_folder import NightFolder, nights_of
from harness.campaign.night_plan import NightPlan
from harness.errors import UserMistake
from reports.night import NightRow, NightView, Past, night_view, past_of, verdict_of
from reports.page import ASSETS, environment
from reports.phrases import start_phrase

__all__ = ["render_junit", "render_night", "render_summary", "write_pages"]

_TONES = {
    "error": "invalid",
    "failed": "invalid",
    "unknown": "unknown",
    "unfinished": "unfinished",
    "passed": "valid",
}
"""Grade -> the word of the style sheet whose colours it has."""


def write_pages(plan: NightPlan, night: NightFolder) -> None:
    """Write all pages of `night` as far as it is; each file is replaced whole."""
    view = night_view(plan, night.progress(), started=_started(night), past=_past(plan, night))
    pages = {
        night.results: msgspec.json.format(msgspec.json.encode(_results(view, night)), indent=2),
        night.junit: render_junit(view).encode(),
        night.summary: render_summary(view, night.index).encode(),
        night.index: render_night(view, night.path).encode(),
    }
    for path, content in pages.items():
        temporary = path.with_name(f".{path.name}.part")
        temporary.write_bytes(content)
        temporary.replace(path)


def render_night(view: NightView, folder: Path) -> str:
    """The index page; links are relative to `folder`, where it will lie."""
    return (
        environment()
        .get_template("night.html")
        .render(
            view=view,
            started=start_phrase(view.started),
            tones=_TONES,
            time=_time,
            verdict=verdict_of,
            start=start_phrase,
            link=lambda path: os.path.relpath(path, folder),
            style=(ASSETS / "report.css").read_text(encoding="utf-8"),
        )
    )


def render_junit(view: NightView) -> str:
    """The night as one test suite: an entry is a test case."""
    failures = sum(view.counts.get(grade, 0) for grade in ("failed", "unknown"))
    head = (
        f'name={quoteattr(view.name)} tests="{len(view.rows)}" failures="{failures}" '
        f'errors="{view.counts.get("error", 0)}" skipped="{view.counts.get("unfinished", 0)}" '
        f'time="{sum(row.wall_s for row in view.rows):.3f}"'
    )
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites><testsuite {head}>"]
    for row in view.rows:
        about = (
            f"classname={quoteattr(f'{view.name}.{row.kind}')} name={quoteattr(_clean(row.name))}"
        )
        lines.append(f'<testcase {about} time="{row.wall_s:.3f}">{_junit_result(row)}</testcase>')
    return "\n".join([*lines, "</testsuite></testsuites>", ""])


def render_summary(view: NightView, index: Path) -> str:
    """The night as a few lines of text: for a mail, a chat, a terminal."""
    counts = ", ".join(f"{count} {grade}" for grade, count in view.counts.items())
    lines = [f"night {view.name}, begun {start_phrase(view.started)}: {counts}"]
    width = max(len(row.name) for row in view.rows)
    for row in view.rows:
        lines.append(
            f"  {row.grade.upper() if row.grade != 'passed' else 'passed':<10}  {row.name:<{width}}  "
            f"{_time(row.wall_s):>8}  {row.words.splitlines()[0]}"
        )
        if row.grade != "passed":
            lines += [f"{'':<14}report: {run.report}" for run in row.runs]
    return "\n".join([*lines, f"  index: {index}", ""])


def _results(view: NightView, night: NightFolder) -> dict[str, Any]:
    return {
        "night": str(night.path),
        "name": view.name,
        "started": view.started,
        "ended": view.ended,
        "counts": view.counts,
        "index": str(night.index),
        "junit": str(night.junit),
        "entries": [
            {name: value for name, value in msgspec.to_builtins(row).items() if name != "past"}
            for row in view.rows
        ],
    }


def _past(plan: NightPlan, night: NightFolder) -> list[Past]:
    """The nights before this one that have pages. One whose results cannot be read is none."""
    store = night.path.parents[2]
    found = []
    for other in nights_of(store, plan.name):
        if other.path.name < night.path.name and other.results.exists():
            try:
                found.append(past_of(msgspec.json.decode(other.results.read_bytes())))
            except (msgspec.MsgspecError, KeyError) as error:
                raise UserMistake(f"{other.results} is damaged: {error}; remove it") from None
    return found


def _junit_result(row: NightRow) -> str:
    words, told = quoteattr(_clean(row.words.splitlines()[0])), escape(_clean(_story(row)))
    return {
        "error": f"<error message={words}>{told}</error>",
        "failed": f'<failure type="verdict" message={words}>{told}</failure>',
        "unknown": f'<failure type="unknown" message={words}>{told}</failure>',
        "unfinished": f"<skipped message={words}/>",
        "passed": f"<system-out>{told}</system-out>",
    }[row.grade]


def _story(row: NightRow) -> str:
    return "\n".join([row.words, *(_run_words(run) for run in row.runs)])


def _run_words(run: RunLine) -> str:
    return f"{verdict_of(run)} on {run.world}, seed {run.seed}: {run.report} (again: {run.command})"


def _clean(text: str) -> str:
    """`text` without the characters that no XML may hold."""
    return "".join(
        [
            one
            for one in text
            if one in "\t\n" or " " <= one < "\ud800" or "\ue000" <= one <= "\ufffd"
        ]
    )


def _time(seconds: float) -> str:
    """``12.3 s``, ``4 min 10 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"


def _started(night: NightFolder) -> str:
    return night.path.name
