"""Identifiers that are handed out once: no two ``generate`` that ended ok got the same (Jepsen's unique-ids).

What a generate that crashed was given nobody knows, and it constrains nothing.
"""

from __future__ import annotations

from typing import Any

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.checkers.paired import Paired, paired, shown
from harness.values import frozen, thawed

__all__ = ["UniqueIds"]


class UniqueIds:
    """See the module."""

    name = "unique-ids"

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``ids_attempted``, ``ids_acknowledged``, ``ids_duplicated``."""
        operations = [one for one in paired(run.history) if one.f == "generate"]
        holders: dict[Any, list[Paired]] = {}
        for one in operations:
            if one.ok:
                holders.setdefault(frozen(one.told), []).append(one)
        twice = {key: given for key, given in holders.items() if len(given) > 1}
        facts = {
            "ids_attempted": len(operations),
            "ids_acknowledged": sum(map(len, holders.values())),
            "ids_duplicated": len(twice),
        }
        evidence = [
            finding(
                self.name,
                "duplicated",
                f"identifier {thawed(key)!r} was handed out {len(given)} times",
                identifier=thawed(key),
                **shown(*given),
            )
            for key, given in list(twice.items())[:EVIDENCE_MAX]
        ]
        if evidence:
            return Verdict(valid=False, facts=facts, evidence=evidence)
        if not holders:
            evidence = [finding(self.name, "stimulus", "no identifier was ever handed out")]
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        return Verdict(valid=True, facts=facts)
