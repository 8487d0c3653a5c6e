"""Many seeds of one scenario in simulation, on all cores, in the order of seeds.

Workers return only what a summary needs; whoever wants the whole run of a seed simulates it again, which a deterministic
simulator makes exact. One seed in a hundred is run twice on the spot and its fingerprints compared.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import count, islice
from typing import Any

import msgspec

from harness.campaign.simulate import simulate
from harness.campaign.workers import begin_worker
from harness.checkers.checker import Valid, merge_valid
from harness.errors import RunFailed
from harness.scenario import Scenario

__all__ = [
    "NOTHING_YET",
    "Brief",
    "Memory",
    "NotDeterministic",
    "Search",
    "amount_of",
    "search",
    "sum_facts",
]

CHUNK_SEEDS = 4
RECHECK_EVERY = 100
_NOT_SUMMED = ("latency_ns", "ok_fraction")


class NotDeterministic(RunFailed):
    """The same seed gave two different runs: nothing that this simulator says can be trusted until that is mended."""


class WorkerDied(RunFailed):
    """A worker process ended while it ran the seeds that the message names."""


class Brief(msgspec.Struct, frozen=True):
    """What a search keeps of a seed."""

    seed: int
    valid: Valid
    fingerprint: str
    facts: dict[str, Any]
    cpu_s: float


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
    """The result. `valid` is the worst of all seeds; `facts` are summed over them; `first` is the first that is not valid.

    `interrupted`: somebody ended it before its time.
    """

    valid: Valid
    briefs: list[Brief]
    facts: dict[str, Any]
    seeds_with: dict[str, int]
    """Fact -> in how many seeds it was above zero."""
    first: Brief | None
    wall_s: float
    cpu_s: float
    interrupted: bool


def search(
    scenario: Scenario,
    *,
    seeds: int | None,
    budget_s: float | None,
    jobs: int,
    stop_at_first: bool,
    progress: Callable[[int, int], None],
    memory: Memory = NOTHING_YET,
) -> Search:
    """Run seeds `scenario.seed`, +1, +2 ... until `seeds` are done, `budget_s` is over, or one is not valid.

    `progress(done, not_valid)` is called now and then. With a `memory` the search goes on where that one ended. Ctrl-C ends
    it with what it has, once it has a seed. Raises NotDeterministic, WorkerDied, and what a broken plan raises.
    """
    began_s = time.monotonic() - memory.spent_s
    briefs = list(memory.briefs)
    failed = sum(brief.valid is not True for brief in briefs)
    interrupted = False

    def over() -> bool:
        late = budget_s is not None and time.monotonic() - began_s >= budget_s
        return bool(briefs) and (late or (failed > 0 and stop_at_first))

    try:
        for brief in () if over() else _in_order(scenario, _left(scenario, seeds, briefs), jobs):
            briefs.append(brief)
            failed += brief.valid is not True
            memory.remember(brief, time.monotonic() - began_s)
            progress(len(briefs), failed)
            if over():
                break
    except KeyboardInterrupt:
        if not briefs:
            raise
        interrupted = True
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
        first=next((brief for brief in briefs if brief.valid is not True), None),
        wall_s=time.monotonic() - began_s,
        cpu_s=sum(brief.cpu_s for brief in briefs),
        interrupted=interrupted,
    )


def _left(scenario: Scenario, seeds: int | None, done: Sequence[Brief]) -> Iterator[int]:
    """The seeds that have not been run yet."""
    first = scenario.seed + len(done)
    return count(first) if seeds is None else iter(range(first, scenario.seed + seeds))


def _in_order(scenario: Scenario, source: Iterator[int], jobs: int) -> Iterator[Brief]:
    """Yield briefs in the order of seeds; at most a few chunks per job are under way."""
    if jobs == 1:
        for seed in source:
            yield _run_seed(scenario, seed)
        return
    context = multiprocessing.get_context("forkserver")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=begin_worker)
    under_way: list[tuple[list[int], Future[list[Brief]]]] = []
    try:
        while True:
            while len(under_way) < 2 * jobs and (chunk := list(islice(source, CHUNK_SEEDS))):
                under_way.append((chunk, pool.submit(_run_chunk, scenario, chunk)))
            if not under_way:
                return
            chunk, future = under_way.pop(0)
            try:
                yield from future.result()
            except BrokenProcessPool as error:
                raise WorkerDied(f"a worker process died while it ran the seeds {chunk}") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _run_chunk(scenario: Scenario, seeds: list[int]) -> list[Brief]:
    return [_run_seed(scenario, seed) for seed in seeds]


def _run_seed(scenario: Scenario, seed: int) -> Brief:
    began_s = time.process_time()
    one = msgspec.structs.replace(scenario, seed=seed)
    results = simulate(one).results
    if seed % RECHECK_EVERY == 0:
        again = simulate(one).results["fingerprint"]
        if again != results["fingerprint"]:
            raise NotDeterministic(
                f"seed {seed} ran twice and gave {results['fingerprint']} and {again}"
            )
    cpu_s = time.process_time() - began_s
    return Brief(seed, results["valid"], results["fingerprint"], results["facts"], cpu_s)


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
