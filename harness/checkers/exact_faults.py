"""Whether every exact fault of the scenario came to its moment.

A fault waits for a time or for an operation; when the run ends before, nothing was broken, and a pass would mean nothing:
unknown. What the fault did once it was asked for is the business of other checkers.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import finding
from harness.operation import NEMESIS, Operation
from harness.scenario import After, FaultEntry

__all__ = ["ExactFaults"]


class ExactFaults:
    """See the module."""

    name = "exact-faults"

    def __init__(self, faults: Sequence[FaultEntry]) -> None:
        self._faults = faults

    def check(self, run: Run) -> Verdict:
        """See `Checker`; fact ``exact_faults``: how many were asked for."""
        asked = _invocations(run.history)
        missing = []
        for fault in self._faults:
            wanted = (fault.f, {"targets": fault.targets, **fault.value})
            if wanted in asked:
                asked.remove(wanted)
            else:
                missing.append(fault)
        evidence = [finding(self.name, "stimulus", _words(fault)) for fault in missing]
        facts = {"exact_faults": len(self._faults) - len(missing)}
        return Verdict(valid="unknown" if missing else True, facts=facts, evidence=evidence)


def _invocations(history: Sequence[Operation]) -> list[tuple[str, object]]:
    """What the nemesis was asked for: it does one thing at a time, so every other of its operations is a completion."""
    operations = [one for one in history if one.process == NEMESIS]
    return [(one.f, one.value) for one in operations[::2]]


def _words(fault: FaultEntry) -> str:
    when = fault.when
    if isinstance(when, After):
        return f"the run ended before the fault {fault.f!r}, which waited for {when.f} ({when.type}) number {when.nth}"
    return f"the run ended before the fault {fault.f!r}, which waited for {when.time_s:g} s"
