"""Shrinking a failing run: the smallest scenario that still fails for the same cause, proved by replaying it.

The run is written down exactly (`shrink_course`), made smaller as long as it fails alike (`shrink_minimise`, `shrink_trials`),
run again a hundred times, and set beside its closest passing sibling. Ended at any moment it goes on at the next call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

from cluster.worlds.tape import Tape
from harness.campaign.outcome import Finished
from harness.campaign.plan import make_plan
from harness.campaign.shrink_answers import Answers, code_version
from harness.campaign.shrink_cause import Cause, main_cause
from harness.campaign.shrink_course import Course, course_of, scenario_of
from harness.campaign.shrink_folder import Shrunk, ShrunkFolder, summary_of
from harness.campaign.shrink_minimise import minimise
from harness.campaign.shrink_passes import with_seeds
from harness.campaign.shrink_sibling import closest_sibling
from harness.campaign.shrink_trials import OutOfTime, Trials, is_the_bugs
from harness.campaign.simulate import simulate
from harness.errors import UserMistake
from harness.scenario import Known, load_scenario
from harness.store import RunFolder

__all__ = ["REPLAYS", "CannotShrink", "shrink"]

REPLAYS = 100
"""How often the result is run again, if the budget lasts."""

FIRST_SEEDS = 32
"""Under how many seeds the exact course is tried before it is given up; a run on real nodes has none of its own here."""

PROOF_SHARE = 0.2
"""How much of the budget is kept for replays and siblings."""


Ended = Literal["complete", "late", "interrupted"]
"""Nothing more can be left out; the time is over; somebody ended it."""


class CannotShrink(UserMistake):
    """There is no failure in the run, or it does not come again when the run is written down exactly."""


def shrink(
    run: RunFolder,
    known: Known,
    *,
    budget_s: float,
    jobs: int,
    progress: Callable[[int, str], None],
) -> dict[str, Any]:
    """Shrink `run` for at most `budget_s` seconds and leave the result in its folder ``shrunk``; return the summary.

    `progress(tried, words)` is told of every run made. Raises CannotShrink, NotARunFolder, ScenarioError, HistoryDamaged.
    """
    began_s = time.monotonic()
    cause, course = _written_down(run, known)
    folder = ShrunkFolder(run)
    answers = Answers(folder.answers, f"{cause} {scenario_of(course)} {code_version()}")
    size = course.size

    def over(share: float) -> bool:
        return time.monotonic() - began_s >= share * budget_s

    trials = Trials(
        cause,
        answers,
        jobs=jobs,
        bugs_own=is_the_bugs(scenario_of(course), cause),
        over=lambda: over(1 - PROOF_SHARE),
        progress=lambda tried: progress(tried, _words(best[-1].size)),
    )
    best = [course]
    try:
        ended = _descend(course, trials, best.append)
    finally:
        trials.close()
        answers.close()
    course = best[-1]
    finished = simulate(scenario_of(course))
    hasty = ended == "interrupted"
    replays, identical = _replays(finished, lambda: hasty or over(1.0))
    beside = closest_sibling(course, finished, lambda: hasty or over(1.0))
    shrunk = Shrunk(
        run=str(run.path),
        cause=cause,
        before=size,
        after=course.size,
        complete=ended == "complete",
        tried=len(answers.known),
        wall_s=round(time.monotonic() - began_s, 1),
        replays=replays,
        identical=identical,
        sibling=beside[0] if beside else None,
    )
    folder.write(finished, shrunk, beside[1] if beside else None)
    return {**summary_of(shrunk, folder), "interrupted": ended == "interrupted"}


def _written_down(run: RunFolder, known: Known) -> tuple[Cause, Course]:
    """Return why `run` failed, and its course. Raises CannotShrink."""
    results = run.read_results()
    cause = main_cause(results)
    if cause is None:
        verdict = {True: "valid", False: "invalid without a finding"}.get(
            results["valid"], "unknown"
        )
        raise CannotShrink(f"{run.path}: the run is {verdict}; there is no failure to make smaller")
    scenario = load_scenario(run.read_scenario(), known)
    recorded = run.read_tape() if scenario.world == "sim" else None
    plan = make_plan(scenario, Tape(scenario.seed, recorded))
    return cause, course_of(plan, run.read_history().operations)


def _descend(course: Course, trials: Trials, found: Callable[[Course], None]) -> Ended:
    """Go down from `course`; every course that fails alike is `found`. Raises CannotShrink when there is not even one."""
    failing: Course | None = None
    try:
        failing = trials.first([course]) or trials.first(with_seeds(course, FIRST_SEEDS))
        if failing is None:
            raise CannotShrink(
                f"written down exactly, the run does not fail alike under any of {FIRST_SEEDS} seeds: "
                "its failure hangs on the timing of single messages; reprise replay shows it again"
            )
        found(failing)
        minimise(failing, trials.first, found)
    except OutOfTime:
        if failing is None:
            raise CannotShrink(
                "the budget ended before the run had failed once more; give it a longer --budget"
            ) from None
        return "late"
    except KeyboardInterrupt:
        if failing is None:
            raise
        return "interrupted"
    return "complete"


def _replays(finished: Finished, over: Callable[[], bool]) -> tuple[int, int]:
    """Run `finished` again, up to `REPLAYS` times and at least once; return how often, and how often it was the same run."""
    fingerprint = finished.results["fingerprint"]
    done = identical = 0
    while done < REPLAYS and not (done and over()):
        identical += simulate(finished.scenario).results["fingerprint"] == fingerprint
        done += 1
    return done, identical


def _words(size: tuple[int, int, int]) -> str:
    faults, operations, nodes = size
    return f"{operations} operations, {faults} faults, {nodes} nodes"
