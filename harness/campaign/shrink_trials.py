"""Trying candidates: does this scenario fail alike? On several cores, within a budget, nothing asked twice.

Candidates come in an order, and the first that fails alike is taken whichever process was faster: the result depends on the
answers alone. Other processes are started when a run takes long enough for them to pay.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

import msgspec

from harness.campaign.shrink_answers import Answers
from harness.campaign.shrink_cause import Cause, shows
from harness.campaign.shrink_course import Course, scenario_of
from harness.campaign.simulate import simulate
from harness.campaign.workers import begin_worker
from harness.errors import RunFailed, RunStuck, UserMistake
from harness.scenario import Scenario

__all__ = ["OutOfTime", "Trials", "fails_alike", "is_the_bugs"]

POOL_PAYS_S = 0.02
"""A run shorter than this costs less than handing it to another process."""

POOL_AFTER_S = 10.0
"""Time spent on runs before other processes are started: they cost seconds, and most shrinking is over by then."""


class OutOfTime(Exception):
    """The budget is used up: what was found so far is the result."""


def fails_alike(scenario: Scenario, cause: Cause) -> bool:
    """Run `scenario` and return whether it is invalid for `cause`; one that cannot be run to its end is not."""
    try:
        finished = simulate(scenario)
    except (UserMistake, RunStuck):
        return False
    return shows(cause, finished.results, finished.history)


def is_the_bugs(scenario: Scenario, cause: Cause) -> bool:
    """Whether `scenario` has a seeded bug and does not fail alike without it."""
    clean = msgspec.structs.replace(scenario, bug="")
    return bool(scenario.bug) and not fails_alike(clean, cause)


def _alike(scenario: Scenario, cause: Cause, *, bugs_own: bool) -> bool:
    return fails_alike(scenario, cause) and (not bugs_own or is_the_bugs(scenario, cause))


class Trials:
    """`over` says whether the budget is used up; `progress(tried)` is told after each run.

    With `bugs_own` a candidate must not fail alike without the seeded bug: then that is no longer why it fails.
    """

    def __init__(
        self,
        cause: Cause,
        answers: Answers,
        *,
        jobs: int,
        bugs_own: bool,
        over: Callable[[], bool],
        progress: Callable[[int], None],
    ) -> None:
        self._cause = cause
        self._answers = answers
        self._jobs = jobs
        self._bugs_own = bugs_own
        self._over = over
        self._progress = progress
        self._pool: ProcessPoolExecutor | None = None
        self._run_s = self._spent_s = 0.0
        self.tried = 0
        """Runs made in this process's life and its workers'; answers that were known are none."""

    def first(self, candidates: Iterable[Course]) -> Course | None:
        """Return the first candidate that fails alike, or None. Raises OutOfTime, RunFailed when a worker died."""
        source = iter(candidates)
        return self._first_there(source) if self._pool_pays() else self._first_here(source)

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _first_here(self, source: Iterator[Course]) -> Course | None:
        for course in source:
            scenario = scenario_of(course)
            alike = self._answers.of(scenario)
            if alike is None:
                began_s = time.monotonic()
                alike = _alike(scenario, self._cause, bugs_own=self._bugs_own)
                self._note(scenario, alike=alike, took_s=time.monotonic() - began_s)
            if alike:
                return course
            if self._pool_pays():
                return self._first_there(source)
        return None

    def _pool_pays(self) -> bool:
        return self._jobs > 1 and self._run_s >= POOL_PAYS_S and self._spent_s >= POOL_AFTER_S

    def _first_there(self, source: Iterator[Course]) -> Course | None:
        pool = self._pool = self._pool or ProcessPoolExecutor(
            self._jobs,
            mp_context=multiprocessing.get_context("forkserver"),
            initializer=begin_worker,
        )
        under_way: list[tuple[Course, Scenario, Future[tuple[bool, float]] | bool]] = []
        try:
            while True:
                for course in islice(source, 2 * self._jobs - len(under_way)):
                    scenario = scenario_of(course)
                    known = self._answers.of(scenario)
                    answer = (
                        pool.submit(_timed, scenario, self._cause, bugs_own=self._bugs_own)
                        if known is None
                        else known
                    )
                    under_way.append((course, scenario, answer))
                if not under_way:
                    return None
                course, scenario, coming = under_way.pop(0)
                if isinstance(coming, bool):
                    alike = coming
                else:
                    alike, took_s = coming.result()
                    self._note(scenario, alike=alike, took_s=took_s)
                if alike:
                    return course
        except BrokenProcessPool as error:
            raise RunFailed("a worker process died while it ran a candidate") from error
        finally:
            for _, _, coming in under_way:
                if not isinstance(coming, bool):
                    coming.cancel()

    def _note(self, scenario: Scenario, *, alike: bool, took_s: float) -> None:
        self._answers.note(scenario, alike=alike)
        self._run_s = took_s
        self._spent_s += took_s
        self.tried += 1
        self._progress(self.tried)
        if self._over():
            raise OutOfTime


def _timed(scenario: Scenario, cause: Cause, *, bugs_own: bool) -> tuple[bool, float]:
    began_s = time.monotonic()
    return _alike(scenario, cause, bugs_own=bugs_own), time.monotonic() - began_s
