"""Whether an order of operations really explains a history: a few lines of plain Python, on purpose.

A monitor or search that says "valid" can hand out an order (`certificate`); whoever does not believe it asks here. Three things
make an order a proof: every operation that returned is in it once, no operation stands behind one that was called only
after it had returned, and the model can do them one after another with exactly these results.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.checkers.linearizable.calls import INFINITY, Calls
from harness.checkers.linearizable.sequential import IMPOSSIBLE, MODELS, actions

__all__ = ["problem_with"]


def problem_with(calls: Calls, model: str, order: Sequence[int]) -> str:
    """Return what is wrong with `order` (rows; each key's in its order, keys may interleave), or ``""``."""
    object_model = MODELS[model]
    did = actions(calls)
    called, returned, keys = calls.called.tolist(), calls.returned.tolist(), calls.key.tolist()
    taken = [0] * len(did)
    latest_call: dict[int, int] = {}
    states: dict[int, object] = {}
    for row in order:
        key = keys[row]
        taken[row] += 1
        if taken[row] > 1:
            return f"row {row} is taken twice"
        if returned[row] < latest_call.get(key, -1):
            return f"row {row} returned before an operation in front of it was called"
        latest_call[key] = max(called[row], latest_call.get(key, -1))
        state = object_model.step(states.get(key, object_model.initial), did[row])
        if state is IMPOSSIBLE:
            return f"row {row} cannot have this result where it stands"
        states[key] = state
    for row, times in enumerate(taken):
        if not times and returned[row] < INFINITY:
            return f"row {row} returned and is missing"
    return ""
