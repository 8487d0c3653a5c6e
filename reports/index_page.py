"""The index of a store: every run on one line, newest first, with its verdict and a link to its page."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from harness.store import NotARunFolder, RunFolder, Store
from reports.page import ASSETS, environment
from reports.phrases import time_phrase
from reports.verdicts import verdict_word

__all__ = ["IndexRow", "index_rows", "render_index", "write_index"]


class IndexRow(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `verdict` is ``unfinished`` for a run without results; `link` is relative to the store, empty without a page."""

    verdict: str
    workload: str
    world: str
    seed: str
    duration: str
    name: str
    started: str
    remark: str
    link: str


def index_rows(store: Store) -> list[IndexRow]:
    """Read what the index needs of every run of `store`, newest first."""
    return [_row(store, folder) for folder in store.runs()]


def render_index(rows: Iterable[IndexRow], title: str) -> str:
    """The page, from rows in the order in which they are to be shown."""
    shown = list(rows)
    counts = Counter(row.verdict for row in shown)
    order = ("invalid", "unknown", "unfinished", "valid")
    return (
        environment()
        .get_template("index.html")
        .render(
            rows=shown,
            title=title,
            counts=[(counts[verdict], verdict) for verdict in order if counts[verdict]],
            style=(ASSETS / "report.css").read_text(encoding="utf-8"),
        )
    )


def write_index(store: Store) -> str:
    """Render the index of `store` into it and return the path of the file."""
    path = store.root / "index.html"
    path.write_text(render_index(index_rows(store), store.root.name), encoding="utf-8")
    return str(path)


def _row(store: Store, folder: RunFolder) -> IndexRow:
    try:
        results = folder.read_results()
    except NotARunFolder:
        results = _asked_for(folder)
    return IndexRow(
        verdict=verdict_word(results["valid"]) if "valid" in results else "unfinished",
        workload=str(results.get("workload", "")),
        world=str(results.get("world", "")),
        seed=str(results.get("seed", "")),
        duration=time_phrase(int(results.get("duration_ns", -1))),
        name=folder.test_name,
        started=folder.start_time,
        remark=_remark(results),
        link=str(folder.report.relative_to(store.root)) if folder.report.exists() else "",
    )


def _asked_for(folder: RunFolder) -> dict[str, Any]:
    """What a run without results was to be, as far as its scenario says."""
    try:
        scenario = tomllib.loads(folder.read_scenario())
    except (NotARunFolder, OSError, tomllib.TOMLDecodeError):
        return {}
    return {name: scenario.get(name, "") for name in ("workload", "world", "seed", "bug")}


def _remark(results: dict[str, Any]) -> str:
    """The first finding, or the bug that was seeded: why somebody would open this run."""
    verdict = results.get("valid", True)
    for checker in results.get("checkers", {}).values():
        if verdict is not True and checker.get("valid") == verdict and checker.get("evidence"):
            return str(checker["evidence"][0].get("what", ""))
    return f"bug {results['bug']}" if results.get("bug") else ""
