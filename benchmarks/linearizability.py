"""How fast histories are judged whose truth is known: a million operations on registers, and searches that are hard.

Histories are made by giving every operation a moment at which it takes effect, so they are linearizable; a spoiled one
gets one read that is certainly stale, near its end. Times are CPU seconds of one core, the best of a few runs after one warm-up.

    python benchmarks/linearizability.py [--small] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.checkers.linearizable.calls import INFINITY, NIL, Calls, Column, Kind
from harness.checkers.linearizable.judge import Judgement, judge

SEED = 7
RUNS = 3

MANY, BATCH = 1_000_000, 20_000
"""Short histories, and how many of them are judged at once, as keys of one set of columns."""

SEEDS = 5
HARD = ((10_000, 10, 0.05, 0.05), (1000, 25, 0.0, 0.5), (1000, 50, 0.0, 2.0), (1000, 100, 0.0, 4.0))
"""Searches that can be hard: operations, clients, share of crashed ones, goal in seconds; each with `SEEDS` seeds."""


def overlapping(
    rng: np.random.Generator, count: int, clients: int, crashed: float
) -> tuple[Column, Column, Column]:
    """Return calls, returns and which operations took effect, in the order of their effects.

    Operation i takes effect at moment i and belongs to client ``i % clients``, which calls the next one as soon as one
    returns: at every moment, all clients wait.
    """
    moment = np.arange(count, dtype=np.float64)
    returned = moment + rng.random(count) * clients
    begun = moment[:clients] - rng.random(clients) * clients
    called = np.concatenate([begun, returned[:-clients] + 1e-9])
    rank = np.empty(2 * count, dtype=np.int64)
    rank[np.argsort(np.concatenate([called, returned]), kind="stable")] = np.arange(2 * count)
    lost = rng.random(count) < crashed
    happened = ~lost | (rng.random(count) < 0.5)
    return rank[:count], np.where(lost, INFINITY, rank[count:]), happened


def latest(key: Column, changes: Column, value: Column) -> Column:
    """Return for each moment the value its key holds just before, when `changes` put `value`."""
    order = np.argsort(key, kind="stable")
    place = np.arange(len(key))
    first = np.ones(len(key), dtype=bool)
    first[1:] = np.diff(key[order]) != 0
    source = np.maximum.accumulate(np.where(changes[order] | first, place, 0))
    before = np.concatenate([[0], source[:-1]])
    source_rows = order[before]
    held = np.where(first | ~changes[source_rows], NIL, value[source_rows])
    found = np.empty(len(key), dtype=np.int64)
    found[order] = held
    return found


def columns(
    *,
    key: Column,
    called: Column,
    returned: Column,
    kind: Column,
    value: Column,
    value_to: Column,
) -> Calls:
    """Return the rows in order of their calls."""
    order = np.argsort(called)
    return Calls(
        called=called[order],
        returned=returned[order],
        key=key[order],
        kind=kind[order],
        value=value[order],
        value_to=value_to[order],
    )


def unique_writes(count: int, clients: int, keys: int, crashed: float, *, stale: bool) -> Calls:
    """A register history with unique values, half reads; with `stale`, one late read sees a value long overwritten."""
    rng = np.random.default_rng(SEED)
    called, returned, happened = overlapping(rng, count, clients, crashed)
    key = rng.integers(0, keys, count)
    writes = rng.random(count) < 0.5
    number = np.arange(1, count + 1)
    value = np.where(writes, number, latest(key, writes & happened, number))
    if stale:
        spoil(key, called, returned, writes, value)
    kind = np.where(writes, Kind.WRITE, Kind.READ)
    return columns(
        key=key,
        called=called,
        returned=returned,
        kind=kind,
        value=value,
        value_to=np.zeros(count, dtype=np.int64),
    )


def spoil(key: Column, called: Column, returned: Column, writes: Column, value: Column) -> None:
    """Let one of the last reads see a write that a later write had certainly replaced."""
    definite = returned < INFINITY
    for row in np.flatnonzero(~writes & definite)[::-1][len(key) // 200 :]:
        done = np.flatnonzero(writes & definite & (key == key[row]) & (returned < called[row]))
        older = done[returned[done] < called[done[-1]]] if len(done) else done
        if len(older):
            value[row] = value[older[-1]]
            return


def cas_register(
    count: int, clients: int, crashed: float, histories: int = 1, seed: int = SEED
) -> Calls:
    """Registers with five values: reads, writes and compare-and-sets that fit; each history is a key of its own."""
    rng = np.random.default_rng(seed)
    total = count * histories
    called, returned, happened = overlapping(rng, total, clients, crashed)
    key = np.arange(total) // count
    kind = rng.choice([Kind.READ, Kind.WRITE, Kind.CAS], total)
    written = rng.integers(1, 6, total)
    held = latest(key, (kind != Kind.READ) & happened, written)
    value = np.where(kind == Kind.WRITE, written, held)
    return columns(
        key=key,
        called=called,
        returned=returned,
        kind=kind,
        value=value,
        value_to=np.where(kind == Kind.CAS, written, NIL),
    )


def timed(calls: Calls, model: str) -> tuple[float, Judgement]:
    """Return the best time of some runs, and the verdict."""
    found = judge(calls, model)
    best_s = float("inf")
    for _ in range(RUNS):
        began_s = time.process_time()
        found = judge(calls, model)
        best_s = min(best_s, time.process_time() - began_s)
    return best_s, found


def cases(scale: int) -> list[tuple[str, Callable[[], Calls], str, bool, float]]:
    """Return (name, history, model, truth, goal in seconds); `scale` divides the large sizes."""
    million = 1_000_000 // scale
    found: list[tuple[str, Callable[[], Calls], str, bool, float]] = []
    for clients, keys in ((5, 1), (100, 1), (5, 10_000), (100, 10_000)):
        name = f"unique writes, {million} operations, {clients} clients, {keys} keys"

        def made(clients: int = clients, keys: int = keys, *, stale: bool = False) -> Calls:
            return unique_writes(million, clients, keys, 0.01, stale=stale)

        def stale(made: Callable[..., Calls] = made) -> Calls:
            return made(stale=True)

        found.append((name, made, "register", True, 0.3))
        found.append((f"{name}, one stale read", stale, "register", False, 1.0))
    found.append(
        (
            f"key-value store, {million} operations, 10000 keys",
            lambda: unique_writes(million, 20, 10_000, 0.01, stale=False),
            "kv",
            True,
            0.3,
        )
    )
    for count, clients, crashed, goal_s in HARD:
        for seed in range(SEEDS):
            name = f"cas-register, {count} operations, {clients} clients, {crashed:.0%} crashed"

            def hard(
                count: int = count,
                clients: int = clients,
                crashed: float = crashed,
                seed: int = seed,
            ) -> Calls:
                return cas_register(count, clients, crashed, seed=seed)

            found.append((f"{name}, seed {seed}", hard, "cas-register", True, goal_s))
    return found


def many_short(scale: int) -> dict[str, Any]:
    """Judge a million histories of 30 operations, in batches; the start of the compiled search is part of the time."""
    batches = MANY // BATCH // scale or 1
    spent_s = 0.0
    steps = 0
    valid = True
    for number in range(batches):
        calls = cas_register(30, 5, 0.02, BATCH, seed=SEED + number)
        began_s = time.process_time()
        found = judge(calls, "cas-register")
        spent_s += time.process_time() - began_s
        valid = valid and found.valid is True
        steps += found.steps
    return {
        "case": f"{batches * BATCH} histories of 30 operations, start-up included",
        "valid": valid,
        "right": valid,
        "by": "search",
        "window": 0,
        "s": round(spent_s, 4),
        "goal_s": batches * BATCH / 20_000,
        "steps": steps,
    }


def measure(scale: int) -> list[dict[str, Any]]:
    """Run every case; a wrong verdict is an error."""
    lines = [many_short(scale)]
    for name, made, model, truth, goal_s in cases(scale):
        calls = made()
        best_s, found = timed(calls, model)
        lines.append(
            {
                "case": name,
                "valid": found.valid,
                "right": found.valid is truth,
                "by": found.by,
                "window": len(found.window),
                "s": round(best_s, 4),
                "goal_s": goal_s,
                "steps": found.steps,
            }
        )
    return lines


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a hundredth of the operations")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    lines = measure(100 if arguments.small else 1)
    if arguments.json:
        print(json.dumps({"cases": lines}))
    else:
        for line in lines:
            mark = "" if line["s"] <= line["goal_s"] else "  SLOW"
            mark += "" if line["right"] else "  WRONG"
            print(
                f"{line['s']:9.4f} s  (goal {line['goal_s']:g} s)  {line['case']}: {line['valid']}"
                f" by {line['by']}, window {line['window']}, {line['steps']} steps{mark}"
            )
    if not all(line["right"] for line in lines):
        sys.exit(1)


if __name__ == "__main__":
    main()
