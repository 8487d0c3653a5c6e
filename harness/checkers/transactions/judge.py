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

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.checkers.transactions import list_append, rw_register
from harness.checkers.transactions.anomalies import Anomaly, evidence, say
from harness.checkers.transactions.components import suspects
from harness.checkers.transactions.cycles import find_cycles
from harness.checkers.transactions.lattice import (
    DEFAULT_MODEL,
    canonical,
    forbidden_by,
    ruled_out,
)
from harness.checkers.transactions.rw_register import KeyOrder
from harness.checkers.transactions.transactions import OK, Transactions, load
from harness.checkers.transactions.versions import Writes
from harness.checkers.transactions.weak import clocks_fit, find_weak

__all__ = ["Isolation", "find_anomalies", "judge"]

_NAME = "isolation"
_READABLE_MAX = 12
"""Transactions in a cycle that a reader can follow."""

_ENDINGS = ("", "-process", "-realtime")


def find_anomalies(
    transactions: Transactions,
    writes: Writes,
    endings: tuple[str, ...],
    key_order: KeyOrder,
) -> tuple[list[Anomaly], dict[str, Any]]:
    """Return all anomalies and the facts of the search; `endings` say which orders beyond the data count."""
    if transactions.kind == "list-append":
        inferred = list_append.infer(transactions, writes)
    else:
        inferred = rw_register.infer(transactions, writes, key_order)
    suspected = suspects(inferred.graph, transactions)
    found = find_cycles(suspected, transactions, endings)
    facts = {
        "transactions_judged": int((transactions.status == OK).sum()),
        "dependencies": len(inferred.graph.edges.source),
        "suspects": len(suspected.nodes),
        "search_complete": found.complete,
    }
    anomalies = [*inferred.anomalies, *found.cycles]
    if transactions.kind == "rw-register":
        sessions = "-process" in endings and clocks_fit(transactions)
        facts["causality_judged"] = sessions
        anomalies += find_weak(transactions, writes, sessions=sessions)
    return anomalies, facts


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
        for ending in _ENDINGS
        if not ending or any(name.endswith(ending) for name in forbidden)
    )
    anomalies, facts = find_anomalies(transactions, writes, endings, key_order)
    fallen = ruled_out(anomaly.name for anomaly in anomalies)
    facts |= {
        "models": [canonical(model) for model in models],
        "anomalies": dict(Counter(anomaly.name for anomaly in anomalies)),
        "not": list(fallen.weakest),
        "also_not": list(fallen.also),
    }
    convicted = [anomaly for anomaly in anomalies if anomaly.name in forbidden]
    others = [anomaly for anomaly in anomalies if anomaly.name not in forbidden]
    ordered = sorted(convicted, key=_severity) + sorted(others, key=_severity)
    shown = [evidence(_NAME, anomaly, transactions) for anomaly in ordered[:EVIDENCE_MAX]]
    if convicted:
        return Verdict(valid=False, facts=facts, evidence=shown)
    if not facts["search_complete"]:
        what = "there are more cycles than were looked at; none of those seen rules out the models"
        shown = [*shown, finding(_NAME, "search", what)]
        return Verdict(valid="unknown", facts=facts, evidence=shown)
    if not facts["dependencies"]:
        what = "no transaction depends on another: nothing could have gone wrong visibly"
        shown = [*shown, finding(_NAME, "stimulus", what)]
        return Verdict(valid="unknown", facts=facts, evidence=shown)
    return Verdict(valid=True, facts=facts, evidence=shown)


def _severity(anomaly: Anomaly) -> tuple[bool, int, int]:
    """What a reader can follow first, then what rules out most, then the shortest."""
    fallen = ruled_out([anomaly.name])
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
