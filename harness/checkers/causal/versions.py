"""The four session guarantees where the client reports versions (Terry et al. 1994).

Operations: ``write`` and ``read``, each completed with the number of the version that it made or saw, with [key, number] where there
are several registers; greater is newer. Then each guarantee is a comparison with what the session did before to the same key:

* *read-your-writes*: a read sees no version older than one that the session made;
* *monotonic-reads*: nor one older than the session has seen;
* *monotonic-writes*: a write makes a version newer than the session made before;
* *writes-follow-reads*: and one newer than the session has seen before.

A version that two writes made is *duplicated*. A write that did not end ok reports no version and says nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.checkers.paired import Paired, paired, shown
from harness.values import frozen

__all__ = ["SessionVersions"]

_RULES = {
    ("read", "write"): ("read-your-writes", "saw version {1}, after the session had made {0}"),
    ("read", "read"): ("monotonic-reads", "saw version {1}, after the session had seen {0}"),
    ("write", "write"): ("monotonic-writes", "made version {1}, after the session had made {0}"),
    ("write", "read"): ("writes-follow-reads", "made version {1}, after the session had seen {0}"),
}
"""What an operation does, what was done before -> the guarantee, and what is said when it is broken."""


class SessionVersions:
    """See the module."""

    name = "session"

    def __init__(self, *, keyed: bool = False) -> None:
        """`keyed`: values are [key, version]."""
        self._keyed = keyed

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``session_accesses``, ``session_compared``, ``session_broken``: guarantee -> how often."""
        newest: dict[Any, tuple[int, Paired]] = {}
        makers: dict[Any, Paired] = {}
        evidence: list[dict[str, Any]] = []
        accesses = compared = 0
        for one in paired(run.history):
            if not one.ok:
                continue
            accesses += 1
            key, version = one.told if self._keyed else (None, one.told)
            where = frozen(key)
            if one.f == "write":
                maker = makers.setdefault((where, version), one)
                if maker is not one:
                    what = f"version {version}{_of(key)} was made twice"
                    evidence.append(finding(self.name, "duplicated", what, **shown(maker, one)))
            for before in ("write", "read"):
                known = newest.get((one.process, where, before))
                if known is None:
                    continue
                compared += 1
                newer = version > known[0] or (one.f == "read" and version == known[0])
                if not newer:
                    evidence.append(self._broken(one, key, version, before, known))
            last = newest.get((one.process, where, one.f))
            if last is None or version > last[0]:
                newest[one.process, where, one.f] = (version, one)
        broken = Counter(found["invariant"] for found in evidence)
        facts = {
            "session_accesses": accesses,
            "session_compared": compared,
            "session_broken": dict(broken),
        }
        if evidence:
            return Verdict(valid=False, facts=facts, evidence=evidence[:EVIDENCE_MAX])
        if not compared:
            what = "no session did anything twice to the same key"
            evidence = [finding(self.name, "stimulus", what)]
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        return Verdict(valid=True, facts=facts)

    def _broken(
        self, one: Paired, key: Any, version: int, before: str, known: tuple[int, Paired]
    ) -> dict[str, Any]:
        name, words = _RULES[one.f, before]
        what = f"process {one.process} {words.format(known[0], version)}{_of(key)}"
        return finding(self.name, name, what, **shown(known[1], one))


def _of(key: Any) -> str:
    return "" if key is None else f" of {key!r}"
