"""No restart loop (L4): a node must not fail to start three times in a row at the same entry.

A start fails when the life ends by a halt or an error before anything new was applied, that is at the same entry
as the life before. A halt that the scenario wants (option ``expect_halt``) and one that an injected fault caused
are expected to come again.
"""

from __future__ import annotations

from typing import Any

from cluster.trace import Event, Fault, Halted, HitPoint, Started, Stopped
from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import LastCrash, finding
from harness.checkers.registry_fold import HALT_KINDS
from harness.checkers.replica_story import is_disk_fault
from harness.checkers.trace_views import rare_events

__all__ = ["FAILING_STARTS_MAX", "RestartLoop"]

FAILING_STARTS_MAX = 2
"""Consecutive failing starts at one entry that are still no loop."""


class _Loop:
    """Consecutive failing lives of one node."""

    __slots__ = ("at", "count", "excused", "halted", "starts", "told")

    def __init__(self) -> None:
        self.starts = 0
        self.count = 0
        self.at: tuple[int, int] | None = None
        self.halted: Halted | None = None
        self.excused = False
        self.told = False


class RestartLoop:
    """See the module."""

    name = "restart loop"

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``starts``, ``failing_starts_in_a_row``; reads option ``expect_halt``."""
        loops = {node: _Loop() for node in run.nodes}
        crashes = LastCrash()
        evidence: list[dict[str, Any]] = []
        longest = 0
        wanted = run.options.get("expect_halt")
        for event in rare_events(run.trace):
            loop = loops.get(event.node)
            if loop is None:
                continue
            crashes.observe(event)
            if isinstance(event, Started):
                loop.starts += event.group == 0
            elif isinstance(event, HitPoint):
                loop.excused |= event.action == "error"
            elif isinstance(event, Fault):
                loop.excused |= is_disk_fault(event)
            elif isinstance(event, Halted):
                loop.halted = event
                loop.excused |= HALT_KINDS.get(event.error_class, "") == wanted
            elif isinstance(event, Stopped):
                self._ended(loop, event)
                longest = max(longest, loop.count)
                if loop.count > FAILING_STARTS_MAX and not (loop.excused or loop.told):
                    loop.told = True
                    evidence.append(self._found(loop, event, crashes))
        starts = sum(loop.starts for loop in loops.values())
        facts = {"starts": starts, "failing_starts_in_a_row": longest}
        if evidence:
            return Verdict(valid=False, facts=facts, evidence=evidence)
        if not starts:
            evidence = [finding(self.name, "stimulus", "no node ever started")]
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        return Verdict(valid=True, facts=facts)

    def _ended(self, loop: _Loop, event: Stopped) -> None:
        """Count the life that ended: failing at the same place as the one before, or not."""
        halted = loop.halted
        loop.halted = None
        if event.cause not in ("halt", "error"):
            loop.count, loop.at = 0, None
            return
        at = (halted.group, halted.index) if halted is not None else (0, 0)
        loop.count = loop.count + 1 if at == loop.at else 1
        loop.at = at

    def _found(self, loop: _Loop, event: Event, crashes: LastCrash) -> dict[str, Any]:
        group, index = loop.at or (0, 0)
        where = f"at entry {index}" if index else "before it applied anything"
        what = f"{event.node} failed {loop.count} times in a row {where}{crashes.words(event.node)}"
        return finding(
            self.name,
            "L4",
            what,
            event,
            group=group,
            index=index,
            crash_point=crashes.of(event.node),
        )
