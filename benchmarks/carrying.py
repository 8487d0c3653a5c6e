"""How often failures found in simulation come again on real nodes, carried there as an order of things.

For every bug named (or a dozen and a half that need no bad links and no changed membership): the first seed of its own scenario that
convicts it, found as `bugs score` does and shrunk within a budget; then carried to a world and run there so many times. A try counts when the run
fails of the same cause: the same checker, the same anomaly, behind the same crash point. Printed are tries and successes for each bug.
Target: at least ten bugs that come again in docker.

    python benchmarks/carrying.py [--world docker|local] [--tries N] [--budget SECONDS] [--bug ID]... [--keep DIR] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cluster.bugs.catalogue import CATALOGUE, get
from harness.campaign.carry_out import Carried, carry_out, written_down
from harness.campaign.runs import run_seed
from harness.campaign.score import look_for, scenario_of
from harness.campaign.shrink import CannotShrink, shrink
from harness.cli.options import known
from harness.errors import RunFailed, RunStuck, UserMistake
from harness.store import Store, open_run

BUGS = (
    "R-B2", "K-6", "R-B1", "B-S1", "B-S6", "B-S10", "HZ-1", "R-B11", "K-9", "K-2", "R-B3", "B-S1c", "K-7", "B-S7",
    "B-S11", "HZ-21", "R-B6", "K-13",
)  # fmt: skip
BUGS_TARGET = 10


def found_and_shrunk(bug: str, budget_s: float, store: Store, world: str) -> Carried | str:
    """Return the failure of `bug`, ready for `world`; or why there is none."""
    found = look_for(bug, None)
    if not found.found:
        return "no failing seed"
    wrong = get(bug)
    assert wrong.way is not None, "only bugs with a scenario are looked for"
    kept = run_seed(scenario_of(wrong, wrong.way, found.seed), store, f"found-{bug}")
    try:
        summary = shrink(
            open_run(Path(kept["run"])), known(), budget_s=budget_s, jobs=1, progress=_silence
        )
        return written_down(open_run(Path(summary["scenario"]).parent), known(), world)
    except (CannotShrink, UserMistake) as reason:
        return str(reason)


def measure(bug: str, world: str, tries: int, budget_s: float, store: Store) -> dict[str, Any]:
    """Find, shrink and carry `bug`; `again` counts the tries in which it came again."""
    failure = found_and_shrunk(bug, budget_s, store, world)
    if isinstance(failure, str):
        return {"bug": bug, "carried": False, "why": failure}
    outcomes = []
    began_s = time.monotonic()
    for number in range(tries):
        try:
            summary = carry_out(failure, store, f"carried-{bug}-{number}", _nobody)
        except (RunFailed, RunStuck) as reason:
            outcomes.append(f"no run: {reason}".splitlines()[0])
            continue
        outcomes.append("again" if summary["again"] else _instead(summary))
    return {
        "bug": bug,
        "carried": True,
        "cause": failure.cause.words,
        "operations": len(failure.scenario.options["exact_operations"]),
        "faults": len(failure.scenario.faults) - 1,
        "nodes": failure.scenario.nodes,
        "tries": tries,
        "again": outcomes.count("again"),
        "otherwise": sorted({one for one in outcomes if one != "again"}),
        "wall_s": round(time.monotonic() - began_s, 1),
    }


def _instead(summary: dict[str, Any]) -> str:
    others = [f"{one['checker']}: {one['anomaly']}" for one in summary["causes_there"][:2]]
    return ", ".join(others) or f"valid: {summary['valid']}"


def _silence(_tried: int, _words: str) -> None:
    """Shrinking tells nobody of its runs here."""


def _nobody(_line: str) -> None:
    """Preparing tells nobody either."""


def _line(row: dict[str, Any]) -> str:
    if not row["carried"]:
        return f"{row['bug']:6} not carried: {row['why']}"
    size = f"{row['operations']} operations, {row['faults']} faults, {row['nodes']} nodes"
    rest = f"; otherwise {'; '.join(row['otherwise'])}" if row["otherwise"] else ""
    return f"{row['bug']:6} {row['again']:>2}/{row['tries']} {row['wall_s']:>6.1f} s  {size}  {row['cause']}{rest}"


def main() -> int:
    """Measure, print, and return 1 when fewer bugs than the target came again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", choices=("local", "docker"), default="docker")
    parser.add_argument("--tries", type=int, default=10)
    parser.add_argument("--budget", type=float, default=25.0, help="seconds of shrinking for each")
    parser.add_argument("--bug", action="append", choices=sorted(CATALOGUE))
    parser.add_argument("--keep", type=Path, help="keep all runs in this store")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(prefix="reprise-carrying-") as folder:
        store = Store(arguments.keep or Path(folder))
        for bug in arguments.bug or BUGS:
            rows.append(measure(bug, arguments.world, arguments.tries, arguments.budget, store))
            print(_line(rows[-1]), file=sys.stderr if arguments.json else sys.stdout, flush=True)
    came = [row for row in rows if row.get("again")]
    result = {
        "world": arguments.world,
        "bugs": len(rows),
        "came_again": len(came),
        "tries": sum(row.get("tries", 0) for row in rows),
        "successes": sum(row.get("again", 0) for row in rows),
    }
    print(json.dumps({**result, "rows": rows}) if arguments.json else json.dumps(result, indent=2))
    return 0 if len(came) >= min(BUGS_TARGET, len(rows)) else 1


if __name__ == "__main__":
    sys.exit(main())
