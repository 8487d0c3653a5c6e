"""Carrying a kept run out in another world, and saying whether it failed alike there; or looking for it in simulation, seed by seed.

What is carried, and how, stands in `carry`; here it is run and held against the first run. A failure came again when the
same checker names the same anomaly behind the same crash point (`shrink_cause`): another failure is none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cluster.worlds.ssh.places import Reach
from cluster.worlds.tape import Tape
from harness.campaign.carry import carried
from harness.campaign.carry_like import likeness, story_of
from harness.campaign.needs import check_needs
from harness.campaign.places import PLACES, Say, prepare
from harness.campaign.plan import make_plan
from harness.campaign.runs import run_real, run_seed
from harness.campaign.shrink_cause import Cause, causes_of, main_cause, shows
from harness.campaign.simulate import simulate
from harness.errors import RunStuck, UserMistake
from harness.scenario import Known, Scenario, load_scenario
from harness.store import RunFolder, Store, open_run

__all__ = ["CannotCarry", "Carried", "carry_out", "look_for_like", "written_down"]


class CannotCarry(UserMistake):
    """There is no failure in the run that could be found elsewhere."""


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """A failure ready to be looked for in another world: `cause` is what must come again, `story` what the first run came to."""

    run: str
    scenario: Scenario
    cause: Cause
    story: list[str]


def written_down(folder: RunFolder, known: Known, world: str) -> Carried:
    """Return the failure in `folder` as a scenario for `world`, checked against what that can do.

    Raises CannotCarry, NotARunFolder, ScenarioError, HistoryDamaged, WorldCannot.
    """
    results = folder.read_results()
    cause = main_cause(results)
    if cause is None:
        raise CannotCarry(
            f"{folder.path}: nothing in this run is invalid; there is no failure to carry"
        )
    scenario = load_scenario(folder.read_scenario(), known)
    recorded = folder.read_tape() if scenario.world == "sim" else None
    history, trace = folder.read_history().operations, folder.read_trace()
    there = carried(make_plan(scenario, Tape(scenario.seed, recorded)), history, trace, world)
    check_needs(there)
    return Carried(
        run=str(folder.path), scenario=there, cause=cause, story=story_of(history, trace)
    )


def carry_out(
    failure: Carried, store: Store, start_time: str, say: Say, reach: Reach | None = None
) -> dict[str, Any]:
    """Run `failure` once where its scenario says and keep the run; return the summary.

    `again` tells whether it failed alike, `causes_there` what it failed of. Raises RunFailed, UserMistake.
    """
    scenario = failure.scenario
    if scenario.world in PLACES:
        prepare(scenario, say, reach)
        summary = run_real(scenario, store, start_time, reach)
    else:
        summary = run_seed(scenario, store, start_time)
    return _judged(failure, summary)


def look_for_like(
    failure: Carried,
    store: Store,
    start_time: str,
    *,
    seeds: int | None,
    budget_s: float | None,
    progress: Callable[[int], None],
) -> dict[str, Any]:
    """Run `failure`, carried to the simulation, under one seed after the other until it fails alike; keep that run.

    Ends after `seeds` or `budget_s` seconds. Returns the summary of that run, or of the first seed when none failed alike, and
    under ``seeds`` how many were run.
    """
    began_s = time.monotonic()
    tried, found = 0, False
    while not found and (seeds is None or tried < seeds):
        if tried and budget_s is not None and time.monotonic() - began_s >= budget_s:
            break
        found = _fails_alike(failure, tried)
        tried += 1
        progress(tried)
    seed = tried - 1 if found else 0
    summary = run_seed(_with_seed(failure.scenario, seed), store, start_time)
    return {**_judged(failure, summary), "seeds": tried}


def _fails_alike(failure: Carried, seed: int) -> bool:
    try:
        finished = simulate(_with_seed(failure.scenario, seed))
    except (RunStuck, UserMistake):
        return False
    return shows(failure.cause, finished.results, finished.history)


def _judged(failure: Carried, summary: dict[str, Any]) -> dict[str, Any]:
    """`summary` of a run, with how it compares to the first."""
    there = open_run(Path(summary["run"]))
    history = there.read_history().operations
    return {
        **summary,
        "again": shows(failure.cause, summary, history),
        "cause": msgspec.to_builtins(failure.cause),
        "causes_there": msgspec.to_builtins(causes_of(summary)),
        "likeness": round(likeness(failure.story, story_of(history, there.read_trace())), 3),
        "carried_from": failure.run,
    }


def _with_seed(scenario: Scenario, seed: int) -> Scenario:
    return msgspec.structs.replace(scenario, seed=seed)
