"""The runs of a search, carried out on all cores and told in the order of their numbers.

What is tried next is `decide`'s business, who is told of every run before; here is only who carries it out. A worker returns what a
search keeps of a run; whoever wants the whole run carries out the attempt again, which a deterministic simulator makes exact. Some
attempts are carried out twice on the spot (`harness.campaign.self_check`).
"""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import msgspec

from harness.campaign.attempt import Attempt, How, finish
from harness.campaign.causes import cause_of
from harness.campaign.coverage import Cell, cells_of
from harness.campaign.self_check import check_itself
from harness.campaign.steering import LAG, PLAN_STREAMS
from harness.campaign.workers import begin_worker
from harness.checkers.checker import Valid
from harness.errors import RunFailed

__all__ = ["Brief", "Reached", "WorkerDied", "carried_out"]


class WorkerDied(RunFailed):
    """A worker process ended while it ran the seed that the message names."""


class Brief(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a search keeps of a run. `cause` is empty when it was valid; `run` is the folder, where it was kept."""

    seed: int
    valid: Valid
    fingerprint: str
    facts: dict[str, Any]
    cpu_s: float
    how: How = "fresh"
    cause: str = ""
    opened: tuple[Cell, ...] = ()
    """Cells that no run before has reached."""
    run: str = ""
    checked: bool = False
    """Whether it was carried out twice."""


class Reached(msgspec.Struct, frozen=True):
    """What an attempt came to: the cells that it reached, and the draws of its plan."""

    attempt: Attempt
    brief: Brief
    cells: list[Cell]
    plan: dict[str, list[int]]


def carried_out(
    decide: Callable[[], Attempt | None], jobs: int, is_checked: Callable[[int], bool]
) -> Iterator[Reached]:
    """Yield what attempts came to, in order; `decide` is asked for the next one (None: no more) as long as few are under way.

    Whoever takes what is yielded has dealt with it when it asks for the next. Raises WorkerDied, NotDeterministic.
    """
    if jobs == 1:
        yield from _here(decide, is_checked)
        return
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=begin_worker)
    under_way: deque[tuple[Attempt, Future[Reached]]] = deque()
    try:
        while True:
            while len(under_way) < max(LAG, 2 * jobs) and (attempt := decide()) is not None:
                checked = is_checked(attempt.number)
                under_way.append((attempt, pool.submit(_carry_out, attempt, checked=checked)))
            if not under_way:
                return
            attempt, future = under_way.popleft()
            try:
                reached = future.result()
            except BrokenProcessPool as error:
                raise WorkerDied(
                    f"a worker process died while it ran seed {attempt.scenario.seed} or one of the next"
                ) from error
            yield reached
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _here(
    decide: Callable[[], Attempt | None], is_checked: Callable[[int], bool]
) -> Iterator[Reached]:
    """One process decides as far ahead as several would, so that it tries the same."""
    under_way: deque[Attempt] = deque()
    while True:
        while len(under_way) < LAG and (attempt := decide()) is not None:
            under_way.append(attempt)
        if not under_way:
            return
        attempt = under_way.popleft()
        yield _carry_out(attempt, checked=is_checked(attempt.number))


def _carry_out(attempt: Attempt, *, checked: bool) -> Reached:
    began_s = time.process_time()
    finished = finish(attempt)
    results = finished.results
    if checked:
        check_itself(attempt, finished)
    plan = {name: drawn for name, drawn in finished.draws.items() if name in PLAN_STREAMS}
    cells = cells_of(finished.trace)
    brief = Brief(
        seed=attempt.scenario.seed,
        valid=results["valid"],
        fingerprint=results["fingerprint"],
        facts=results["facts"],
        cpu_s=time.process_time() - began_s,
        how=attempt.how,
        cause=cause_of(results),
        checked=checked,
    )
    return Reached(attempt, brief, cells, plan)
