"""A counter within its bounds: every read lies between what must be in it and what may be in it (Jepsen's counter).

Operations: ``add`` n (a negative n takes away), ``read`` -> n; the counter begins at 0. An add that ended ok before the read was
invoked is in it. One that was invoked before the read returned, and did not fail, may be; a crashed one for ever. The bounds
are the sum of the former, with everything negative of the latter or with everything positive.

Every read is judged alone: that two reads contradict one another is for linearizability to see. Jepsen's checker knows no
negative adds; for positive ones the bounds are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.checkers.paired import Paired, paired, shown

__all__ = ["CounterBounds"]


class _Reading(msgspec.Struct, frozen=True):
    """A read and the bounds of what it may have seen."""

    low: int
    high: int
    read: Paired

    @property
    def fits(self) -> bool:
        """Whether the read lies within."""
        return bool(self.low <= self.read.told <= self.high)


class CounterBounds:
    """See the module."""

    name = "counter"

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``counter_adds``, ``counter_adds_indeterminate``, ``counter_reads``, ``counter_reads_wrong``."""
        operations = paired(run.history)
        readings = _readings(operations)
        wrong = [one for one in readings if not one.fits]
        adds = [one for one in operations if one.f == "add"]
        facts = {
            "counter_adds": sum(one.ok for one in adds),
            "counter_adds_indeterminate": sum(one.type == "info" for one in adds),
            "counter_reads": len(readings),
            "counter_reads_wrong": len(wrong),
        }
        if wrong:
            evidence = [self._wrong(one) for one in wrong[:EVIDENCE_MAX]]
            return Verdict(valid=False, facts=facts, evidence=evidence)
        if not readings:
            evidence = [finding(self.name, "stimulus", "the counter was never read")]
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        return Verdict(valid=True, facts=facts)

    def _wrong(self, reading: _Reading) -> dict[str, Any]:
        told, low, high = reading.read.told, reading.low, reading.high
        side = f"at least {low:,}" if told < low else f"at most {high:,}"
        what = f"the counter was read as {told:,} when it was {side}"
        bounds = {"low": low, "read": told, "high": high}
        return finding(self.name, "bounds", what, bounds=bounds, **shown(reading.read))


def _readings(operations: Sequence[Paired]) -> list[_Reading]:
    """Every read that ended ok, in order of the returns, with its bounds."""
    events = [(one.called, False, one) for one in operations if one.possible]
    events += [(one.returned, True, one) for one in operations if one.ok]
    events.sort(key=lambda event: event[0])
    low = high = asked_down = asked_up = 0
    begun: dict[int, tuple[int, int, int, int]] = {}
    readings = []
    for _, ended, one in events:
        if one.f == "add":
            amount = one.asked
            if not ended:
                low, high = low + min(0, amount), high + max(0, amount)
                asked_down, asked_up = asked_down + min(0, amount), asked_up + max(0, amount)
            else:
                low, high = low + max(0, amount), high + min(0, amount)
        elif not ended:
            begun[one.called] = (low, high, asked_down, asked_up)
        elif one.told is not None:
            low_then, high_then, down_then, up_then = begun.pop(one.called)
            readings.append(
                _Reading(low_then + asked_down - down_then, high_then + asked_up - up_then, one)
            )
    return readings
