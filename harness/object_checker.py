"""Linearizability of one object in a run: history to columns, columns to the judges of `harness.linearizable`.

For objects that `harness.checkers.linearizability` has no search for: queues, counters, locks. Operations that the convention does
not know belong to somebody else and are left out. numpy is loaded when something is judged, not before.
"""

from __future__ import annotations

from typing import Any

from harness.checkers.checker import Run, Verdict
from harness.conventions import CONVENTIONS

__all__ = ["LinearizableObject"]


class LinearizableObject:
    """A `Checker`. `model` names a convention and a model of `harness.linearizable`."""

    name = "linearizable"

    def __init__(self, model: str, *, steps_max: int = 200_000) -> None:
        self._model = model
        self._steps_max = steps_max

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts as `linearizable` gives them. Raises Misfit for what the model cannot express."""
        from harness.checkers.linearizable.search import Budget  # noqa: PLC0415 - loads numpy
        from harness.columns import columns_of  # noqa: PLC0415 - loads numpy
        from harness.linearizable import linearizable  # noqa: PLC0415 - loads numpy

        convention: Any = CONVENTIONS[self._model]
        operations = [one for one in run.history if one.f in convention]
        columns = columns_of(operations, convention)
        return linearizable(columns, self._model, self._model, Budget(steps_max=self._steps_max))
