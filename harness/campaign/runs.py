"""The jobs that end in a run folder: one seed, many seeds, one run on real nodes. Each returns a summary.

A summary is what ``--json`` prints: the results of one run, or the sum over many seeds with the folder of the one that is
worth looking at (the first that is not valid, else the one that replayed most).
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cluster.worlds.ssh.places import Reach
from harness.campaign.attempt import Attempt, finish
from harness.campaign.coverage_folder import page_file, write_coverage
from harness.campaign.execute import execute
from harness.campaign.outcome import Finished, keep
from harness.campaign.search import (
    NOTHING_YET,
    PLAIN,
    Manner,
    Memory,
    Search,
    amount_of,
    fresh_attempt,
    search,
)
from harness.campaign.simulate import simulate
from harness.scenario import Scenario
from harness.store import RunFolder, Store, open_run
from workloads.catalogue import WORKLOADS

__all__ = ["command_of", "run_real", "run_seed", "run_seeds"]

MANY_SEEDS = 20


def run_seed(scenario: Scenario, store: Store, start_time: str) -> dict[str, Any]:
    """Simulate exactly this seed and keep it."""
    finished = simulate(scenario)
    return _kept(finished, store.create(scenario.name or scenario.workload, start_time))


def run_real(
    scenario: Scenario, store: Store, start_time: str, reach: Reach | None = None
) -> dict[str, Any]:
    """Run on real nodes and keep it; the machine was prepared (`places.prepare`). Raises RunFailed."""
    folder = store.create(scenario.name or scenario.workload, start_time)
    return _kept(execute(scenario, folder, reach), folder, reach)


def run_seeds(
    scenario: Scenario,
    store: Store,
    start_time: str,
    *,
    seeds: int | None,
    jobs: int,
    progress: Callable[[int, int], None],
    budget_s: float | None = None,
    stop_at_first: bool = True,
    manner: Manner = PLAIN,
    memory: Memory = NOTHING_YET,
) -> dict[str, Any]:
    """Search seeds, keep the ones worth looking at, and return the sum. A search that was interrupted has one too.

    Kept are the first run of each cause, or of a search without failures the fresh one that replayed most.
    """

    def keep_run(attempt: Attempt) -> str:
        folder = store.create(scenario.name or scenario.workload, start_time)
        return str(_kept(finish(attempt), folder)["run"])

    found = search(
        scenario,
        seeds=seeds,
        budget_s=budget_s,
        jobs=jobs,
        stop_at_first=stop_at_first,
        progress=progress,
        keep=keep_run,
        manner=manner,
        memory=memory,
    )
    run = found.first.run if found.first else keep_run(_noteworthy(scenario, found, manner))
    return _summary(scenario, found, open_run(Path(run)), _missing(scenario, found))


def _noteworthy(scenario: Scenario, found: Search, manner: Manner) -> Attempt:
    """Return the fresh attempt that replayed most."""
    number, _ = max(
        ((number, one) for number, one in enumerate(found.briefs) if one.how == "fresh"),
        key=lambda numbered: numbered[1].facts.get("replayed_registrations", 0),
    )
    return fresh_attempt(scenario, number, manner)


def _missing(scenario: Scenario, found: Search) -> list[dict[str, Any]]:
    """Say which facts the workload needs over many seeds and the search did not see.

    Nothing is asked of a few seeds, nor where the scenario chose its own faults: then it knows what it left out.
    """
    if len(found.briefs) < MANY_SEEDS or scenario.nemesis or scenario.faults:
        return []
    needed = WORKLOADS[scenario.workload].over_many
    return [
        {
            "checker": "stimuli",
            "what": f"{len(found.briefs)} seeds together needed {fact} at least {least} times, so a pass would "
            "mean nothing",
        }
        for fact, least in needed.items()
        if amount_of(found.facts.get(fact, 0)) < least
    ]


def _summary(
    scenario: Scenario, found: Search, folder: RunFolder, missing: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the summary of a search whose noteworthy run lies in `folder`."""
    kept = folder.read_results()
    write_coverage(folder, found)
    return {
        "valid": "unknown" if missing and found.valid is True else found.valid,
        "workload": scenario.workload,
        "world": scenario.world,
        "seeds": len(found.briefs),
        "seeds_not_valid": [brief.seed for brief in found.briefs if brief.valid is not True],
        "causes": msgspec.to_builtins(found.causes),
        "cells": dict(Counter(str(cell[0]) for cell in found.cells)),
        "ways": dict(Counter(brief.how for brief in found.briefs)),
        "checked_twice": sum(brief.checked for brief in found.briefs),
        "seed": kept["seed"],
        "fingerprint": kept["fingerprint"],
        "facts": found.facts,
        "seeds_with": found.seeds_with,
        "wall_s": round(found.wall_s, 3),
        "cpu_s": round(found.cpu_s, 3),
        "interrupted": found.interrupted,
        "evidence": [*kept["evidence"], *missing],
        "checkers": kept["checkers"],
        "command": kept["command"],
        "run": str(folder.path),
        "report": str(folder.report),
        "coverage": str(page_file(folder)),
    }


def command_of(scenario: Scenario, folder: RunFolder, reach: Reach | None = None) -> str:
    """Return the command that repeats the run: byte for byte where it can be, else by its scenario file, on the same hosts."""
    if scenario.world == "sim":
        return f"./reprise replay {shlex.quote(str(folder.path))}"
    words = ["./reprise", "run", "--scenario", str(folder.scenario)]
    if scenario.world == "ssh" and reach is not None:
        said = {
            "--hosts": ",".join(reach.hosts),
            "--ssh-key": reach.key,
            "--known-hosts": reach.known_hosts,
            "--node-port": str(reach.node_port or ""),
        }
        words += [word for option, value in said.items() if value for word in (option, value)]
    return shlex.join(words)


def _kept(finished: Finished, folder: RunFolder, reach: Reach | None = None) -> dict[str, Any]:
    results = {**finished.results, "command": command_of(finished.scenario, folder, reach)}
    results["started"] = folder.start_time
    keep(msgspec.structs.replace(finished, results=results), folder)
    return {**results, "run": str(folder.path), "report": str(folder.report)}
