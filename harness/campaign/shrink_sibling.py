"""The closest passing sibling of a failing run: what was the same, and where the two part. What a person asks next.

Siblings are the courses with one operation, one fault or the seeded bug left out. Of those in which nothing is invalid the closest is
the one whose trace is the same for longest: everything before the parting cannot be why the other failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from cluster.trace import Event
from harness.campaign.outcome import Finished
from harness.campaign.shrink_course import Course, scenario_of
from harness.campaign.shrink_passes import singles_left_out
from harness.campaign.simulate import simulate
from harness.errors import RunStuck, UserMistake

__all__ = ["Sibling", "closest_sibling"]

SIBLINGS_MAX = 48
COMMON_SHOWN, AFTER_SHOWN = 6, 12
"""Events kept of the common part and of each side behind the parting."""


class Sibling(msgspec.Struct, frozen=True, kw_only=True):
    """`left_out` says in words what the sibling does without; `same` events from the start of the run are equal in both."""

    left_out: str
    valid: Any
    same: int
    parted_at_ns: int
    common: list[Event]
    here: list[Event]
    there: list[Event]
    siblings: int
    """How many siblings were looked at and passed."""


def closest_sibling(
    course: Course, failing: Finished, over: Callable[[], bool]
) -> tuple[Sibling, Finished] | None:
    """Return the closest passing sibling of `failing`, a run of `course`, and its run; None when every sibling fails as well.

    `over()` ends the search early with what there is.
    """
    best: tuple[int, str, Finished] | None = None
    passed = 0
    for left_out, other in islice(_siblings(course), SIBLINGS_MAX):
        if over() and passed:
            break
        try:
            finished = simulate(scenario_of(other))
        except (RunStuck, UserMistake):
            continue
        if finished.results["valid"] is False:
            continue
        passed += 1
        same = _same(failing.trace, finished.trace)
        if best is None or same > best[0]:
            best = same, left_out, finished
    return None if best is None else (_sibling(failing, *best, passed), best[2])


def _siblings(course: Course) -> Iterator[tuple[str, Course]]:
    if course.scenario.bug:
        clean = msgspec.structs.replace(course.scenario, bug="")
        yield (
            f"the seeded bug {course.scenario.bug}",
            msgspec.structs.replace(course, scenario=clean),
        )
    yield from singles_left_out(course)


def _sibling(
    failing: Finished, same: int, left_out: str, passing: Finished, passed: int
) -> Sibling:
    here, there = (
        list(trace[same : same + AFTER_SHOWN]) for trace in (failing.trace, passing.trace)
    )
    return Sibling(
        left_out=left_out,
        valid=passing.results["valid"],
        same=same,
        parted_at_ns=min([event.at_ns for event in (*here[:1], *there[:1])], default=-1),
        common=list(failing.trace[max(0, same - COMMON_SHOWN) : same]),
        here=here,
        there=there,
        siblings=passed,
    )


def _same(one: Sequence[Event], other: Sequence[Event]) -> int:
    """How many events from the start are equal."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
