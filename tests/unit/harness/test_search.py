"""Searches: short runs, really made, in one process unless it is said otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.campaign.attempt import Attempt
from harness.campaign.coverage_folder import read_coverage
from harness.campaign.replay import replay
from harness.campaign.runs import run_seeds
from harness.campaign.search import PLAIN, Brief, Manner, Memory, Search, search
from harness.campaign.simulate import simulate
from harness.cli.options import known
from harness.scenario import Scenario
from harness.store import Store, open_run

SHORT = Scenario(workload="set", nodes=3, time_limit_s=0.6, seed=40)
STEERED = Manner(steered=True, wide=True, said=frozenset({"nodes"}), self_check=0.0)
BROKEN = msgspec.structs.replace(SHORT, workload="queue", bug="K-13")
"""An element comes out twice: nearly every seed shows it."""


def searched(scenario: Scenario, manner: Manner, **fields: Any) -> Search:
    """A search of 40 runs that keeps nothing."""
    given = {
        "seeds": 40,
        "budget_s": None,
        "jobs": 1,
        "stop_at_first": False,
        "keep": lambda _attempt: "kept",
    }
    return search(
        scenario, manner=manner, progress=lambda _done, _failed: None, **{**given, **fields}
    )


def without_cost(briefs: list[Brief]) -> list[Brief]:
    """What they came to, but for how long it took."""
    return [msgspec.structs.replace(brief, cpu_s=0.0) for brief in briefs]


@pytest.mark.slow
def test_how_many_processes_carry_it_out_changes_nothing() -> None:
    """A steered search of one process and one of three try the same, in the same order."""
    one, three = (searched(SHORT, STEERED, jobs=jobs) for jobs in (1, 3))

    assert without_cost(one.briefs) == without_cost(three.briefs)
    assert one.cells == three.cells
    assert {brief.how for brief in one.briefs} == {"fresh", "again", "altered"}


@pytest.mark.slow
def test_a_plain_search_runs_the_seeds_of_the_scenario() -> None:
    """Nothing is drawn that the scenario says, and nothing is learnt."""
    found = searched(SHORT, PLAIN, seeds=3)

    assert [brief.seed for brief in found.briefs] == [40, 41, 42]
    for brief in found.briefs:
        again = simulate(msgspec.structs.replace(SHORT, seed=brief.seed))
        assert again.results["fingerprint"] == brief.fingerprint


@pytest.mark.slow
def test_one_run_of_each_cause_is_kept_and_can_be_replayed(tmp_path: Path) -> None:
    """Of a search that goes on, also of runs that followed others."""
    summary = run_seeds(
        BROKEN,
        Store(tmp_path),
        "now",
        seeds=40,
        jobs=1,
        progress=lambda _done, _failed: None,
        stop_at_first=False,
        manner=STEERED,
    )

    causes = summary["causes"]
    assert summary["valid"] is False
    assert sum(group["runs"] for group in causes) == len(summary["seeds_not_valid"])
    assert (
        len({group["cause"] for group in causes}) == len(causes) < len(summary["seeds_not_valid"])
    )
    folders = [open_run(Path(group["run"])) for group in causes]
    kept = {run.path for run in Store(tmp_path).runs()}
    assert kept == {folder.path for folder in folders}
    assert all(replay(folder, known())["identical"] for folder in folders)
    coverage = read_coverage(open_run(Path(summary["run"])))
    assert coverage is not None
    assert sum(coverage.opened) == len(coverage.cells) == sum(summary["cells"].values())


@pytest.mark.slow
def test_a_search_goes_on_where_it_was_ended() -> None:
    """Numbers go on, cells that were reached are not opened again, and causes that were kept are not kept again."""
    told: list[Brief] = []
    kept: list[int] = []

    def keep(attempt: Attempt) -> str:
        kept.append(attempt.number)
        return "kept"

    def half(seeds: int) -> Search:
        memory = Memory(tuple(told), 0.0, lambda brief, _spent_s: told.append(brief))
        return searched(BROKEN, STEERED, seeds=seeds, memory=memory, keep=keep)

    half(15)
    written = msgspec.json.decode(msgspec.json.encode(told), type=list[Brief])
    assert written == told

    found = half(30)

    assert [brief.seed for brief in found.briefs] == list(range(40, 70))
    opened = [cell for brief in found.briefs for cell in brief.opened]
    assert len(opened) == len(set(opened)) == len(found.cells)
    assert len(kept) == len(found.causes)


@pytest.mark.slow
def test_a_search_stops_at_a_failure_and_a_wide_one_not_at_ignorance() -> None:
    """Of a run in surroundings where nothing gets done nobody knows; the next may show something."""
    stopped = searched(BROKEN, STEERED, stop_at_first=True)
    assert [brief.valid for brief in stopped.briefs].index(False) == len(stopped.briefs) - 1

    idle = msgspec.structs.replace(SHORT, stimuli={"kills": 10_000})
    assert len(searched(idle, PLAIN, stop_at_first=True).briefs) == 1
    unknown = searched(idle, STEERED, seeds=4, stop_at_first=True)
    assert (len(unknown.briefs), unknown.valid) == (4, "unknown")
    assert all(group.cause.endswith("stimuli: unknown") for group in unknown.causes)
