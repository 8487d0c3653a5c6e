"""Subkeys appear in the order in which their process wrote them (CockroachDB's sequential, elle-cli's sequential).

One process writes the subkeys of a key one after the other; a reader reads them one after the other, the last one first. Sequential
consistency keeps the writer's order, so a reader that finds a later subkey finds all earlier ones.

Operations: ``write`` k (or ``add``; the subkeys are the client's business), ``read`` k, completed with [k, [v ...]], newest subkey
first, None for one that was not there. None behind a value is the violation.
"""

from __future__ import annotations

from typing import Any

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.checkers.paired import Paired, paired, shown

__all__ = ["SubkeyOrder"]


def _gap(seen: list[Any]) -> bool:
    """Whether something is missing behind something that is there."""
    found = False
    for value in seen:
        if found and value is None:
            return True
        found = found or value is not None
    return False


class SubkeyOrder:
    """See the module."""

    name = "sequential"

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``subkeys_all``, ``subkeys_some``, ``subkeys_none``, ``subkeys_bad``: reads by what they found."""
        reads = [one for one in paired(run.history) if one.f == "read" and one.ok]
        bad = [one for one in reads if _gap(one.told[1])]
        every = [one for one in reads if None not in one.told[1]]
        nothing = [one for one in reads if set(map(type, one.told[1])) <= {type(None)}]
        facts = {
            "subkeys_all": len(every),
            "subkeys_some": len(reads) - len(every) - len(nothing),
            "subkeys_none": len(nothing),
            "subkeys_bad": len(bad),
        }
        if bad:
            evidence = [self._bad(one) for one in bad[:EVIDENCE_MAX]]
            return Verdict(valid=False, facts=facts, evidence=evidence)
        if len(reads) == len(nothing):
            evidence = [finding(self.name, "stimulus", "no read found a subkey")]
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        return Verdict(valid=True, facts=facts)

    def _bad(self, read: Paired) -> dict[str, Any]:
        key, seen = read.told
        what = f"a read of {key!r} found a later subkey and then missed an earlier one: {seen!r}"
        return finding(self.name, "order", what, key=key, **shown(read))
