"""What clients got: operations by f and type, and how long they waited.

Valid when every kind of client operation succeeded at least once, unknown otherwise, as in Jepsen: a workload in
which all writes failed has tested nothing.
"""

from __future__ import annotations

from typing import Any

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import finding
from harness.operation import NEMESIS

__all__ = ["Stats", "quantile", "quantiles"]

_QUANTILES = (0.5, 0.95, 0.99, 1.0)


def quantile(ordered: list[int], fraction: float) -> int:
    """Return the smallest of `ordered` (ascending, not empty) that `fraction` of them do not exceed."""
    position = max(0, -int(-fraction * len(ordered) // 1) - 1)
    return ordered[position]


def quantiles(times_ns: list[int]) -> dict[str, int]:
    """Return the quantiles that are shown of times, by name; nothing of no times."""
    ordered = sorted(times_ns)
    return {f"{fraction:g}": quantile(ordered, fraction) for fraction in _QUANTILES if ordered}


class Stats:
    """See the module."""

    name = "stats"

    def __init__(self, may_fail: tuple[str, ...] = ()) -> None:
        """`may_fail` are operations of which none need succeed."""
        self._may_fail = may_fail

    def check(self, run: Run) -> Verdict:
        """See `Checker`; fact ``operations``: f -> counts by type, ok fraction, latency quantiles of ok ones in ns."""
        counts: dict[str, dict[str, int]] = {}
        latencies: dict[str, list[int]] = {}
        invoked: dict[int, int] = {}
        for operation in run.history:
            process = operation.process
            if process == NEMESIS:
                continue
            if operation.type == "invoke":
                invoked[process] = operation.time_ns
                counts.setdefault(operation.f, {"ok": 0, "fail": 0, "info": 0})
                continue
            counts[operation.f][operation.type] += 1
            began = invoked.pop(process)
            if operation.type == "ok":
                latencies.setdefault(operation.f, []).append(operation.time_ns - began)
        facts = {
            "operations": {f: _row(n, latencies.get(f, [])) for f, n in sorted(counts.items())}
        }
        never = [
            f for f, row in sorted(counts.items()) if not row["ok"] and f not in self._may_fail
        ]
        if counts and not never:
            return Verdict(valid=True, facts=facts)
        what = (
            f"never succeeded: {', '.join(never)}" if never else "no client operation was invoked"
        )
        return Verdict(
            valid="unknown", facts=facts, evidence=[finding(self.name, "stimulus", what)]
        )


def _row(counts: dict[str, int], latencies: list[int]) -> dict[str, Any]:
    total = sum(counts.values())
    row: dict[str, Any] = dict(counts)
    row["ok_fraction"] = round(counts["ok"] / total, 4) if total else 0.0
    if latencies:
        row["latency_ns"] = quantiles(latencies)
    return row
