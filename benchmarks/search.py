"""What a search gains by a second process, and what it costs to hand runs out.

The same seeds of the usual scenario of the registry (6 s of load, as `reprise search registry --keep-going`) with one process
and with two. The ratio of wall times says what was gained on this machine at this moment, and is at most what a machine with two idle
cores gives; on one that is busy it says little. What does not depend on that is CPU time: that of the runs, and that
of the process which hands them out, which no second core takes away. It is measured between two numbers of seeds, so that starts of
processes do not count, and bounds the ratio: two cores cannot do both in less than half the sum. Cores that share caches or are
shared themselves make each run dearer, and that shows in the wall times alone.

    python benchmarks/search.py [--seeds N] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.campaign.search import Manner, search
from harness.scenario import Scenario

SCENARIO = Scenario(workload="registry", time_limit_s=6.0)


def searched(seeds: int, jobs: int) -> dict[str, float]:
    """Seconds of a search: by the clock, of its runs, and of this process."""
    own_s = time.process_time()
    found = search(
        SCENARIO,
        seeds=seeds,
        budget_s=None,
        jobs=jobs,
        stop_at_first=False,
        progress=lambda _done, _failed: None,
        keep=lambda _attempt: "",
        manner=Manner(self_check=0.0),
    )
    return {"wall_s": found.wall_s, "runs_s": found.cpu_s, "own_s": time.process_time() - own_s}


def measure(seeds: int) -> dict[str, Any]:
    """Search with one process and with two, for a quarter of `seeds` and for all of them."""
    few = max(1, seeds // 4)
    alone, pair = [[searched(count, jobs) for count in (few, seeds)] for jobs in (1, 2)]

    def each_ms(of: list[dict[str, float]], what: str) -> float:
        return 1000 * (of[1][what] - of[0][what]) / (seeds - few)

    run_ms, handing_ms = each_ms(pair, "runs_s"), each_ms(pair, "own_s")
    return {
        "seeds": seeds,
        "run_cpu_ms": round(run_ms, 1),
        "handing_out_cpu_ms": round(handing_ms, 2),
        "ratio_that_cpu_time_allows": round(2 * run_ms / (run_ms + handing_ms), 2),
        "ratio_of_wall_time": round(each_ms(alone, "wall_s") / each_ms(pair, "wall_s"), 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    result = measure(options.seeds)
    for name, value in result.items():
        print(f"{name}: {value}")
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
