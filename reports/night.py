"""A night as its readers meet it: one row for each entry, what needs eyes first, and how the nights before did.

Everything the pages of a night show is folded here from its plan and its journal; `night_page` writes it down as HTML, JUnit
XML, text and JSON. Paths are absolute here, and links are made relative where they are written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from harness.campaign.night import Outcome, Progress, RunLine, grade
from harness.campaign.night_plan import NightPlan, Step

__all__ = ["GRADES", "NightRow", "NightView", "Past", "night_view", "past_of", "verdict_of"]

GRADES: Final = ("error", "failed", "unknown", "unfinished", "passed")
"""How an entry may have done, in the order in which rows are shown."""
PAST_SHOWN: Final = 14

_WORDS: Final[dict[Any, str]] = {True: "valid", False: "invalid", "unknown": "unknown"}


class NightRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. `words` say in a sentence why it has its grade; `past` are its grades in earlier nights, oldest first."""

    name: str
    kind: str
    grade: str
    expect: str
    words: str
    wall_s: float
    budget_s: float
    runs: tuple[RunLine, ...]
    past: tuple[str, ...] = ()


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier night: when it began, how many entries of each grade it had, and where its page is."""

    started: str
    counts: dict[str, int]
    grades: dict[str, str]
    index: str


class NightView(msgspec.Struct, frozen=True, kw_only=True):
    """The whole page. `rows` have what needs eyes first; `counts` are entries by grade, without those that nobody has."""

    name: str
    started: str
    seed: int
    ended: bool
    rows: tuple[NightRow, ...]
    counts: dict[str, int]
    past: tuple[Past, ...]


def night_view(
    plan: NightPlan, progress: Progress, *, started: str, past: Sequence[Past]
) -> NightView:
    """Fold a night. `started` as the store writes times; `past` are the nights before, newest first."""
    shown = tuple(past[:PAST_SHOWN])
    rows = [
        _row(step, progress.outcomes.get(number), shown) for number, step in enumerate(plan.steps)
    ]
    counts = Counter(row.grade for row in rows)
    return NightView(
        name=plan.name,
        started=started,
        seed=progress.began_s,
        ended=progress.ended,
        rows=tuple(sorted(rows, key=lambda row: GRADES.index(row.grade))),
        counts={one: counts[one] for one in GRADES if counts[one]},
        past=shown,
    )


def past_of(results: Mapping[str, Any]) -> Past:
    """Return what an earlier night's results.json says of it."""
    return Past(
        started=results["started"],
        counts=results["counts"],
        grades={entry["name"]: entry["grade"] for entry in results["entries"]},
        index=results["index"],
    )


def verdict_of(run: RunLine) -> str:
    """The verdict of a run as a word."""
    return _WORDS[run.valid]


def _row(step: Step, outcome: Outcome | None, past: Sequence[Past]) -> NightRow:
    return NightRow(
        name=step.name,
        kind=step.kind,
        grade="unfinished" if outcome is None else grade(step, outcome),
        expect=step.expect,
        words=_words(step, outcome),
        wall_s=0.0 if outcome is None else outcome.wall_s,
        budget_s=step.budget_s,
        runs=() if outcome is None else outcome.runs,
        past=tuple(
            night.grades[step.name] for night in reversed(past) if step.name in night.grades
        ),
    )


def _words(step: Step, outcome: Outcome | None) -> str:
    """The one sentence: what kept it from being done, else what came of the run that is not as expected."""
    if outcome is None:
        return "not done yet"
    if outcome.words:
        return outcome.words
    for run in sorted(outcome.runs, key=lambda run: run.valid is True):
        verdict = verdict_of(run)
        if verdict != step.expect:
            found = f"; {run.words}" if run.words else ""
            return f"{verdict} on {run.world} where {step.expect} was expected{found}"
    seeds = sum(run.seeds for run in outcome.runs)
    what = ", ".join(run.world for run in outcome.runs)
    if step.kind == "search":
        what = f"{seeds:,} seed{'s'[: seeds != 1]}"
    return f"{step.expect} as expected: {what}"
