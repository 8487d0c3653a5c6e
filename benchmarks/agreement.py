"""Judges against brute force: on small random histories every order is tried, and every verdict must be the same.

For each model, with unique values (where monitors judge) and with repeated ones: histories of up to eight operations with any
overlap, some crashed, most of them spoiled. Every order that a judge hands out is verified, and the search must
agree where a monitor judged.

    python benchmarks/agreement.py [--count N] [--seed N] [--models LIST] [--json]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from call_histories import brute_force, drawn, joined, window_from_any_state

from harness.checkers.linearizable.by_search import search_each_key
from harness.checkers.linearizable.by_sweep import (
    BREADTHS,
    CONVICTING,
    WIDE_BREADTHS,
    Manner,
    sweep_key,
)
from harness.checkers.linearizable.certificate import order_of
from harness.checkers.linearizable.judge import judge
from harness.checkers.linearizable.search import Budget, search
from harness.checkers.linearizable.sequential import MODELS
from harness.checkers.linearizable.verify import problem_with
from harness.checkers.linearizable.windows import window_of

OPERATIONS_MAX = 8
SWEPT = ("register", "cas-register", "mutex")
"""Models that a sweep can judge."""

NARROW = (Manner(1, 4),)
"""So few places that a sweep has to leave some out, and to go back."""

NOT_COUNTING = (Manner(2, 2, counts=False), Manner(2, 2))
"""So few places that a sweep forgets which crashed steps were used."""

SWEPT_EVERY, WIDE_EVERY, WINDOW_EVERY = 10, 100, 50
"""Of so many histories one is swept, swept with many places too, and has its window looked at if it has one."""

BATCH = 500
BUDGET = Budget()


def batch(rng: random.Random, model: str, *, unique: bool, size: int) -> dict[str, int]:
    """Judge some histories as keys of one; raises when anything disagrees."""
    histories = [drawn(rng, model, rng.randint(1, OPERATIONS_MAX), unique) for _ in range(size)]
    histories = [rows for rows in histories if rows]
    calls = joined(histories)
    judged = judge(calls, model, BUDGET)
    searched = search_each_key(calls, model, BUDGET)
    valid = []
    for number, rows in enumerate(histories):
        truth = brute_force(rows, model)
        if {int(judged.each[number]), int(searched.valid[number])} != {int(truth)}:
            raise SystemExit(
                f"{model}: judge {judged.each[number]}, search {searched.valid[number]}, "
                f"brute force {truth}: {rows}"
            )
        valid.append(truth)
    swept = sum(
        sweep(rows, model, wide=number % WIDE_EVERY == 0, truth=truth)
        for number, (rows, truth) in enumerate(zip(histories, valid, strict=True))
        if number % SWEPT_EVERY == 0
    )
    windows = sum(
        shown(rows, model)
        for number, (rows, truth) in enumerate(zip(histories, valid, strict=True))
        if number % WINDOW_EVERY == 0 and not truth
    )
    good = np.flatnonzero(np.array(valid)[calls.key])
    fine = calls.select(good)
    problem = problem_with(fine, model, order_of(fine, model, BUDGET).tolist())
    if problem:
        raise SystemExit(f"{model}: {problem}")
    return {
        "valid": sum(valid),
        "judged": len(valid),
        "by_monitor": judged.keys_by_monitor,
        "by_sweep": swept,
        "windows": windows,
    }


def shown(rows: list[Any], model: str) -> bool:
    """Ask brute force about the window of a history that is not linearizable; returns whether there was one."""
    calls = joined([rows])
    window = window_of(calls, model)
    kept = calls.select(np.array(window.rows, dtype=np.int64))
    anywhere = window.whatever_before
    alternatives = window_from_any_state(calls, window.rows, model) if anywhere else [kept]
    if any(search(one, MODELS[model], BUDGET).valid is not False for one in alternatives):
        raise SystemExit(f"{model}: the window {window} proves nothing: {rows}")
    return bool(window.rows)


def sweep(rows: list[Any], model: str, *, wide: bool, truth: bool) -> bool:
    """Sweep over one history and check its order, where the model can be swept; returns whether there was a verdict."""
    if model not in SWEPT:
        return False
    calls = joined([rows])
    settled = False
    manners = (BREADTHS, NARROW, NOT_COUNTING)
    for breadths in (*manners, WIDE_BREADTHS) if wide else manners:
        swept = sweep_key(calls, model, BUDGET, breadths)
        if swept.valid not in (truth, "unknown"):
            raise SystemExit(f"{model}: sweep {swept.valid}, brute force {truth}: {rows}")
        problem = problem_with(calls, model, swept.order.tolist()) if swept.valid is True else ""
        if problem:
            raise SystemExit(f"{model}: sweep: {problem}: {rows}")
        settled = settled or swept.valid != "unknown"
    if truth and sweep_key(calls, model, BUDGET, CONVICTING, any_start=True).valid is False:
        raise SystemExit(f"{model}: a sweep from every state convicts: {rows}")
    return settled


def measure(models: list[str], count: int, seed: int) -> list[dict[str, Any]]:
    """Judge `count` histories of each of `models`, half with unique values."""
    lines = []
    for model in models:
        rng = random.Random(seed)  # noqa: S311 - histories, no secrets
        began_s = time.perf_counter()
        totals = {"judged": 0, "valid": 0, "by_monitor": 0, "by_sweep": 0, "windows": 0}
        while totals["judged"] < count:
            unique = totals["judged"] * 2 < count
            for name, number in batch(rng, model, unique=unique, size=min(BATCH, count)).items():
                totals[name] += number
        lines.append({"model": model, **totals, "s": round(time.perf_counter() - began_s, 1)})
        print(lines[-1], file=sys.stderr)
    return lines


def main() -> None:
    """Compare, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200_000, help="histories per model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    lines = measure(arguments.models.split(","), arguments.count, arguments.seed)
    if arguments.json:
        print(json.dumps({"models": lines}))
        return
    for line in lines:
        print(
            f"{line['model']:>15}: {line['judged']} histories, {line['valid']} linearizable, "
            f"{line['by_monitor']} judged by a monitor, {line['by_sweep']} by a sweep, "
            f"{line['windows']} windows, all as by brute force"
        )


if __name__ == "__main__":
    main()
