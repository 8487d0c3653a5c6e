"""No node ends with an error of its own: a start that is refused, a broken promise of raft, a mistake in the program.

Such an end costs nothing when a majority is left and the node comes back, so no other judge need notice it; yet a correct
node does it only when its disk was broken on purpose. The life in which that happened is excused, and every later one
that begins while the disk is still broken. Halts are another matter (`registry_model`).
"""

from __future__ import annotations

from typing import Any

from cluster.trace import Fault, Stopped
from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, LastCrash, finding
from harness.checkers.replica_story import DISK_HEALED, is_disk_fault, is_file_damage
from harness.checkers.trace_views import rare_events

__all__ = ["UnforcedErrors"]


class UnforcedErrors:
    """See the module."""

    name = "errors"

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``errors_forced``, ``errors_unforced``."""
        broken: dict[str, bool] = {}
        """Node -> whether its disk is broken now."""
        hurt: dict[str, bool] = {}
        """Node -> whether its disk was broken at any time in the present life."""
        damaged: dict[str, bool] = {}
        """Node -> whether files of its disk were damaged, which no mending undoes."""
        crashes = LastCrash()
        facts = {"errors_forced": 0, "errors_unforced": 0}
        evidence: list[dict[str, Any]] = []
        for event in rare_events(run.trace):
            node = event.node
            if isinstance(event, Fault):
                if is_disk_fault(event):
                    broken[node] = hurt[node] = True
                    damaged[node] = damaged.get(node, False) or is_file_damage(event)
                elif event.action == DISK_HEALED:
                    broken[node] = damaged.get(node, False)
            elif isinstance(event, Stopped):
                if event.cause == "error" and hurt.get(node, False):
                    facts["errors_forced"] += 1
                elif event.cause == "error":
                    facts["errors_unforced"] += 1
                    what = f"{node} ended with exit code {event.exit_code}{crashes.words(node)}: {event.message}"
                    point = crashes.of(node)
                    evidence.append(finding(self.name, "L1", what, event, crash_point=point))
                hurt[node] = broken.get(node, False)
            crashes.observe(event)
        return Verdict(valid=not evidence, facts=facts, evidence=evidence[:EVIDENCE_MAX])
