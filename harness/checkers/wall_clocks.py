"""Wall clocks that were set wrong, as their nodes saw them: whether it happened, and whether timestamps went on.

The nemesis ``realtime`` asks nodes for the time before and after each act; its completions hold the readings. A clock *jumped*
when between two readings of one node it moved by a tenth of a second more or less than the time that passed; without a single
jump the fault did not reach the nodes, and a pass would mean nothing, unless it was one of several that took their turns. Timestamps of one life must grow from reading to reading,
whatever the wall clock did.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.checkers.checker import Run, Valid, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.operation import NEMESIS

__all__ = ["WallClocks"]

_JUMP_NS = 100_000_000


class WallClocks:
    """See the module."""

    name = "clocks"

    def __init__(self, *, jump_needed: bool = True) -> None:
        self._jump_needed = jump_needed

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``clock_readings``, ``clock_jumps``, ``clock_steps_back``, ``stamps_back``."""
        facts = dict.fromkeys(
            ("clock_readings", "clock_jumps", "clock_steps_back", "stamps_back"), 0
        )
        latest: dict[str, dict[str, Any]] = {}
        evidence: list[dict[str, Any]] = []
        for reading in _readings(run):
            facts["clock_readings"] += 1
            node = reading["node"]
            before = latest.get(node)
            latest[node] = reading
            if before is None:
                continue
            moved_ns = reading["wall_ns"] - before["wall_ns"]
            facts["clock_jumps"] += abs(moved_ns - (reading["at_ns"] - before["at_ns"])) > _JUMP_NS
            facts["clock_steps_back"] += moved_ns < 0
            if (
                reading["incarnation"] == before["incarnation"]
                and reading["stamp_ns"] <= before["stamp_ns"]
            ):
                facts["stamps_back"] += 1
                what = f"{node} gave the timestamp {reading['stamp_ns']} after {before['stamp_ns']}"
                evidence.append(
                    finding(self.name, "timestamps", what, node=node, time_ns=reading["at_ns"])
                )
        valid: Valid = not evidence
        if valid and self._jump_needed and not facts["clock_jumps"]:
            valid = "unknown"
            evidence.append(finding(self.name, "stimulus", "no node saw its wall clock jump"))
        return Verdict(valid=valid, facts=facts, evidence=evidence[:EVIDENCE_MAX])


def _readings(run: Run) -> Iterator[dict[str, Any]]:
    """Every reading, in the order in which the nodes were asked."""
    for operation in run.history:
        if operation.process == NEMESIS and isinstance(operation.value, dict):
            yield from operation.value.get("readings", ())
