"""Seconds to judge transactions whose truth is known: loading, judging, and what an injected anomaly costs.

A store that applies whole transactions at one moment between their call and return makes histories that are strictly serializable;
the smallest example of an anomaly (`tests/support/transaction_anomalies.py`), on keys of its own, is put into their middle, and
must be found under its name, with its shortest cycle. Transactions have one to four micro-operations, half of them reads, on
ten keys at a time; a key is given up after 32 writes. 20 processes are always busy. Registers are claimed to be
sequential, key by key; `--order search` claims nothing, and looks for an order of versions instead. The peak is that of the
whole process, history included.

    python benchmarks/transactions.py [--json] [--transactions N] [--kind list-append|rw-register] [--order claimed|search]
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from transaction_anomalies import LISTS, REGISTERS
from transaction_histories import at_once

from harness.checkers.transactions.judge import judge
from harness.checkers.transactions.rw_register import KeyOrder
from harness.checkers.transactions.transactions import load
from harness.operation import Operation

INJECTED = ("G0", "G1a", "G1b", "G1c", "G-single", "G2-item")
PROCESSES = 20
KEYS = 10
WRITES_MAX = 32
MICRO_OPERATIONS_MAX = 4


class Store:
    """Lists or registers, changed by one whole transaction at a time."""

    def __init__(self, kind: str, draw: random.Random) -> None:
        self._write = "append" if kind == "list-append" else "w"
        self._draw = draw
        self._written: dict[int, int] = {}
        self._lists: dict[int, list[int]] = {}
        self._keys = list(range(KEYS))

    def plan(self) -> list[list[Any]]:
        """Return a transaction that nobody has executed."""
        planned = []
        for _ in range(self._draw.randint(1, MICRO_OPERATIONS_MAX)):
            slot = self._draw.randrange(KEYS)
            key = self._keys[slot]
            if self._draw.random() < 0.5:
                planned.append(["r", key, None])
                continue
            count = self._written[key] = self._written.get(key, 0) + 1
            planned.append([self._write, key, count])
            if count == WRITES_MAX:
                self._keys[slot] = max(self._keys) + 1
        return planned

    def execute(self, planned: list[list[Any]]) -> list[list[Any]]:
        """Return what the transaction did."""
        done = []
        for f, key, value in planned:
            if f == "r":
                seen = self._lists.get(key, [])
                done.append([f, key, seen[:] if self._write == "append" else (seen or [None])[-1]])
            else:
                self._lists.setdefault(key, []).append(value)
                done.append([f, key, value])
        return done


def strict_serializable(kind: str, count: int, seed: int = 1) -> list[Operation]:
    """Return a history of `count` transactions that is strictly serializable by construction."""
    draw = random.Random(seed)  # noqa: S311 - a history, not a secret
    store = Store(kind, draw)
    history: list[Operation] = []
    idle = list(range(PROCESSES))
    waiting: list[tuple[int, list[list[Any]]]] = []
    applied: list[tuple[int, list[list[Any]]]] = []
    invoked = 0
    while invoked < count or waiting or applied:
        choice = draw.randrange(3)
        if choice == 0 and idle and invoked < count:
            process = idle.pop(draw.randrange(len(idle)))
            planned = store.plan()
            history.append(Operation(process=process, f="txn", value=planned))
            waiting.append((process, planned))
            invoked += 1
        elif choice == 1 and waiting:
            process, planned = waiting.pop(draw.randrange(len(waiting)))
            applied.append((process, store.execute(planned)))
        elif choice == 2 and applied:
            process, done = applied.pop(draw.randrange(len(applied)))
            history.append(Operation(process=process, type="ok", f="txn", value=done))
            idle.append(process)
    return history


def injected(history: list[Operation], kind: str, name: str) -> list[Operation]:
    """Put the smallest example of an anomaly into the middle of `history`, on processes and keys of its own."""
    ended, _ = (LISTS if kind == "list-append" else REGISTERS)[name]
    example = [
        Operation(
            process=one.process + 10_000,
            type=one.type,
            f=one.f,
            value=one.value and [[f, f"injected {key}", value] for f, key, value in one.value],
        )
        for one in at_once(*ended)
    ]
    middle = len(history) // 2
    return [*history[:middle], *example, *history[middle:]]


def expected(kind: str, name: str) -> dict[str, int]:
    """Name of each anomaly of an example -> transactions in its shortest cycle, 0 where it is none."""
    told: dict[str, int] = (LISTS if kind == "list-append" else REGISTERS)[name][1]
    return told


def clocks() -> tuple[float, float]:
    """Wall and processor time; they differ where others use the machine."""
    return time.perf_counter(), time.process_time()


def measure(history: list[Operation], key_order: KeyOrder) -> dict[str, Any]:
    """Load and judge once."""
    started = clocks()
    transactions = load(history)
    loaded = clocks()
    verdict = judge(transactions, key_order=key_order)
    judged = clocks()
    return {
        "valid": verdict.valid,
        "load_s": round(loaded[0] - started[0], 3),
        "load_cpu_s": round(loaded[1] - started[1], 3),
        "judge_s": round(judged[0] - loaded[0], 3),
        "judge_cpu_s": round(judged[1] - loaded[1], 3),
        "anomalies": {
            found["invariant"]: len(found.get("steps", ())) for found in verdict.evidence
        },
        "suspects": verdict.facts["suspects"],
        "orders_tried": verdict.facts["orders_tried"],
        "elements": len(transactions.elements),
    }


def main() -> None:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--transactions", type=int, default=100_000)
    parser.add_argument("--kind", choices=["list-append", "rw-register"], default="list-append")
    parser.add_argument("--order", choices=["claimed", "search"], default="claimed")
    options = parser.parse_args()
    kind: Literal["list-append", "rw-register"] = options.kind
    history = strict_serializable(kind, options.transactions)
    claimed = kind == "rw-register" and options.order == "claimed"
    key_order: KeyOrder = "process" if claimed else "unknown"
    result: dict[str, Any] = {"valid": measure(history, key_order)}
    for name in INJECTED:
        result[name] = measure(injected(history, kind, name), key_order)
        if result[name]["anomalies"] != expected(kind, name):
            raise SystemExit(f"{name}: found {result[name]['anomalies']}")
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    for name, figures in result.items():
        print(name, figures)
    if options.json:
        print(json.dumps({"transactions": options.transactions, "kind": kind, **result}))


if __name__ == "__main__":
    main()
