"""The judgement of a history of transactions: from columns to a verdict.

Valid means that no anomaly was found that one of the claimed models forbids; other anomalies are evidence all the same,
and the facts say which models they rule out (``not`` the weakest ones, ``also_not`` the stronger ones). Of each name at most
`anomalies.NAMED_MAX` are kept and counted. A history in
which no transaction depends on another is unknown, and so is one in which a value was written twice: its versions
cannot be told apart, or one with too many cycles to look at them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.checkers.transactions import (
    list_append,
    rw_register,
    weak_lists,
    weak_registers,
)
from harness.checkers.transactions.anomalies import Anomaly, evidence, say
from harness.checkers.transactions.components import suspects
from harness.checkers.transactions.cycles import find_cycles
from harness.checkers.transactions.lattice import (
    DEFAULT_MODEL,
    ENDINGS,
    canonical,
    forbidden_by,
    implied_by,
    ruled_out,
)
from harness.checkers.transactions.list_versions import order_of, reads_of
from harness.checkers.transactions.rw_register import KeyOrder
from harness.checkers.transactions.special import find_special, joined, named
from harness.checkers.transactions.transactions import OK, Transactions, load
from harness.checkers.transactions.versions import Writes

__all__ = ["Isolation", "Outcome", "find_anomalies", "judge"]

_NAME = "isolation"
_READABLE_MAX = 12
"""Transactions in a cycle that a reader can follow."""


class Outcome(msgspec.Struct, frozen=True):
    """All that was found in a history, and the facts of the search."""

    anomalies: list[Anomaly]
    facts: dict[str, Any]


def find_anomalies(
    transactions: Transactions,
    writes: Writes,
    endings: tuple[str, ...],
    key_order: KeyOrder,
) -> Outcome:
    """Return all anomalies; `endings` say which orders beyond the data count."""
    sessions = "-process" in endings
    if transactions.kind == "list-append":
        order = order_of(transactions, writes)
        reads = reads_of(transactions, order)
        inferred = list_append.infer(transactions, writes, order, reads)
        suspected = suspects(inferred.graph, transactions)
        rows = suspected.nodes[suspected.nodes < len(transactions.process)]
        weak, causality = weak_lists.find_weak(transactions, order, reads, rows, sessions=sessions)
    else:
        inferred = rw_register.infer(transactions, writes, key_order)
        suspected = suspects(inferred.graph, transactions)
        weak, causality = weak_registers.find_weak(transactions, writes, sessions=sessions)
    found = find_cycles(suspected, transactions, endings)
    cycles = named(found.cycles, transactions)
    if transactions.kind == "list-append":
        anomalies = [*inferred.anomalies, *joined(cycles, weak)]
    else:
        anomalies = [*inferred.anomalies, *weak, *cycles]
    seen = [name for anomaly in anomalies for name in (anomaly.name, *anomaly.also)]
    special = find_special(suspected, transactions, endings, seen)
    facts = {
        "transactions_judged": int((transactions.status == OK).sum()),
        "dependencies": len(inferred.graph.edges.source),
        "suspects": len(suspected.nodes),
        "search_complete": found.complete and special.complete,
        "causality_judged": causality,
    }
    return Outcome([*anomalies, *special.cycles], facts)


def judge(
    transactions: Transactions,
    models: Sequence[str] = (DEFAULT_MODEL,),
    key_order: KeyOrder = "unknown",
) -> Verdict:
    """Judge whether all `models` can hold.

    `key_order` says what the store claims for every single register (see `rw_register`). Raises `UserMistake` for
    unknown models.
    """
    forbidden = forbidden_by(models)
    writes = Writes(transactions)
    if len(writes.repeated):
        again = int(writes.repeated[0])
        what = f"{say(transactions, again)}, which was written to it before: versions cannot be told apart"
        return Verdict(valid="unknown", evidence=[finding(_NAME, "ambiguous-writes", what)])
    endings = tuple(
        ending
        for ending in ENDINGS
        if not ending or any(name.endswith(ending) for name in forbidden)
    )
    outcome = find_anomalies(transactions, writes, endings, key_order)
    anomalies, facts = outcome.anomalies, outcome.facts
    counts = Counter(name for anomaly in anomalies for name in (anomaly.name, *anomaly.also))
    fallen = ruled_out(counts)
    facts |= {
        "models": [canonical(model) for model in models],
        "anomalies": dict(counts),
        "anomalies_implied": list(implied_by(counts)),
        "not": list(fallen.weakest),
        "also_not": list(fallen.also),
    }
    convicted = [one for one in anomalies if not forbidden.isdisjoint((one.name, *one.also))]
    others = [one for one in anomalies if forbidden.isdisjoint((one.name, *one.also))]
    ordered = sorted(convicted, key=_severity) + sorted(others, key=_severity)
    shown = [evidence(_NAME, anomaly, transactions) for anomaly in ordered[:EVIDENCE_MAX]]
    if convicted:
        return Verdict(valid=False, facts=facts, evidence=shown)
    doubt = _doubt(facts, forbidden)
    if doubt is not None:
        shown = [*shown, finding(_NAME, *doubt)]
    return Verdict(valid="unknown" if doubt else True, facts=facts, evidence=shown)


def _doubt(facts: dict[str, Any], forbidden: frozenset[str]) -> tuple[str, str] | None:
    """Return why nothing found is no pass: a name and a sentence."""
    if not facts["search_complete"]:
        what = "there are more cycles than were looked at; none of those seen rules out the models"
        return "search", what
    if not facts["causality_judged"] and "causal-cycle" in forbidden:
        return (
            "search",
            "the history is too large for what precedes what to be kept: causality was not judged",
        )
    if not facts["dependencies"]:
        return (
            "stimulus",
            "no transaction depends on another: nothing could have gone wrong visibly",
        )
    return None


def _severity(anomaly: Anomaly) -> tuple[bool, int, int]:
    """What a reader can follow first, then what rules out most, then the shortest."""
    fallen = ruled_out([anomaly.name, *anomaly.also])
    length = len(anomaly.steps)
    return length > _READABLE_MAX, -len(fallen.weakest) - len(fallen.also), length


class Isolation:
    """Judges a run's transactions; see the module."""

    name = _NAME

    def __init__(
        self, models: Sequence[str] = (DEFAULT_MODEL,), key_order: KeyOrder = "unknown"
    ) -> None:
        self._models = tuple(map(canonical, models))
        self._key_order = key_order

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts as `judge` gives them."""
        return judge(load(run.history), self._models, self._key_order)
