"""From the verdicts of the checkers to the verdict of a run, and to ``results.json``.

`judge` runs all checkers, each in safety (one that raises is ``unknown``), merges their facts and
takes the worst verdict. Then it asks whether a pass was earned: a run whose *stimuli* did not all
happen, or in which the harness itself failed, is ``unknown`` where it would have been valid. What
is invalid stays invalid.

Facts have one owner: two checkers that report one name are a defect, because a sum, a maximum and a
last one standing would each be wrong for some fact. A stimulus names a fact and its smallest value;
a fact that is a table (``crash_points_hit``) counts as the sum of it, and
``crash_points_hit/apply.after_set`` is one entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from harness.checkers.checker import (
    Checker,
    Run,
    Valid,
    Verdict,
    check_safely,
    merge_valid,
)
from harness.errors import HarnessError

__all__ = ["FactCollision", "Judgement", "Stimulus", "judge", "results"]

HARNESS = "harness"
STIMULI = "stimuli"
OWN = (HARNESS, STIMULI)
"""The names under which the harness itself has a say among the checkers; they earn no pass."""


class FactCollision(HarnessError):
    """Two checkers of one name, or a fact reported by two checkers: one of them must be renamed."""


class Stimulus(msgspec.Struct, frozen=True, kw_only=True):
    """What a run needed to see, and what it saw."""

    fact: str
    needed: int
    seen: int

    @property
    def met(self) -> bool:
        """Whether it happened often enough."""
        return self.seen >= self.needed


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a run. `verdicts` is by checker, in the order in which they were given."""

    valid: Valid
    verdicts: dict[str, Verdict]
    facts: dict[str, Any]
    stimuli: tuple[Stimulus, ...]


def judge(
    checkers: Sequence[Checker],
    run: Run,
    *,
    stimuli: Mapping[str, int],
    harness_facts: Mapping[str, Any],
    harness_error: str = "",
) -> Judgement:
    """Return the judgement of `run`.

    `harness_facts` and `harness_error`, the first one, are the journal's. Raises FactCollision.
    """
    verdicts: dict[str, Verdict] = {HARNESS: _harness_verdict(harness_facts, harness_error)}
    for checker in checkers:
        if checker.name in verdicts or checker.name in OWN:
            raise FactCollision(f"two checkers are called {checker.name!r}")
        verdicts[checker.name] = check_safely(checker, run)
    facts = _merged_facts(verdicts)
    seen = tuple(
        [
            Stimulus(fact=fact, needed=needed, seen=_count(facts, fact))
            for fact, needed in sorted(stimuli.items())
        ]
    )
    verdicts[STIMULI] = _stimuli_verdict(seen)
    valid = merge_valid([_merged_checkers(verdicts), *[verdicts[name].valid for name in OWN]])
    return Judgement(valid=valid, verdicts=verdicts, facts=facts, stimuli=seen)


def results(judgement: Judgement, **about_the_run: Any) -> dict[str, Any]:
    """Return the content of ``results.json``.

    `about_the_run` stands in front of the facts and names at least workload, world, seed and
    fingerprint. Evidence stands with its checker, and all of it once more in one list, for those
    who want the findings only.
    """
    verdicts = judgement.verdicts
    return {
        "valid": judgement.valid,
        **about_the_run,
        "facts": judgement.facts,
        "stimuli": [
            {"fact": one.fact, "needed": one.needed, "seen": one.seen, "met": one.met}
            for one in judgement.stimuli
        ],
        "checkers": {
            name: {"valid": verdict.valid, "facts": verdict.facts, "evidence": verdict.evidence}
            for name, verdict in verdicts.items()
        },
        "evidence": _folded(
            [
                {"checker": name, **finding}
                for name, verdict in verdicts.items()
                for finding in verdict.evidence
            ]
        ),
    }


def _folded(evidence: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one finding for all that say the same of one node and entry; ``times`` says how often it was found."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for finding in evidence:
        if "index" not in finding:
            found[len(found), "alone"] = finding
            continue
        same = tuple(
            finding.get(name) for name in ("checker", "invariant", "node", "group", "index")
        )
        first = found.setdefault(same, {**finding, "times": 0})
        first["times"] += 1
    return list(found.values())


def _merged_checkers(verdicts: Mapping[str, Verdict]) -> Valid:
    return merge_valid([verdict.valid for name, verdict in verdicts.items() if name not in OWN])


def _harness_verdict(facts: Mapping[str, Any], first: str) -> Verdict:
    errors = facts.get("harness_errors", 0)
    if not errors:
        return Verdict(valid=True, facts=dict(facts))
    what = f"the harness or the workload itself failed, {errors} in all; the first: {first}"
    return Verdict(
        valid="unknown", facts=dict(facts), evidence=[{"checker": HARNESS, "what": what}]
    )


def _stimuli_verdict(stimuli: Sequence[Stimulus]) -> Verdict:
    missing = [
        {
            "checker": STIMULI,
            "what": f"the run needed {one.fact} at least {one.needed} times and saw it {one.seen} times, "
            "so a pass would mean nothing",
            "stimulus": one.fact,
            "needed": one.needed,
            "seen": one.seen,
        }
        for one in stimuli
        if not one.met
    ]
    return Verdict(valid="unknown" if missing else True, evidence=missing)


def _merged_facts(verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    owners: dict[str, str] = {}
    for name, verdict in verdicts.items():
        for fact, value in verdict.facts.items():
            if fact in owners:
                raise FactCollision(
                    f"the fact {fact!r} is reported by {owners[fact]!r} and by {name!r}"
                )
            owners[fact] = name
            facts[fact] = value
    return facts


def _count(facts: Mapping[str, Any], fact: str) -> int:
    """Return how often a stimulus happened; what nobody reported never did."""
    value: Any = facts
    for name in fact.split("/"):
        value = value.get(name, 0) if isinstance(value, Mapping) else 0
    return _total(value)


def _total(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum([_total(one) for one in value.values()])
    return int(value) if isinstance(value, int | float) else 0
