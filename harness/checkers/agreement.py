"""Replica agreement (I6) and snapshot fidelity (I25): equal applied index, equal state hash.

Every hash that a node tells, while applying, when it takes a snapshot, when it installs one, at the end of the
run, is compared with the first one told for that (group, index), whoever told it. A hash of 0 means "recovering" and
is no statement, and a replica whose row was damaged on purpose (``reg.row_corrupt``) has no say until its store is
rebuilt. Without a single comparison of two different lives the verdict is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.trace import Applied, Event, HitPoint, Installed, SnapshotTaken, Started
from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, LastCrash, finding
from harness.checkers.replica_story import ROW_CORRUPT

__all__ = ["Agreement"]

_Life = tuple[str, int]
"""(node, incarnation): who told a hash."""


class Agreement:
    """See the module."""

    name = "agreement"

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``hashes_compared``, ``snapshot_hashes_compared``."""
        first: dict[tuple[int, int], tuple[int, _Life]] = {}
        odd: list[tuple[Event, int, tuple[int, _Life]]] = []
        corrupt: dict[tuple[str, int], None] = {}
        applied = snapshots = 0
        for event in run.trace:
            if type(event) is Applied:
                if event.decision == "halt":
                    continue
            elif type(event) is Installed:
                corrupt.pop((event.node, event.group), None)
            elif type(event) is not SnapshotTaken:
                if type(event) is HitPoint and event.point == ROW_CORRUPT:
                    corrupt[event.node, event.group] = None
                elif type(event) is Started and event.restored:
                    corrupt.pop((event.node, event.group), None)
                continue
            state_hash = event.state_hash
            if not state_hash or (corrupt and (event.node, event.group) in corrupt):
                continue
            life = (event.node, event.incarnation)
            known = first.setdefault((event.group, event.index), (state_hash, life))
            if type(event) is not Applied:
                snapshots += 1
            elif known[1] != life:
                applied += 1
            if known[0] != state_hash:
                odd.append((event, state_hash, known))
        evidence = self._explain(run, odd)
        applied += self._judge_final_state(run, first, evidence, corrupt)
        facts = {"hashes_compared": applied + snapshots, "snapshot_hashes_compared": snapshots}
        if evidence:
            return Verdict(valid=False, facts=facts, evidence=evidence[:EVIDENCE_MAX])
        if not applied:
            what = "no two replicas ever told their state at the same applied index"
            evidence = [finding(self.name, "stimulus", what)]
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        return Verdict(valid=True, facts=facts)

    def _judge_final_state(
        self,
        run: Run,
        first: dict[tuple[int, int], tuple[int, _Life]],
        evidence: list[dict[str, Any]],
        corrupt: Mapping[tuple[str, int], None],
    ) -> int:
        """Compare what nodes show at the end; returns how many comparisons that were."""
        compared = 0
        for node, groups in run.final_state.items():
            for state in groups.values():
                state_hash = state["state_hash"]
                mute = state["recovering"] or (node, state["group"]) in corrupt
                if not state_hash or mute:
                    continue
                where = (state["group"], state["applied"])
                life = (node, state["incarnation"])
                known = first.setdefault(where, (state_hash, life))
                compared += known[1] != life
                if known[0] != state_hash:
                    what = (
                        f"{node} ends at entry {where[1]} with another state than {known[1][0]} had"
                    )
                    fields: dict[str, Any] = {"node": node, "group": where[0], "index": where[1]}
                    evidence.append(finding(self.name, "I6", what, **fields))
        return compared

    def _explain(
        self, run: Run, odd: list[tuple[Event, int, tuple[int, _Life]]]
    ) -> list[dict[str, Any]]:
        """Turn disagreements into findings; only now the trace is read again for what struck the nodes."""
        evidence: list[dict[str, Any]] = []
        crashes = LastCrash()
        waiting = iter(odd)
        following = next(waiting, None)
        for event in run.trace:
            if following is None:
                break
            crashes.observe(event)
            if event is following[0]:
                _, state_hash, known = following
                evidence.append(self._disagreement(event, state_hash, known, crashes))
                following = next(waiting, None)
        return evidence

    def _disagreement(
        self, event: Event, state_hash: int, known: tuple[int, _Life], crashes: LastCrash
    ) -> dict[str, Any]:
        invariant, how = _TELLING[type(event)]
        what = (
            f"{event.node} {how} with state {state_hash:016x}, but {known[1][0]} (life {known[1][1]}) "
            f"had {known[0]:016x} at that entry{crashes.words(event.node)}"
        )
        return finding(self.name, invariant, what, event, crash_point=crashes.of(event.node))


_TELLING: dict[type, tuple[str, str]] = {
    Applied: ("I6", "was"),
    SnapshotTaken: ("I25", "wrote a snapshot"),
    Installed: ("I25", "installed a snapshot"),
}
"""Kind of event that tells a hash -> the invariant that it breaks, and what the node did."""
