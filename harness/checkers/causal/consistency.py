"""The checker of causal consistency, in three strengths: patterns in, a verdict out.

Levels: ``consistency`` (every read can be explained by its causal past), ``convergence`` (and all replicas settle on one order of
conflicting writes), ``memory`` (and every session sees one order of all writes). Convergence and memory both imply consistency, and
neither the other. A value written twice to a register leaves open which write a read of it saw: such reads are taken to say
nothing, which convicts nobody wrongly, and without a finding the verdict is unknown.
"""

from __future__ import annotations

from collections import Counter, deque
from itertools import pairwise
from typing import Any, Literal

from harness.checkers.causal.accesses import AMBIGUOUS, Accesses, accesses_of
from harness.checkers.causal.memory import PASSED_MAX, memory
from harness.checkers.causal.patterns import Pattern, conflict_cycle, consistency
from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.checkers.paired import paired, shown

__all__ = ["CausalConsistency", "Level"]

Level = Literal["consistency", "convergence", "memory"]

EXPLAINED_MAX = 8
"""Findings that tell the way from one access to the next; each costs a walk through the history."""

STEPS_SHOWN_MAX = 12


class CausalConsistency:
    """See the module."""

    name = "causal"

    def __init__(
        self,
        level: Level = "consistency",
        *,
        keyed: bool = False,
        passed_max: int = PASSED_MAX,
    ) -> None:
        """`keyed`: values are [key, value]; `passed_max`: how much the level ``memory`` may look at (see `memory`)."""
        self._level = level
        self._keyed = keyed
        self._passed_max = passed_max

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``causal_accesses``, ``causal_sessions``, ``causal_patterns``: name -> how many."""
        accesses = accesses_of(paired(run.history), keyed=self._keyed)
        patterns, clocks, overtaken = consistency(accesses)
        sessions_open = 0
        if clocks is not None and overtaken is not None:
            if self._level == "convergence":
                patterns += conflict_cycle(accesses, clocks, overtaken)
            elif self._level == "memory":
                found = memory(accesses, self._passed_max)
                patterns += found.patterns
                sessions_open = found.sessions_open
        facts = {
            "causal_accesses": len(accesses),
            "causal_sessions": len(set(accesses.session)),
            "causal_patterns": dict(Counter(pattern.name for pattern in patterns)),
        }
        evidence = [
            self._found(accesses, pattern, explained=place < EXPLAINED_MAX)
            for place, pattern in enumerate(patterns[:EVIDENCE_MAX])
        ]
        if evidence:
            return Verdict(valid=False, facts=facts, evidence=evidence)
        ambiguous = [access for access, saw in enumerate(accesses.saw) if saw == AMBIGUOUS]
        if ambiguous:
            what = f"several writes gave the value of {accesses.words(ambiguous[0])}: nobody knows which it saw"
            evidence.append(finding(self.name, "ambiguous-writes", what))
        if sessions_open:
            of_all = f"{sessions_open:,} of {facts['causal_sessions']:,} sessions"
            evidence.append(
                finding(self.name, "out-of-budget", f"{of_all} were not looked at to the end")
            )
        if not any(saw >= 0 for saw in accesses.saw):
            evidence.append(finding(self.name, "stimulus", "no read is known to have seen a write"))
        return Verdict(valid="unknown" if evidence else True, facts=facts, evidence=evidence)

    def _found(self, accesses: Accesses, pattern: Pattern, *, explained: bool) -> dict[str, Any]:
        names = [accesses.words(access) for access in pattern.accesses]
        lines = [_SENTENCES[pattern.name].format(*names)]
        if len(pattern.accesses) > 1 and explained:
            ring = pattern.name.startswith("Cyclic")
            ends = [*pattern.accesses, pattern.accesses[0]] if ring else list(pattern.accesses)
            for first, second in pairwise(ends):
                lines += _way(accesses, first, second)
        operations = [accesses.operations[access] for access in pattern.accesses]
        return finding(self.name, pattern.name, "\n".join(lines), **shown(*operations))


_SENTENCES = {
    "ThinAirRead": "{0} saw a value that nobody wrote",
    "CyclicCO": "{0} is in its own causal past",
    "WriteCOInitRead": "{1} saw nothing, although {0} is in its causal past",
    "WriteCORead": "{2} saw {0}, although {1} hides it and is in its causal past",
    "CyclicCF": "no one order of conflicting writes fits what was read; it would put {0} before itself",
    "CyclicHB": "one session saw the same writes in two orders; they put {0} before itself",
    "WriteHBInitRead": "{1} saw nothing, although its session knows that {0} came before",
}


def _way(accesses: Accesses, first: int, second: int) -> list[str]:
    """Why `first` is before `second`: steps within sessions and from write to read."""
    came: dict[int, int] = {}
    waiting = deque([second])
    while waiting and first not in came:
        access = waiting.popleft()
        for before in accesses.before(access):
            if before not in came:
                came[before] = access
                waiting.append(before)
    if first not in came:
        return [
            f"{accesses.words(first)} must stand before {accesses.words(second)}, which a read saw instead"
        ]
    steps, access = [], first
    while access != second:
        following = came[access]
        seen = accesses.saw[following] == access
        why = "was seen by" if seen else "and then, in the same process,"
        steps.append(f"{accesses.words(access)} {why} {accesses.words(following)}")
        access = following
    if len(steps) > STEPS_SHOWN_MAX:
        steps = [*steps[:STEPS_SHOWN_MAX], f"and {len(steps) - STEPS_SHOWN_MAX} steps more"]
    return steps
