"""Nothing is visible without what came before it (Jepsen's causal-reverse, CockroachDB's comments).

Operations: ``write`` x, each value once, on whatever shard it falls; ``read`` -> all values there are. A read that shows a write
must show every write that had ended ok before that one was invoked: strict serializability would order them so. A read
that shows what nobody wrote, what failed, or what was written only later is convicted as well.

Of the writes that a read shows, only the one invoked last matters: whatever ended before any of them was invoked, ended before
it. So each read costs what it holds.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.checkers.paired import Paired, paired, shown
from harness.values import frozen, frozen_all, thawed

__all__ = ["WritePrecedence"]

SHOWN_MAX = 8
"""Missing writes that one finding names."""


class WritePrecedence:
    """See the module."""

    name = "write-precedence"

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``precedence_writes``, ``precedence_reads``, ``precedence_reads_wrong``."""
        operations = paired(run.history)
        writes = {frozen(one.asked): one for one in operations if one.f == "write" and one.possible}
        ended = sorted((one for one in writes.values() if one.ok), key=lambda one: one.returned)
        returns = [one.returned for one in ended]
        keys = [frozen(one.asked) for one in ended]
        called = {key: one.called for key, one in writes.items()}
        reads = [one for one in operations if one.f == "read" and one.ok]
        evidence, wrong, telling = [], 0, 0
        for read in reads:
            held = set(frozen_all(read.told or []))
            known = held if held <= writes.keys() else held & writes.keys()
            latest = max(map(called.__getitem__, known), default=-1)
            strange = (
                sorted(
                    (key for key in held if key not in writes or called[key] > read.returned),
                    key=repr,
                )
                if known is not held or latest > read.returned
                else []
            )
            before = bisect_left(returns, latest)
            telling += bool(before)
            missing = []
            if not held.issuperset(keys[:before]):
                missing = [
                    one for one, key in zip(ended[:before], keys, strict=False) if key not in held
                ]
            wrong += bool(missing or strange)
            if strange:
                evidence.append(self._strange(read, strange))
            if missing:
                last = next(writes[key] for key in known if called[key] == latest)
                evidence.append(self._missing(read, last, missing))
        facts = {
            "precedence_writes": len(ended),
            "precedence_reads": len(reads),
            "precedence_reads_wrong": wrong,
        }
        if evidence:
            return Verdict(valid=False, facts=facts, evidence=evidence[:EVIDENCE_MAX])
        if not telling:
            what = "no read showed a write that another had preceded"
            evidence = [finding(self.name, "stimulus", what)]
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        return Verdict(valid=True, facts=facts)

    def _missing(self, read: Paired, last: Paired, missing: list[Paired]) -> dict[str, Any]:
        values = [one.asked for one in missing]
        told = ", ".join(map(repr, values[:SHOWN_MAX]))
        more = f" and {len(values) - SHOWN_MAX} more" if len(values) > SHOWN_MAX else ""
        what = f"a read showed {last.asked!r} without {told}{more}, written before it"
        return finding(self.name, "missing", what, missing=values, **shown(missing[0], last, read))

    def _strange(self, read: Paired, strange: list[Any]) -> dict[str, Any]:
        values = [thawed(key) for key in strange]
        told = ", ".join(map(repr, values[:SHOWN_MAX]))
        what = f"a read showed {told}, which nobody had written"
        return finding(self.name, "unexpected", what, unexpected=values, **shown(read))
