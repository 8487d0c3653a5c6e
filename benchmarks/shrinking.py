"""How small the failures of the seeded bugs become, and how long that takes.

For every bug of the catalogue: the first failing run among a few seeds of the workloads that can meet it, shrunk within a
budget. Printed are operations, faults and nodes before and after, whether everything was tried, how many replays of the
result were byte for byte the same, and whether the same scenario is free of this failure without the bug (else the failure
would not be the bug's). Targets: at the median at most ten operations and three faults.

    python benchmarks/shrinking.py [--budget SECONDS] [--seeds N] [--bug ID]... [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgspec

from cluster.bugs.catalogue import CATALOGUE
from harness.campaign.runs import run_seed
from harness.campaign.shrink import CannotShrink, shrink
from harness.campaign.shrink_cause import Cause, causes_of, main_cause
from harness.campaign.simulate import simulate
from harness.cli.options import known
from harness.scenario import Scenario, load_scenario
from harness.store import Store, open_run
from workloads.catalogue import WORKLOADS

OPERATIONS_TARGET, FAULTS_TARGET = 10, 3

MEETS = {
    "B-": ("registry",),
    "R-": ("set", "register"),
    "K-": ("append", "lock", "bank", "queue", "counter", "session", "long-fork", "register"),
}
"""How a bug's id begins -> workloads that can meet it; of any other bug all of them."""

ELSEWHERE = {
    "B-S2": "it needs a memory store, which no scenario chooses: tests/unit/machine/test_registry_bugs.py",
}
"""Bugs that no simulated run can show, and where they are shown instead."""


def attempts(bug: str, seeds: int) -> Iterator[Scenario]:
    """Scenarios that may fail with `bug`: seed by seed, workload by workload; of the store's every other one insists."""
    workloads = next(
        (names for head, names in MEETS.items() if bug.startswith(head)), tuple(WORKLOADS)
    )
    for seed in range(seeds):
        for workload in workloads:
            insists = "insists" in WORKLOADS[workload].options
            options = {"insists": True} if insists and seed % 2 else {}
            limits = {} if workload == "registry" else {"time_limit_s": 6.0, "rate": 40.0}
            yield Scenario(workload=workload, seed=seed, bug=bug, options=options, **limits)


def measure(bug: str, seeds: int, budget_s: float, jobs: int) -> dict[str, Any]:
    """Find a failure of `bug` and shrink it."""
    for scenario in attempts(bug, seeds):
        if main_cause(simulate(scenario).results) is not None:
            break
    else:
        return {"bug": bug, "found": False}
    with tempfile.TemporaryDirectory(prefix="reprise-shrinking-") as folder:
        kept = run_seed(scenario, Store(Path(folder)), "begun")
        about = {"bug": bug, "found": True, "workload": scenario.workload, "seed": scenario.seed}
        try:
            summary = shrink(
                open_run(Path(kept["run"])),
                known(),
                budget_s=budget_s,
                jobs=jobs,
                progress=_silence,
            )
        except CannotShrink as reason:
            return {**about, "shrunk": False, "why": str(reason)}
        text = Path(summary["scenario"]).read_text(encoding="utf-8")
    clean = msgspec.structs.replace(load_scenario(text, known()), bug="")
    cause = msgspec.convert(summary["cause"], Cause)
    names = (
        "operations",
        "faults",
        "nodes",
        "before",
        "complete",
        "tried",
        "wall_s",
        "replays",
        "identical",
    )
    return {
        **about,
        "shrunk": True,
        "cause": cause.words,
        **{name: summary[name] for name in names},
        "clean": cause not in causes_of(simulate(clean).results),
    }


def _silence(_tried: int, _words: str) -> None:
    """Say nothing while it runs."""


def summary_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians over all bugs that were shrunk, and which were not."""
    shrunk = [row for row in rows if row.get("shrunk")]
    return {
        "bugs": len(rows),
        "shrunk": len(shrunk),
        "not_found": [row["bug"] for row in rows if not row["found"]],
        "not_shrunk": [row["bug"] for row in rows if row["found"] and not row["shrunk"]],
        "median_operations": statistics.median([row["operations"] for row in shrunk]),
        "median_faults": statistics.median([row["faults"] for row in shrunk]),
        "median_nodes": statistics.median([row["nodes"] for row in shrunk]),
        "median_wall_s": statistics.median([row["wall_s"] for row in shrunk]),
        "above_target": [
            row["bug"]
            for row in shrunk
            if row["operations"] > OPERATIONS_TARGET or row["faults"] > FAULTS_TARGET
        ],
        "all_replays_identical": all(row["replays"] == row["identical"] for row in shrunk),
        "all_clean_without_bug": all(row["clean"] for row in shrunk),
    }


def _line(row: dict[str, Any]) -> str:
    if not row["found"]:
        return f"{row['bug']:6} no failing seed"
    if not row["shrunk"]:
        return f"{row['bug']:6} {row['workload']:12} {row['why']}"
    sizes = " ".join(
        f"{row['before'][name]:>4} > {row[name]:<3}" for name in ("operations", "faults", "nodes")
    )
    end = "" if row["complete"] else ", time over"
    clean = "" if row["clean"] else ", FAILS WITHOUT THE BUG"
    return (
        f"{row['bug']:6} {row['workload']:12} {sizes} {row['tried']:>5} runs {row['wall_s']:>6.1f} s "
        f"{row['identical']}/{row['replays']} same  {row['cause']}{end}{clean}"
    )


def main() -> int:
    """Measure, print, and return 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds for each bug")
    parser.add_argument("--seeds", type=int, default=40, help="seeds tried to find a failure")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--bug", action="append", choices=sorted(CATALOGUE))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for bug in arguments.bug or [bug for bug in CATALOGUE if bug not in ELSEWHERE]:
        rows.append(measure(bug, arguments.seeds, arguments.budget, arguments.jobs))
        print(_line(rows[-1]), file=sys.stderr if arguments.json else sys.stdout, flush=True)
    result = summary_of(rows)
    print(json.dumps({**result, "rows": rows}) if arguments.json else json.dumps(result, indent=2))
    reached = (
        result["median_operations"] <= OPERATIONS_TARGET
        and result["median_faults"] <= FAULTS_TARGET
    )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
