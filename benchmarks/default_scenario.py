"""What the default scenario of the registry meets: verdicts, replays, power losses, and every crash point of the catalogue.

One seed is one run of `Scenario(workload="registry", seed=s)`, as `reprise search registry` makes it. A fault schedule that
never hits a point has not tested the code behind it, whatever its verdicts say: over a thousand seeds every point must
be hit at least five times. Beside that: how many cells of coverage the seeds reached together, and what share of
their CPU time folding them took.

    python benchmarks/default_scenario.py [--seeds N] [--first SEED] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cluster.node.crash_points import CATALOGUE
from harness.campaign.coverage import Cell, cells_of
from harness.campaign.simulate import simulate
from harness.scenario import Scenario

POINTS = tuple(point for point in CATALOGUE if not point.startswith("join."))
"""What a run passes whose membership stays as it is."""

HITS_MIN = 5
"""Fewest hits of any point over a thousand seeds."""


def measure(first: int, seeds: int) -> dict[str, Any]:
    """Run the seeds and count; seeds that are not valid are named."""
    hits: Counter[str] = Counter(dict.fromkeys(POINTS, 0))
    verdicts: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    not_valid: dict[int, str] = {}
    cells: set[Cell] = set()
    folding_s = 0.0
    began_s = time.process_time()
    for seed in range(first, first + seeds):
        finished = simulate(Scenario(workload="registry", seed=seed))
        folded_s = time.process_time()
        cells.update(cells_of(finished.trace))
        folding_s += time.process_time() - folded_s
        results = finished.results
        facts = results["facts"]
        verdicts[str(results["valid"])] += 1
        if results["valid"] is not True:
            not_valid[seed] = results["evidence"][0]["what"]
        hits.update(facts["crash_points_hit"])
        seen["replayed"] += facts["replayed_registrations"] > 0
        seen["lost power"] += facts["power_losses"] > 0
        seen["halted on purpose"] += facts["halts_expected"] > 0
    return {
        "seeds": seeds,
        "verdicts": dict(verdicts),
        "not_valid": not_valid,
        "replayed_percent": round(100 * seen["replayed"] / seeds, 1),
        "power_loss_percent": round(100 * seen["lost power"] / seeds, 1),
        "halt_percent": round(100 * seen["halted on purpose"] / seeds, 1),
        "crash_points_hit": dict(hits),
        "below_minimum": [point for point in POINTS if hits[point] * 1000 < HITS_MIN * seeds],
        "cells": dict(Counter(str(cell[0]) for cell in cells)),
        "folding_percent": round(100 * folding_s / (time.process_time() - began_s), 1),
        "cpu_s": round(time.process_time() - began_s, 1),
    }


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments.first, arguments.seeds)
    if arguments.json:
        print(json.dumps(found))
        return
    for point, count in sorted(found["crash_points_hit"].items(), key=lambda one: one[1]):
        print(f"{count:8d}  {point}")
    told = ("replayed_percent", "power_loss_percent", "halt_percent", "cells", "folding_percent")
    for name in ("seeds", "verdicts", *told):
        print(f"{name}: {found[name]}")
    for seed, what in found["not_valid"].items():
        print(f"seed {seed}: {what}")
    short = ", ".join(found["below_minimum"]) or "none"
    print(f"points hit fewer than {HITS_MIN} times per thousand seeds: {short}")
    print(f"{found['cpu_s']} s of CPU")


if __name__ == "__main__":
    main()
