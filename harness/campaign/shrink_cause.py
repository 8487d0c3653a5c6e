"""What a failure *is*, so that a smaller run can be held against it: shrinking must never turn one bug into another.

A cause is a checker, the kind of anomaly that it names, and the code point in front of which a node was struck before, where
the finding has one. Two runs fail alike when the one shows the cause of the other. Of several causes in a run the earliest
is its own: the later ones are often what follows from it.

Some checkers conclude from what is missing at the end, and take it for granted that a workload asked for everything. With operations left
out that must be looked at: `PRESUMED` says, for each of these checkers, what a history must end with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from harness.operation import Operation

__all__ = ["PRESUMED", "Cause", "causes_of", "main_cause", "shows"]

_NO_ANOMALY = frozenset({"", "stimulus"})
_LATER = 2**63


class Cause(msgspec.Struct, frozen=True):
    """See the module. `code_point` is empty where no crash led to it, or none that the checker knows of."""

    checker: str
    anomaly: str
    code_point: str = ""

    @property
    def words(self) -> str:
        """The cause as a person says it."""
        after = f", after {self.code_point}" if self.code_point else ""
        return f"{self.checker}: {self.anomaly}{after}"


def causes_of(results: Mapping[str, Any]) -> list[Cause]:
    """Return the causes for which a run with these results is invalid, each once; none if it is not.

    The earliest comes first, what has no time last; those of one time in the order in which their checkers tell them.
    """
    found = [
        (_when(piece), _cause(name, piece))
        for name, checker in results["checkers"].items()
        if checker["valid"] is False
        for piece in checker["evidence"]
        if piece.get("invariant", "") not in _NO_ANOMALY
    ]
    found.sort(key=lambda one: one[0])
    return list(dict.fromkeys([cause for _, cause in found]))


def main_cause(results: Mapping[str, Any]) -> Cause | None:
    """Return the cause of a run with these results, or None when nothing in it is invalid."""
    return next(iter(causes_of(results)), None)


def shows(cause: Cause, results: Mapping[str, Any], history: Sequence[Operation]) -> bool:
    """Whether a run with these results and this history fails for `cause`, and its checker may conclude so."""
    presumed = PRESUMED.get(cause.checker)
    return cause in causes_of(results) and (presumed is None or presumed(history))


def _ends_drained(history: Sequence[Operation]) -> bool:
    """Whether a dequeue that found nothing was asked for when every enqueue had come to its end."""
    put = max([place for place, one in enumerate(history) if one.f == "enqueue"], default=-1)
    asked = {
        one.process for one in history[put + 1 :] if one.f == "dequeue" and one.type == "invoke"
    }
    return any(
        one.f == "dequeue" and one.type == "ok" and one.value is None and one.process in asked
        for one in history[put + 1 :]
    )


PRESUMED: dict[str, Callable[[Sequence[Operation]], bool]] = {"total-queue": _ends_drained}
"""Checker -> what its conclusions presume of a history."""


def _cause(checker: str, piece: Mapping[str, Any]) -> Cause:
    return Cause(checker, str(piece["invariant"]), str(piece.get("crash_point") or ""))


def _when(piece: Mapping[str, Any]) -> int:
    """The moment of a finding in nanoseconds: its own, or that of the last operation that it shows."""
    time_ns = piece.get("time_ns")
    if isinstance(time_ns, int):
        return time_ns
    shown = [one for one in piece.get("operations") or () if isinstance(one, Mapping)]
    return max([one["time_ns"] for one in shown if "time_ns" in one], default=_LATER)
