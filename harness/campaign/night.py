"""A night as data: what its journal says, how each entry came out, and what all of it comes to. Nothing is read or written here.

The journal is a list of lines. A night that was killed is folded from its journal to where it stopped: entries that are done
stay done, and the one that was under way is done again, or goes on. An entry that was under way three times when the
night was ended is given up: whatever kills the night must not keep it from its other entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from harness.campaign.night_plan import Expected, Step
from harness.checkers.checker import Valid

__all__ = [
    "ATTEMPTS_MAX",
    "Began",
    "Begun",
    "Done",
    "Ended",
    "Grade",
    "Line",
    "Outcome",
    "Progress",
    "RunLine",
    "Stopped",
    "fold",
    "given_up",
    "grade",
    "run_line",
    "took_s",
    "worst",
]

ATTEMPTS_MAX = 3

Grade = Literal["error", "failed", "unknown", "passed"]
GRADES: tuple[Grade, ...] = ("error", "failed", "unknown", "passed")
"""The worst first: a harness that does not work hides everything else."""

_WORDS: dict[Any, Expected] = {True: "valid", False: "invalid", "unknown": "unknown"}


class RunLine(msgspec.Struct, frozen=True, kw_only=True):
    """What a run, or a search with the run that it kept, came to. `words` are its first finding; `report` is a path."""

    world: str
    workload: str
    seed: int
    seeds: int
    valid: Valid
    wall_s: float
    words: str
    report: str
    command: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an entry ended: ``done``; ``late`` (its time was over); ``failed`` (the harness could not do it); ``given-up``.

    `words` say why it is not done; `runs` may be there nevertheless.
    """

    state: Literal["done", "late", "failed", "given-up"]
    wall_s: float
    runs: tuple[RunLine, ...] = ()
    words: str = ""


class Began(msgspec.Struct, frozen=True, tag="began"):
    """The first line: when (seconds since 1970), which is the first seed of entries that name none, too."""

    at_s: int


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """An entry is under way."""

    number: int


class Stopped(msgspec.Struct, frozen=True, tag="stopped"):
    """Somebody ended the night during this entry, which is not to blame."""

    number: int


class Done(msgspec.Struct, frozen=True, tag="done"):
    """An entry is over."""

    number: int
    outcome: Outcome


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The last line: every entry is over."""


Line = Began | Begun | Stopped | Done | Ended


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a night is. `attempts` counts, entry by entry, how often it was under way."""

    began_s: int
    attempts: dict[int, int]
    outcomes: dict[int, Outcome]
    ended: bool


def fold(lines: Iterable[Line]) -> Progress:
    """Return what the journal says."""
    began_s, ended = 0, False
    attempts: dict[int, int] = {}
    outcomes: dict[int, Outcome] = {}
    for line in lines:
        if isinstance(line, Began):
            began_s = line.at_s
        elif isinstance(line, Begun):
            attempts[line.number] = attempts.get(line.number, 0) + 1
        elif isinstance(line, Stopped):
            attempts[line.number] = attempts.get(line.number, 1) - 1
        elif isinstance(line, Done):
            outcomes[line.number] = line.outcome
        else:
            ended = True
    return Progress(began_s=began_s, attempts=attempts, outcomes=outcomes, ended=ended)


def given_up(attempts: int) -> Outcome | None:
    """Return how an entry ends that has been under way so often without an end; None while it may be tried."""
    if attempts < ATTEMPTS_MAX:
        return None
    words = f"the night was ended {attempts} times while it was under way; it is not tried again"
    return Outcome(state="given-up", wall_s=0.0, words=words)


def run_line(summary: dict[str, Any]) -> RunLine:
    """Return the line of a run's or a search's summary (`harness.campaign.runs`)."""
    evidence = summary["evidence"]
    return RunLine(
        world=summary["world"],
        workload=summary["workload"],
        seed=summary["seed"],
        seeds=summary.get("seeds", 1),
        valid=summary["valid"],
        wall_s=summary.get("wall_s", summary.get("duration_ns", 0) / 1e9),
        words=f"{evidence[0]['checker']}: {evidence[0]['what']}" if evidence else "",
        report=summary["report"],
        command=summary["command"],
    )


def took_s(step: Step, wall_s: float, runs: Sequence[RunLine]) -> float:
    """Return how long an entry took, of which its last process took `wall_s`: a search counts what it did before a kill."""
    searched_s = sum(run.wall_s for run in runs) if step.kind == "search" else 0.0
    return max(wall_s, searched_s)


def grade(step: Step, outcome: Outcome) -> Grade:
    """Return how `step` did: every one of its runs must have come to the expected verdict."""
    if outcome.state in ("failed", "given-up"):
        return "error"
    verdicts = [_WORDS[run.valid] for run in outcome.runs]
    grades: list[Grade] = [
        "passed" if verdict == step.expect else "unknown" if verdict == "unknown" else "failed"
        for verdict in verdicts
    ]
    return worst(grades if outcome.state == "done" else [*grades, "unknown"])


def worst(grades: Sequence[Grade]) -> Grade:
    """Return the worst of `grades`; nothing at all is unknown."""
    return min(grades, key=GRADES.index, default="unknown")
