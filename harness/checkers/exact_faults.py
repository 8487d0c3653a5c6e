"""Whether every exact fault of the scenario came to its moment.

A fault waits for a time or for an operation; when the run ends before, nothing was broken, and a pass would mean nothing:
unknown. What the fault did once it was asked for is the business of other checkers.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import finding
from harness.operation import NEMESIS, Operation
from harness.scenario import THERE, After, At, FaultEntry, InOrder
from harness.triggers import Trigger, narrowed

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
            found = next((one for one in asked if _is_asked(fault, *one)), None)
            if found is None:
                missing.append(fault)
            else:
                asked.remove(found)
        evidence = [finding(self.name, "stimulus", _words(fault)) for fault in missing]
        facts = {"exact_faults": len(self._faults) - len(missing)}
        return Verdict(valid="unknown" if missing else True, facts=facts, evidence=evidence)


def _invocations(history: Sequence[Operation]) -> list[tuple[str, object]]:
    """What the nemesis was asked for: it does one thing at a time, so every other of its operations is a completion."""
    operations = [one for one in history if one.process == NEMESIS]
    return [(one.f, one.value) for one in operations[::2]]


def _is_asked(fault: FaultEntry, f: str, value: object) -> bool:
    """Whether an invocation is this fault's; which node ``there`` was is not known beforehand."""
    wanted = {"targets": fault.targets, **fault.value}
    if f != fault.f or not isinstance(value, dict) or THERE not in fault.targets:
        return (f, value) == (fault.f, wanted)
    targets = value.get("targets", [])
    return (
        {**value, "targets": fault.targets} == wanted
        and len(targets) == len(fault.targets)
        and all(word in (THERE, one) for word, one in zip(fault.targets, targets, strict=True))
    )


def _words(fault: FaultEntry) -> str:
    when = fault.when
    if isinstance(when, At):
        waited = f"{when.time_s:g} s"
    elif isinstance(when, After):
        waited = f"{when.f} ({when.type}) number {when.nth}"
    elif isinstance(when, InOrder):
        waited = (
            f"{when.invoked} operations invoked, {when.completed} completed, "
            f"{when.begun} faults begun, {when.done} done"
        )
    else:
        waited = _trigger_words(when)
    return f"the run ended before the fault {fault.f!r}, which waited for {waited}"


def _trigger_words(trigger: Trigger) -> str:
    """``point snap.renamed number 2 on follower, after leader-changed number 1``."""
    words = " ".join([trigger.event, *map(str, narrowed(trigger).values())])
    words += f" number {trigger.nth}" + (f" on {trigger.on}" if trigger.on else "")
    return words if trigger.after is None else f"{words}, after {_trigger_words(trigger.after)}"
