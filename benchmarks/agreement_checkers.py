"""Checkers of whole objects against brute force: on small random histories the definitions are worked out by pairs, subsets and orders.

For each model of `tests/support/object_checkers.py`: histories of up to seven operations (twelve for logs) of up to three clients at
once, with crashes, failures and answers that were made up. Every verdict, or where the oracle counts every count, must be the same.

    python benchmarks/agreement_checkers.py [--count N] [--seed N] [--models LIST] [--json]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from object_checkers import CHECKERS, disagreement


def measure(model: str, count: int, seed: int) -> dict[str, Any]:
    """Compare `count` histories; raises SystemExit for the first that is judged wrongly."""
    rng = random.Random(f"{model} {seed}")  # noqa: S311 - histories, no secrets
    began_s = time.perf_counter()
    valids: Counter[str] = Counter()
    for _ in range(count):
        valid, problem = disagreement(rng, model)
        if problem:
            raise SystemExit(problem)
        valids[{True: "valid", False: "invalid"}.get(valid, "unknown")] += 1
    seconds = round(time.perf_counter() - began_s, 1)
    return {"model": model, "judged": count, **valids, "s": seconds}


def main() -> None:
    """Compare, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200_000, help="histories per model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", default=",".join(CHECKERS))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    lines = []
    for model in arguments.models.split(","):
        lines.append(measure(model, arguments.count, arguments.seed))
        print(lines[-1], file=sys.stderr, flush=True)
    if arguments.json:
        print(json.dumps({"models": lines}))
        return
    for line in lines:
        print(
            f"{line['model']:>20}: {line['judged']:,} histories, {line.get('valid', 0):,} valid, "
            f"{line.get('invalid', 0):,} invalid, {line.get('unknown', 0):,} unknown, all as by brute force"
        )


if __name__ == "__main__":
    main()
