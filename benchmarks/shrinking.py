"""How small the failures of the seeded bugs become, and how long that takes.

For every bug of the catalogue: the first seed of its own scenario that convicts it, found as `bugs score` does, shrunk within a
budget. Printed are operations, faults and nodes before and after, whether everything was tried, how many of a hundred replays of
the result were byte for byte the same (those for which the budget left no time are made afterwards), and whether the same scenario is
free of this failure without the bug (else the failure would not be the bug's). Targets: at the median at most ten operations and three faults.

    python benchmarks/shrinking.py [--budget SECONDS] [--jobs N] [--bug ID]... [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgspec

from cluster.bugs.catalogue import CATALOGUE, get
from harness.campaign.runs import run_seed
from harness.campaign.score import look_for, scenario_of
from harness.campaign.shrink import REPLAYS, CannotShrink, shrink
from harness.campaign.shrink_cause import Cause, causes_of
from harness.campaign.simulate import simulate
from harness.cli.options import known
from harness.scenario import load_scenario
from harness.store import Store, open_run

OPERATIONS_TARGET, FAULTS_TARGET = 10, 3


def measure(bug: str, budget_s: float, jobs: int) -> dict[str, Any]:
    """Find a failure of `bug` and shrink it."""
    found = look_for(bug, None)
    if not found.found:
        return {"bug": bug, "found": False}
    wrong = get(bug)
    assert wrong.way is not None, "only bugs with a scenario are looked for"
    scenario = scenario_of(wrong, wrong.way, found.seed)
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
        small_run = open_run(Path(summary["scenario"]).parent)
        fingerprint = small_run.read_results()["fingerprint"]
    small = load_scenario(text, known())
    for _ in range(REPLAYS - summary["replays"]):
        summary["replays"] += 1
        summary["identical"] += simulate(small).results["fingerprint"] == fingerprint
    clean = msgspec.structs.replace(small, bug="")
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
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--bug", action="append", choices=sorted(CATALOGUE))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    for bug in arguments.bug or [bug.id for bug in CATALOGUE.values() if bug.way is not None]:
        rows.append(measure(bug, arguments.budget, arguments.jobs))
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
