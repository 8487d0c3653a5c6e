"""Many runs of one scenario in simulation, until there are enough of them, the budget is used up, or one is not valid.

Run number n has the seed of the scenario plus n. In a plain search that is all; a *wide* one draws for each seed what
nobody said of the scenario (`harness.campaign.widths`), and a *steered* one tries again and varies what led runs to where few
have been (`harness.campaign.steering`). What a steered search tries depends on its first seed and on nothing else.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from itertools import count
from typing import Any

import msgspec

from cluster.worlds.tape import Tape
from harness.campaign.attempt import Attempt
from harness.campaign.attempts import Brief, Reached, carried_out
from harness.campaign.causes import CAUSES_KEPT_MAX, Group, grouped
from harness.campaign.coverage import Cell
from harness.campaign.self_check import is_checked
from harness.campaign.steering import Steering
from harness.campaign.widths import widened
from harness.checkers.checker import Valid, merge_valid
from harness.scenario import Scenario

__all__ = [
    "NOTHING_YET",
    "PLAIN",
    "Brief",
    "Manner",
    "Memory",
    "Search",
    "amount_of",
    "fresh_attempt",
    "search",
    "sum_facts",
]

SELF_CHECK_SHARE = 0.01
_NOT_SUMMED = ("latency_ns", "ok_fraction")


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How a search goes about it.

    `said` are the fields of the scenario that a person chose; a search that is not `wide` takes all of them as they are. A wide one
    meets surroundings in which nothing gets done, so it does not stop at a run of which nobody knows; its verdict is
    ``unknown`` then, as ever.
    `self_check` is the share of runs that are carried out twice.
    """

    steered: bool = False
    wide: bool = False
    said: AbstractSet[str] = frozenset()
    self_check: float = SELF_CHECK_SHARE


PLAIN = Manner()
"""Seed after seed of the scenario as it is."""


class Memory(msgspec.Struct, frozen=True):
    """Of a search that may be ended at any moment and go on in another process: the seeds it is done with, and what they took.

    `remember(brief, spent_s)` is called after each further seed; `spent_s` are seconds of all its processes so far.
    """

    briefs: Sequence[Brief]
    spent_s: float
    remember: Callable[[Brief, float], None]


def _forget(_brief: Brief, _spent_s: float) -> None:
    """Most searches are made in one go."""


NOTHING_YET = Memory((), 0.0, _forget)
"""The memory of a search that begins."""


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """The result. `valid` is the worst of all seeds; `facts` are summed over them; `first` is the first that is invalid, else of which nobody knows.

    `interrupted`: somebody ended it before its time.
    """

    valid: Valid
    briefs: list[Brief]
    facts: dict[str, Any]
    seeds_with: dict[str, int]
    """Fact -> in how many seeds it was above zero."""
    first: Brief | None
    causes: list[Group]
    cells: dict[Cell, int]
    """Cell -> how many of the runs reached it."""
    wall_s: float
    cpu_s: float
    interrupted: bool


class _Course:
    """What has been tried and what it came to; it decides what is next."""

    def __init__(
        self, scenario: Scenario, seeds: int | None, manner: Manner, memory: Memory
    ) -> None:
        self._scenario, self._manner = scenario, manner
        done = len(memory.briefs)
        self.briefs = list(memory.briefs)
        self.failed = sum(brief.valid is not True for brief in self.briefs)
        self.stops = any(self._stops(brief) for brief in self.briefs)
        self._causes = {brief.cause for brief in self.briefs if brief.cause}
        self._kept = Counter(brief.valid for brief in self.briefs if brief.run)
        self.steering = Steering(Tape(scenario.seed + done).stream("steering"))
        for number, brief in enumerate(memory.briefs):
            self.steering.remember(number, brief.opened)
        self._numbers = count(done) if seeds is None else iter(range(done, seeds))

    def decide(self) -> Attempt | None:
        """Return the next attempt, or None when all are made."""
        number = next(self._numbers, None)
        if number is None:
            return None
        fresh = fresh_attempt(self._scenario, number, self._manner)
        return self.steering.attempt(fresh) if self._manner.steered else fresh

    def took(self, reached: Reached, keep: Callable[[Attempt], str]) -> Brief:
        """Take in what an attempt came to; the first run of a cause is kept. Returns its brief."""
        attempt, brief = reached.attempt, reached.brief
        plan = reached.plan if brief.valid is True else None
        opened = tuple(self.steering.took(attempt, reached.cells, plan))
        brief = msgspec.structs.replace(brief, opened=opened)
        if brief.cause:
            self.failed += 1
            if brief.cause not in self._causes and self._kept[brief.valid] < CAUSES_KEPT_MAX:
                brief = msgspec.structs.replace(brief, run=keep(attempt))
                self._kept[brief.valid] += 1
            self._causes.add(brief.cause)
        self.stops = self.stops or self._stops(brief)
        self.briefs.append(brief)
        return brief

    def _stops(self, brief: Brief) -> bool:
        """Whether a search that stops at the first failure stops at this run."""
        return brief.valid is False or (brief.valid is not True and not self._manner.wide)


