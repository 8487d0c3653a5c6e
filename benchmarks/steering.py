"""What of a search pays: how many runs, and how much CPU time, until a seeded bug is found, in three manners.

Each bug of the catalogue is looked for as somebody would who knows nothing of it: by the workload that can show it, with none of the
timings, faults and sizes that its own scenario has. The manners are: seeds of the usual scenario *as said*; a *wide* search,
which draws nodes, timeouts, load and storms of faults; and a *steered* one, which is wide and follows what few runs reached. All have the
same seeds, and a fresh run of a steered search is the run of that number in the wide one.

A ratio compares a manner with the one before it, over the pairs of which at least one found the bug; above one the later paid. One that
found nothing counts with its whole budget, which makes the difference look smaller than it is. For steering the pairs are told
apart in which the wide search was done within 16 runs, before anything can be learnt.

    python benchmarks/steering.py [--bugs ID,ID] [--searches N] [--runs N] [--jobs N] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cluster.bugs.catalogue import CATALOGUE
from harness.campaign.search import Manner, search
from harness.campaign.steering import LAG
from harness.scenario import Scenario

MANNERS = {
    "as said": Manner(self_check=0.0),
    "wide": Manner(wide=True, self_check=0.0),
    "steered": Manner(wide=True, steered=True, self_check=0.0),
}
SEEDS_APART = 1_000_000


def hunt(bug: str, manner: str, number: int, runs: int) -> dict[str, Any]:
    """One search for one bug: in how many runs it was found (0: not at all), and what that took."""
    way = CATALOGUE[bug].way
    assert way is not None, "only bugs with a scenario are looked for"
    seed = (number + 1) * SEEDS_APART
    found = search(
        Scenario(workload=way.workload, time_limit_s=6.0, bug=bug, seed=seed),
        seeds=runs,
        budget_s=None,
        jobs=1,
        stop_at_first=True,
        progress=lambda _done, _failed: None,
        keep=lambda _attempt: "",
        manner=MANNERS[manner],
    )
    last = found.briefs[-1]
    return {
        "bug": bug,
        "manner": manner,
        "search": number,
        "runs": len(found.briefs),
        "found": found.valid is False,
        "how": last.how if found.valid is False else "",
        "cause": last.cause if found.valid is False else "",
        "cells": len(found.cells),
        "cpu_s": round(found.cpu_s, 2),
    }


def compared(
    hunts: Sequence[dict[str, Any]], one: str, other: str, more_than: int = 0
) -> dict[str, Any]:
    """How manner `other` did beside manner `one`, over the searches in which `one` needed more than so many runs."""
    by = {(hunt["bug"], hunt["search"], hunt["manner"]): hunt for hunt in hunts}
    pairs = [
        (hunt, by[bug, number, other])
        for (bug, number, manner), hunt in by.items()
        if manner == one
    ]
    telling = [
        pair
        for pair in pairs
        if pair[0]["runs"] > more_than and (pair[0]["found"] or pair[1]["found"])
    ]
    ratios = {
        what: [first[what] / second[what] for first, second in telling]
        for what in ("runs", "cpu_s")
    }
    full = [pair for pair in pairs if not (pair[0]["found"] or pair[1]["found"])]
    return {
        "pairs": len(pairs),
        "telling": len(telling),
        f"found {one}": sum(first["found"] for first, _ in telling),
        f"found {other}": sum(second["found"] for _, second in telling),
        **{
            f"{what} ratio, median": round(statistics.median(of), 2)
            for what, of in ratios.items()
            if of
        },
        **{
            f"{what} ratio, geometric mean": round(statistics.geometric_mean(of), 2)
            for what, of in ratios.items()
            if of
        },
        **(
            {
                "cells of searches that found nothing, ratio": round(
                    sum(second["cells"] for _, second in full)
                    / sum(first["cells"] for first, _ in full),
                    2,
                )
            }
            if full
            else {}
        ),
    }


def summed(hunts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Each manner beside the one before it."""
    return {
        "wide beside as said": compared(hunts, "as said", "wide"),
        "steered beside wide": compared(hunts, "wide", "steered"),
        "steered beside wide, where there was time to learn": compared(
            hunts, "wide", "steered", LAG
        ),
    }


def main() -> None:
    """Search, and print a line for each pair and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    everything = [bug.id for bug in CATALOGUE.values() if bug.way is not None]
    parser.add_argument("--bugs", type=lambda text: text.split(","), default=everything)
    parser.add_argument("--searches", type=int, default=3, help="pairs of searches for each bug")
    parser.add_argument("--runs", type=int, default=200, help="budget of each search")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    hunts = []
    with ProcessPoolExecutor(options.jobs) as pool:
        asked = [
            [pool.submit(hunt, bug, manner, number, options.runs) for manner in MANNERS]
            for bug in options.bugs
            for number in range(options.searches)
        ]
        for futures in asked:
            told = [future.result() for future in futures]
            hunts += told
            runs = " ".join(f"{one['runs'] if one['found'] else '-':>8}" for one in told)
            print(f"{told[0]['bug']:8} {runs}  {told[-1]['how']}", flush=True)
    result = summed(hunts)
    for name, figures in result.items():
        print(f"{name}: {', '.join(f'{what} {value}' for what, value in figures.items())}")
    if options.json:
        print(json.dumps({**result, "hunts": hunts}))


if __name__ == "__main__":
    main()
