"""How many of the seeded bugs are found: the harness's own regression test.

Each bug has a scenario and a budget of seeds (`cluster.bugs.bug.Way`). It is found when a seed's verdict is invalid and one of the
checkers that must catch it is among those that say so: a conviction for another reason does not count. A bug that
was found once and is not any more is a regression of the harness, not of the cluster.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import msgspec

from cluster.bugs.bug import Bug, Way
from cluster.bugs.catalogue import get
from harness.campaign.simulate import simulate
from harness.campaign.workers import begin_worker
from harness.errors import RunFailed
from harness.scenario import Scenario

__all__ = ["BugScore", "Score", "look_for", "scenario_of", "score"]


class BugScore(msgspec.Struct, frozen=True, kw_only=True):
    """What looking for one bug came to: `seeds` were run, the last of them is `seed`; `cpu_s` all of them took together."""

    id: str
    found: bool
    seeds: int
    seed: int
    cpu_s: float
    checkers: tuple[str, ...] = ()
    """Of those that must catch it, the ones that did."""
    what: str = ""
    """The first finding of them, in words."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """The sum over `bugs`; medians and worst are over the found ones, None when there are none."""

    total: int
    found: int
    median_seeds: float | None
    worst_seeds: int | None
    median_cpu_s: float | None
    worst_cpu_s: float | None
    cpu_s: float
    bugs: list[BugScore]


def scenario_of(bug: Bug, way: Way, seed: int) -> Scenario:
    """Return the scenario that shows `bug`, with `seed`."""
    plain = {name: getattr(way, name) for name in way.__struct_fields__ if name != "seeds"}
    return msgspec.convert({**msgspec.to_builtins(plain), "bug": bug.id, "seed": seed}, Scenario)


def look_for(bug_id: str, budget_s: float | None) -> BugScore:
    """Run seeds until one convicts the bug by the right checker, its budget of seeds is used up, or `budget_s` seconds of CPU."""
    bug = get(bug_id)
    if bug.way is None:
        raise ValueError(f"{bug_id} has no scenario")
    began_s = time.process_time()
    seed = 0
    for seed in range(bug.way.seeds):
        results = simulate(scenario_of(bug, bug.way, seed)).results
        judged = results["checkers"]
        by = tuple(
            name for name in bug.caught_by if name in judged and judged[name]["valid"] is False
        )
        spent_s = time.process_time() - began_s
        if results["valid"] is False and by:
            what = judged[by[0]]["evidence"][0]["what"]
            return BugScore(
                id=bug_id,
                found=True,
                seeds=seed + 1,
                seed=seed,
                cpu_s=spent_s,
                checkers=by,
                what=what,
            )
        if budget_s is not None and spent_s >= budget_s:
            break
    spent_s = time.process_time() - began_s
    return BugScore(id=bug_id, found=False, seeds=seed + 1, seed=seed, cpu_s=spent_s)


def score(
    bugs: Sequence[Bug],
    *,
    budget_s: float | None,
    jobs: int,
    progress: Callable[[BugScore], None],
) -> Score:
    """Look for each of `bugs` that has a scenario, `jobs` at a time; `progress` is told of each when it is done."""
    wanted = [bug.id for bug in bugs if bug.way is not None]
    scores: dict[str, BugScore] = {}
    for one in _all_of(wanted, budget_s, jobs):
        scores[one.id] = one
        progress(one)
    return _sum([scores[bug_id] for bug_id in wanted])


def _all_of(wanted: Sequence[str], budget_s: float | None, jobs: int) -> Iterator[BugScore]:
    """Yield scores as they come. Raises RunFailed when a worker dies."""
    if jobs == 1:
        yield from (look_for(bug_id, budget_s) for bug_id in wanted)
        return
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=begin_worker)
    try:
        under_way = [pool.submit(look_for, bug_id, budget_s) for bug_id in wanted]
        for future in as_completed(under_way):
            yield future.result()
    except BrokenProcessPool as error:
        raise RunFailed("a worker process died while it looked for a bug") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _sum(scores: list[BugScore]) -> Score:
    found = [one for one in scores if one.found]
    return Score(
        total=len(scores),
        found=len(found),
        median_seeds=statistics.median(one.seeds for one in found) if found else None,
        worst_seeds=max((one.seeds for one in found), default=None),
        median_cpu_s=statistics.median(one.cpu_s for one in found) if found else None,
        worst_cpu_s=max((one.cpu_s for one in found), default=None),
        cpu_s=sum(one.cpu_s for one in scores),
        bugs=scores,
    )
