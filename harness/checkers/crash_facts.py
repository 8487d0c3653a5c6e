"""What was done to the cluster and what became of it, counted; no judgement, so always valid.

Scenarios name some of these facts as stimuli they need: a pass rests on what really happened.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from cluster.trace import (
    Fault,
    Halted,
    HitPoint,
    Installed,
    Reconfigured,
    RoleChanged,
    SnapshotTaken,
    Started,
    Stopped,
    Transferred,
)
from harness.checkers.checker import Run, Verdict
from harness.checkers.memberships import joined_by_change
from harness.checkers.trace_views import rare_events

__all__ = ["CrashFacts"]

_DEATHS = {"kill": "kills", "power": "power_losses", "halt": "halted_exits", "error": "error_exits"}


class CrashFacts:
    """See the module."""

    name = "crashes"

    def check(self, run: Run) -> Verdict:
        """See `Checker`. `restores` counts stores rebuilt from a snapshot, `installs` snapshots from a leader.

        `membership_changes` counts configurations that were applied (one that was joint counts when it was left),
        `leader_transfers` leaders whom the one before asked for, `joins_by_snapshot` newcomers who got one.
        """
        counts = Counter(dict.fromkeys(_FACTS, 0))
        points: Counter[str] = Counter()
        faults: Counter[str] = Counter()
        leaders: dict[int, tuple[str, int]] = {}
        started: dict[tuple[str, int], int] = {}
        changed: dict[tuple[int, int], None] = {}
        joining = dict(joined_by_change(run.trace))
        for event in rare_events(run.trace):
            if isinstance(event, HitPoint):
                points[event.point] += 1
            elif isinstance(event, Stopped):
                counts[_DEATHS.get(event.cause, "clean_stops")] += 1
            elif isinstance(event, Started):
                first = started.setdefault((event.node, event.group), event.incarnation)
                counts["restarts"] += event.incarnation != first
                counts["restores"] += event.restored
                counts["torn_tails_cut"] += event.torn_bytes > 0
            elif isinstance(event, RoleChanged):
                if event.role == "leader" and leaders.get(event.group) != (event.node, event.term):
                    counts["leader_changes"] += event.group in leaders
                    leaders[event.group] = (event.node, event.term)
            elif isinstance(event, SnapshotTaken):
                counts["snapshots"] += 1
            elif isinstance(event, Installed):
                counts["installs"] += 1
                if (event.node, event.group) in joining:
                    del joining[event.node, event.group]
                    counts["joins_by_snapshot"] += 1
            elif isinstance(event, Reconfigured):
                if event.applied and not event.outgoing:
                    changed[event.group, event.index] = None
            elif isinstance(event, Transferred):
                counts["leader_transfers"] += 1
            elif isinstance(event, Halted):
                counts["halts"] += 1
            elif isinstance(event, Fault):
                if event.action == "dropped":
                    counts["packets_dropped"] += event.amount
                else:
                    faults[event.action] += 1
                counts["links_cut"] += len(event.target.split()) * (event.action == "cut")
        counts["membership_changes"] = len(changed)
        facts: dict[str, Any] = dict(counts)
        facts["crash_points_hit"] = dict(sorted(points.items()))
        facts["faults"] = dict(sorted(faults.items()))
        return Verdict(valid=True, facts=facts)


_FACTS = (
    *_DEATHS.values(),
    "clean_stops",
    "halts",
    "installs",
    "joins_by_snapshot",
    "leader_changes",
    "leader_transfers",
    "membership_changes",
    "links_cut",
    "packets_dropped",
    "restarts",
    "restores",
    "snapshots",
    "torn_tails_cut",
)
