"""Linearizability of one object in a run: history to columns, columns to the judges of `harness.linearizable`.

For objects that `harness.checkers.linearizability` has no search for: queues, counters, locks. Operations that the convention does
not know belong to somebody else and are left out. numpy is loaded when something is judged, not before.

Where an object has no monitor the plain search is asked first: it settles a run's few hundred operations in less time than it takes
to load the compiled one, which finds the window where there is something to convict.
"""

from __future__ import annotations

from harness.checkers.checker import Run, Verdict
from harness.conventions import CONVENTIONS

__all__ = ["LinearizableObject"]

_WITHOUT_MONITOR = ("mutex",)


class LinearizableObject:
    """A `Checker`. `model` names a convention and a model of `harness.linearizable`."""

    name = "linearizable"

    def __init__(self, model: str, *, steps_max: int = 200_000) -> None:
        self._model = model
        self._steps_max = steps_max

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts as `linearizable` gives them. Raises Misfit for what the model cannot express."""
        from harness.calls import calls_of  # noqa: PLC0415 - loads numpy
        from harness.checkers.linearizable.calls import INFINITY  # noqa: PLC0415 - loads numpy
        from harness.checkers.linearizable.search import Budget, search  # noqa: PLC0415 - loads numpy
        from harness.checkers.linearizable.sequential import MODELS  # noqa: PLC0415 - loads numpy
        from harness.columns import columns_of  # noqa: PLC0415 - loads numpy
        from harness.linearizable import linearizable  # noqa: PLC0415 - loads numpy

        model = self._model
        convention = CONVENTIONS[model]
        budget = Budget(steps_max=self._steps_max)
        columns = columns_of([one for one in run.history if one.f in convention], convention)
        if model in _WITHOUT_MONITOR:
            calls = calls_of(columns, model).calls
            found = search(calls, MODELS[model], budget)
            definite = int((calls.returned < INFINITY).sum())
            if found.valid is True and definite:
                facts = {
                    "keys_judged": 1,
                    "operations_judged": definite,
                    "judged_by": "search",
                    "search_steps": found.steps,
                }
                return Verdict(valid=True, facts=facts)
        return linearizable(columns, model, model, budget)
