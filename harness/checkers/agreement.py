"""Replica agreement (I6) and snapshot fidelity (I25): equal applied index, equal state hash.

A node whose row was damaged on purpose (``reg.row_corrupt``) says nothing until its store was rebuilt.

Every hash that a node tells, while applying, when it takes a snapshot, when it installs one, at the end of the
run, is compared with the first one told for that (group, index), whoever told it. A hash of 0 means "recovering" and
is no statement. Without a single comparison of two different lives the verdict is unknown.
"""

from __future__ import annotations

from typing import Any

from cluster.trace import Applied, Event, HitPoint, Installed, SnapshotTaken, Started
from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, LastCrash, finding

__all__ = ["Agreement"]

_Life = tuple[str, int]
"""(node, incarnation): who told a hash."""


class Agreement:
    """See the module."""

    name = "agreement"

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``hashes_compared``, ``snapshot_hashes_compared``."""
        first: dict[tuple[int, int], tuple[int, _Life]] = {}
        crashes = LastCrash()
        evidence: list[dict[str, Any]] = []
        compared = {"applied": 0, "snapshot": 0}

        def tell(where: tuple[int, int], state_hash: int, life: _Life, kind: str) -> bool:
            """Compare; False when another hash was told before."""
            known = first.setdefault(where, (state_hash, life))
            if known[1] == life and kind == "applied":
                return True
            compared[kind] += 1
            return known[0] == state_hash

        damaged: dict[str, bool] = {}
        for event in run.trace:
            told = _hash_of(event)
            if isinstance(event, HitPoint) and event.point == "reg.row_corrupt":
                damaged[event.node] = True
            elif isinstance(event, Installed) or (isinstance(event, Started) and event.restored):
                damaged[event.node] = False
            if told is None or damaged.get(event.node, False):
                crashes.observe(event)
                continue
            index, state_hash, kind = told
            where = (event.group, index)
            if not tell(where, state_hash, (event.node, event.incarnation), kind):
                evidence.append(self._disagreement(event, index, state_hash, first[where], crashes))
        for node, groups in run.final_state.items():
            for state in groups.values():
                where = (state["group"], state["applied"])
                state_hash = state["state_hash"]
                life = (node, state["incarnation"])
                if state_hash and not tell(where, state_hash, life, "applied"):
                    what = f"{node} ends at entry {where[1]} with another state than {first[where][1][0]}"
                    fields: dict[str, Any] = {"node": node, "group": where[0], "index": where[1]}
                    evidence.append(finding(self.name, "I6", what, **fields))
        facts = {
            "hashes_compared": sum(compared.values()),
            "snapshot_hashes_compared": compared["snapshot"],
        }
        if evidence:
            return Verdict(valid=False, facts=facts, evidence=evidence[:EVIDENCE_MAX])
        if not compared["applied"]:
            what = "no two replicas ever told their state at the same applied index"
            evidence = [finding(self.name, "stimulus", what)]
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        return Verdict(valid=True, facts=facts)

    def _disagreement(
        self,
        event: Event,
        index: int,
        state_hash: int,
        known: tuple[int, _Life],
        crashes: LastCrash,
    ) -> dict[str, Any]:
        invariant = "I6" if type(event) is Applied else "I25"
        told = {"SnapshotTaken": "wrote a snapshot", "Installed": "installed a snapshot"}
        how = told.get(type(event).__name__, "was")
        what = (
            f"{event.node} {how} at entry {index} with state {state_hash:016x}, "
            f"but {known[1][0]} (life {known[1][1]}) had {known[0]:016x} there{crashes.words(event.node)}"
        )
        return finding(
            self.name, invariant, what, event, crash_point=crashes.of(event.node), index=index
        )


def _hash_of(event: Event) -> tuple[int, int, str] | None:
    """Return (index, hash, kind) when `event` tells a hash."""
    if isinstance(event, Applied):
        if event.state_hash and event.decision != "halt":
            return event.index, event.state_hash, "applied"
    elif isinstance(event, SnapshotTaken | Installed) and event.state_hash:
        return event.index, event.state_hash, "snapshot"
    return None
