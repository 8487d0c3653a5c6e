"""Isolation against brute force: on small random histories every order is tried, for every model, and the judge must agree.

Histories have two to five transactions with one to three micro-operations on up to three keys, made by a store whose isolation is
drawn, some ended indeterminate or failed, some reads spoiled. The truth follows from the models' axioms over orders and
visibility (`tests/support/transaction_oracle.py`); it knows nothing of graphs. Anything else than agreement ends the script.

    python benchmarks/transactions_agreement.py [--count N] [--seed N] [--kinds LIST] [--jobs N] [--json]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from transaction_oracle import MODELS, disagreement, drawn, holding

from harness.checkers.transactions import judge

BATCH = 500
KINDS = {"list-append": "append", "rw-register": "w"}


def batch(kind: str, seed: int, size: int) -> dict[str, int]:
    """Judge some histories; returns how many each model holds in. Raises where judge and brute force differ."""
    rng = random.Random(f"{kind} {seed}")  # noqa: S311 - histories, no secrets
    # Short histories are judged without a witness: here every other batch with one.
    judge.WITNESS_FROM = 0 if seed % 2 else 1 << 62
    holds: Counter[str] = Counter(dict.fromkeys(MODELS, 0))
    for _ in range(size):
        case = drawn(rng, KINDS[kind])
        problem = disagreement(case)
        if problem:
            raise SystemExit(f"judge and brute force differ: {problem}")
        holds.update(holding(case))
    return dict(holds)


def measure(kind: str, count: int, seed: int, jobs: int) -> dict[str, Any]:
    """Judge `count` histories of a kind."""
    began_s = time.perf_counter()
    sizes = [min(BATCH, count - done) for done in range(0, count, BATCH)]
    holds: Counter[str] = Counter()
    with ProcessPoolExecutor(jobs) as pool:
        seeds = range(seed, seed + len(sizes))
        for found in pool.map(batch, [kind] * len(sizes), seeds, sizes):
            holds.update(found)
    return {
        "kind": kind,
        "histories": count,
        "holds": {model: holds[model] for model in MODELS},
        "s": round(time.perf_counter() - began_s, 1),
    }


def main() -> None:
    """Compare, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=100_000, help="histories of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    lines = [measure(kind, options.count, options.seed, options.jobs) for kind in kinds]
    if options.json:
        print(json.dumps({"kinds": lines}))
        return
    for line in lines:
        print(
            f"{line['kind']}: {line['histories']} histories in {line['s']} s, all as by brute force; held:"
        )
        for model, number in line["holds"].items():
            print(f"{number:>9,}  {model}")


if __name__ == "__main__":
    main()
