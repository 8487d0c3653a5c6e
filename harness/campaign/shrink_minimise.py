"""The descent: passes and sweeps until nothing can be left out any more, or the time is over. Decides; runs nothing itself.

First every candidate under the course's own seed. When that comes to an end, each is tried under a few other seeds as well:
leaving something out shifts every later draw of the network, and what is gone then is luck, not the failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from harness.campaign.shrink_course import Course
from harness.campaign.shrink_passes import LAST, PASSES, Pass, Sweep, with_seeds

__all__ = ["SEEDS", "Ask", "minimise"]

SEEDS = (1, 4, 16)
"""Under how many seeds a candidate is tried, round by round."""


class Ask(Protocol):
    """Who tries candidates: returns the first that fails alike, or None."""

    def __call__(self, candidates: Iterable[Course]) -> Course | None:
        """See the class."""


def minimise(course: Course, ask: Ask, found: Callable[[Course], None]) -> Course:
    """Return the smallest course that the passes come to from `course`, which fails.

    `found(course)` is called with every smaller one on the way; what `ask` raises ends the descent.
    """
    for seeds in SEEDS:
        course = _settled(course, PASSES, _under(ask, seeds), found)
    return _settled(course, LAST, ask, found)


def _settled(
    course: Course,
    passes: Iterable[Pass | Sweep],
    ask: Ask,
    found: Callable[[Course], None],
) -> Course:
    """Go through `passes` again and again until a whole round changes nothing."""
    while True:
        before = course
        for one in passes:
            if isinstance(one, Sweep):
                course = _swept(course, one, ask, found)
            else:
                course = _passed(course, one, ask, found)
        if course == before:
            return course


def _passed(course: Course, one: Pass, ask: Ask, found: Callable[[Course], None]) -> Course:
    while (smaller := ask([new for new in one(course) if new != course])) is not None:
        course = smaller
        found(course)
    return course


def _swept(course: Course, sweep: Sweep, ask: Ask, found: Callable[[Course], None]) -> Course:
    """Leave out halves, quarters ... single parts; of each size once from the end to the beginning."""
    size = (sweep.count(course) + 1) // 2
    while size >= 1:
        end = sweep.count(course)
        while end > 0:
            starts = [max(0, start) for start in range(end - size, -size, -size)]
            candidates = [
                (start, sweep.without(course, slice(start, min(start + size, end))))
                for start in starts
            ]
            smaller = ask([one for _, one in candidates])
            if smaller is None:
                break
            end = _start_of(candidates, smaller)
            course = smaller
            found(course)
        size //= 2
    return course


def _start_of(candidates: list[tuple[int, Course]], taken: Course) -> int:
    """Where the stretch began whose absence made `taken`, whatever its seed."""
    return next(
        start for start, one in candidates if (one.steps, one.faults) == (taken.steps, taken.faults)
    )


def _under(ask: Ask, seeds: int) -> Ask:
    """`ask`, with every candidate under `seeds` seeds."""
    if seeds == 1:
        return ask

    def asked(candidates: Iterable[Course]) -> Course | None:
        return ask(_each(candidates, seeds))

    return asked


def _each(candidates: Iterable[Course], seeds: int) -> Iterator[Course]:
    for course in candidates:
        yield from with_seeds(course, seeds)
