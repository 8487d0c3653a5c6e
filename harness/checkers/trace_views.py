"""What several checkers derive from one trace, derived once.

A run has thousands of events and a dozen checkers, and in a search it is judged in milliseconds: nobody should walk
the whole trace for a handful of restarts. Nothing here judges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TypeVar

from cluster.trace import Appended, Applied, Committed, Event

__all__ = ["once_per_trace", "rare_events"]

View = TypeVar("View")


def once_per_trace(derive: Callable[[Sequence[Event]], View]) -> Callable[[Sequence[Event]], View]:
    """Make `derive` remember its answer for the trace it was asked about last: several checkers ask in a row."""
    memory: list[tuple[Sequence[Event], int, View]] = []

    @wraps(derive)
    def remembered(trace: Sequence[Event]) -> View:
        if not memory or memory[0][0] is not trace or memory[0][1] != len(trace):
            memory[:] = [(trace, len(trace), derive(trace))]
        return memory[0][2]

    return remembered


_FREQUENT = frozenset({Appended, Applied, Committed})


@once_per_trace
def rare_events(trace: Sequence[Event]) -> list[Event]:
    """Return what happened to nodes, in order: all events but those that every single entry causes."""
    return [event for event in trace if type(event) not in _FREQUENT]
