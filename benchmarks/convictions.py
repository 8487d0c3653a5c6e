"""How often histories that went wrong in one place are convicted, and by how few operations.

Every history is made by doing operations one after another, all clients always waiting, some crashing; then one thing goes wrong:
a read sees what was there some operations ago (`stale read`), a write that was acknowledged does nothing (`lost write`), or a
compare-and-set is acknowledged twice (`double cas`). With few values some of these can be explained after all: crashed operations
may stand for what is missing.

    python benchmarks/convictions.py [--count N] [--budget STEPS] [--json]
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

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.checkers.linearizable.calls import INFINITY, NIL, Calls, Kind
from harness.checkers.linearizable.judge import Judgement, judge
from harness.checkers.linearizable.search import Budget

SIZES = (
    (1000, 10, 0.05, 20),
    (1000, 20, 0.2, 50),
    (1000, 30, 0.2, 200),
    (10_000, 10, 0.05, 50),
    (10_000, 20, 0.1, 500),
    (10_000, 30, 0.2, 2000),
)
"""Operations, clients, share that crashed, and how many values there are."""

WRONGS = ("stale read", "lost write", "double cas")
MODELS = {
    "register": (Kind.READ, Kind.WRITE),
    "cas-register": (Kind.READ, Kind.WRITE, Kind.CAS),
    "kv": (Kind.READ, Kind.WRITE),
    "kv with append": (Kind.READ_LIST, Kind.WRITE, Kind.APPEND),
}
"""Model -> what clients do."""

LIST_MOST = 4
"""Items from which on a list is written anew."""

State = tuple[int, ...]


class Draft:
    """A history in the making: operations in the order of their effects."""

    def __init__(
        self, rng: random.Random, model: str, values: int, *, wrong: str, wrong_at: int, back: int
    ) -> None:
        self._rng = rng
        self._kinds, self._values = MODELS[model], values
        self._wrong, self._wrong_at, self._back = wrong, wrong_at, back
        self._states: list[State] = [()]
        self.wrong_row = -1
        self.rows: list[tuple[int, int, int, State]] = []

    def add(self, *, happened: bool, definite: bool) -> None:
        """Do one operation: kind, value, value put, items seen."""
        state = self._states[-1]
        kind = self._rng.choice(self._kinds)
        value = self._rng.randint(1, self._values)
        if kind == Kind.APPEND and len(state) >= LIST_MOST:
            kind = Kind.WRITE
        row, after = self._done(kind, value, state)
        due = self.wrong_row < 0 and len(self.rows) >= self._wrong_at and definite
        if due:
            row, after = self._spoiled(kind, value, row, after)
        self.rows.append(row)
        self._states.append(after if happened else state)

    def _done(
        self, kind: Kind, value: int, state: State
    ) -> tuple[tuple[int, int, int, State], State]:
        top = state[-1] if state else NIL
        if kind == Kind.READ:
            return (kind, top, NIL, ()), state
        if kind == Kind.READ_LIST:
            return (kind, NIL, NIL, state), state
        if kind == Kind.CAS:
            return (kind, top, value, ()), (value,)
        return (kind, value, NIL, ()), (*state, value) if kind == Kind.APPEND else (value,)

    def _spoiled(
        self, kind: Kind, value: int, row: tuple[int, int, int, State], after: State
    ) -> tuple[tuple[int, int, int, State], State]:
        state = self._states[-1]
        old = self._states[max(len(self._states) - 1 - self._back, 0)]
        fits = {
            "stale read": kind in (Kind.READ, Kind.READ_LIST) and old != state,
            "lost write": kind in (Kind.WRITE, Kind.APPEND) and after != state,
            "double cas": kind == Kind.CAS and old != state,
        }
        if not fits[self._wrong]:
            return row, after
        self.wrong_row = len(self.rows)
        if self._wrong == "lost write":
            return row, state
        return self._done(kind, value, old)[0], state


def drawn(rng: random.Random, model: str, wrong: str, size: tuple[int, int, float, int]) -> Calls:
    """Return a history in which one thing went wrong somewhere in its second half."""
    count, clients, crashed, values = size
    moment = np.arange(count, dtype=np.float64)
    noise = np.random.default_rng(rng.getrandbits(32))
    returned = moment + noise.random(count) * clients
    begun = moment[:clients] - noise.random(clients) * clients
    called = np.concatenate([begun, returned[:-clients] + 1e-9])
    rank = np.empty(2 * count, dtype=np.int64)
    rank[np.argsort(np.concatenate([called, returned]), kind="stable")] = np.arange(2 * count)
    lost = noise.random(count) < crashed
    happened = ~lost | (noise.random(count) < 0.5)
    draft = Draft(
        rng,
        model,
        values,
        wrong=wrong,
        wrong_at=rng.randrange(count // 2, count - 4 * clients),
        back=3 * clients,
    )
    for row in range(count):
        draft.add(happened=bool(happened[row]), definite=not lost[row])
    order = np.argsort(rank[:count])
    kind, value, value_to = (
        np.array([row[part] for row in draft.rows], dtype=np.int64)[order] for part in range(3)
    )
    items = [draft.rows[row][3] for row in order.tolist()]
    listed = "append" in model
    return Calls(
        called=rank[:count][order],
        returned=np.where(lost, INFINITY, rank[count:])[order],
        key=np.zeros(count, dtype=np.int64),
        kind=kind,
        value=value,
        value_to=value_to,
        begin=np.cumsum([0, *map(len, items)]) if listed else np.zeros(0, dtype=np.int64),
        items=np.array([one for seen in items for one in seen], dtype=np.int64),
    )


def model_of(name: str) -> str:
    """Return the model that judges histories of that name."""
    return name.split(" ", maxsplit=1)[0]


def measure(count: int, budget: Budget) -> list[dict[str, Any]]:
    """Judge `count` histories of each model, size and wrong."""
    lines = []
    for name in MODELS:
        for size in SIZES:
            for wrong in WRONGS:
                if wrong == "double cas" and name != "cas-register":
                    continue
                lines.append(_line(name, size, wrong, count, budget))
                print(lines[-1], file=sys.stderr)
    return lines


def _line(
    name: str, size: tuple[int, int, float, int], wrong: str, count: int, budget: Budget
) -> dict[str, Any]:
    rng = random.Random(f"{name} {size} {wrong}")  # noqa: S311 - histories, no secrets
    windows: list[int] = []
    unknown = valid = 0
    spent_s = 0.0
    worst_s = 0.0
    for _ in range(count):
        calls = drawn(rng, name, wrong, size)
        began_s = time.process_time()
        found: Judgement = judge(calls, model_of(name), budget)
        took_s = time.process_time() - began_s
        spent_s, worst_s = spent_s + took_s, max(worst_s, took_s)
        unknown += found.valid == "unknown"
        valid += found.valid is True
        if found.valid is False:
            windows.append(len(found.window))
    return {
        "model": name,
        "operations": size[0],
        "clients": size[1],
        "crashed": size[2],
        "values": size[3],
        "wrong": wrong,
        "histories": count,
        "explained": valid,
        "unknown": unknown,
        "windows": sorted(windows),
        "mean_s": round(spent_s / count, 3),
        "worst_s": round(worst_s, 3),
    }


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=5, help="histories of each kind")
    parser.add_argument("--budget", type=int, default=Budget().steps_max, help="steps")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    lines = measure(arguments.count, Budget(steps_max=arguments.budget))
    if arguments.json:
        print(json.dumps({"cases": lines}))
        return
    for line in lines:
        print(
            f"{line['model']}, {line['operations']} operations, {line['clients']} clients, "
            f"{line['crashed']:.0%} crashed, {line['values']} values, {line['wrong']}: "
            f"{line['explained']} of {line['histories']} explained, {line['unknown']} unknown, "
            f"windows {line['windows']}, {line['mean_s']} s on average, {line['worst_s']} s at most"
        )


if __name__ == "__main__":
    main()