def fresh_attempt(scenario: Scenario, number: int, manner: Manner) -> Attempt:
    """Return run `number` of a search of `scenario` that learns nothing."""
    seed = scenario.seed + number
    if manner.wide:
        scenario = widened(scenario, manner.said, Tape(seed).stream("widths"))
    return Attempt(number, msgspec.structs.replace(scenario, seed=seed))


def search(
    scenario: Scenario,
    *,
    seeds: int | None,
    budget_s: float | None,
    jobs: int,
    stop_at_first: bool,
    progress: Callable[[int, int], None],
    keep: Callable[[Attempt], str],
    manner: Manner = PLAIN,
    memory: Memory = NOTHING_YET,
) -> Search:
    """Try until `seeds` runs are made, `budget_s` is over, or one is not valid.

    `progress(done, not_valid)` is called now and then, `keep(attempt)` for the first run of each cause: it returns the folder.
    With a `memory` the search goes on where that one ended. Ctrl-C ends it with what it has, once it has a seed. Raises
    NotDeterministic, WorkerDied, and what a broken plan raises.
    """
    began_s = time.monotonic() - memory.spent_s
    course = _Course(scenario, seeds, manner, memory)
    interrupted = False

    def over() -> bool:
        late = budget_s is not None and time.monotonic() - began_s >= budget_s
        return bool(course.briefs) and (late or (course.stops and stop_at_first))

    try:
        checked = is_checked(manner.self_check)
        for reached in () if over() else carried_out(course.decide, jobs, checked):
            brief = course.took(reached, keep)
            memory.remember(brief, time.monotonic() - began_s)
            progress(len(course.briefs), course.failed)
            if over():
                break
    except KeyboardInterrupt:
        if not course.briefs:
            raise
        interrupted = True
    return _summed(course, time.monotonic() - began_s, interrupted=interrupted)


def _summed(course: _Course, wall_s: float, *, interrupted: bool) -> Search:
    briefs = course.briefs
    facts: dict[str, Any] = {}
    seeds_with: dict[str, int] = {}
    for brief in briefs:
        sum_facts(facts, brief.facts)
        for name, value in brief.facts.items():
            seeds_with[name] = seeds_with.get(name, 0) + (amount_of(value) > 0)
    return Search(
        valid=merge_valid([brief.valid for brief in briefs]),
        briefs=briefs,
        facts=facts,
        seeds_with=seeds_with,
        first=next(
            (brief for valid in (False, "unknown") for brief in briefs if brief.valid == valid),
            None,
        ),
        causes=grouped(briefs),
        cells=course.steering.runs_by_cell(),
        wall_s=wall_s,
        cpu_s=sum(brief.cpu_s for brief in briefs),
        interrupted=interrupted,
    )


def sum_facts(total: dict[str, Any], facts: dict[str, Any]) -> None:
    """Add `facts` to `total`, tables entry by entry; what cannot be summed is left out."""
    for name, value in facts.items():
        if name in _NOT_SUMMED or isinstance(value, str | float | list):
            continue
        if isinstance(value, dict):
            sum_facts(total.setdefault(name, {}), value)
        else:
            total[name] = total.get(name, 0) + int(value)


def amount_of(value: Any) -> int:
    """Return a fact as a number: a table counts as the sum of it."""
    if isinstance(value, dict):
        return sum(amount_of(one) for one in value.values())
    return int(value) if isinstance(value, int) else 0
