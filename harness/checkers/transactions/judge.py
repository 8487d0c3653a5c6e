"""The judgement of a history of transactions: from columns to a verdict.

Valid means that no anomaly was found that one of the claimed models forbids; other anomalies are evidence all the same,
and the facts say which models they rule out (``not`` the weakest ones, ``also_not`` the stronger ones). Of each name at most
`anomalies.NAMED_MAX` are kept and counted. A history in
which no transaction depends on another is unknown, and so is one in which a value was written twice: its versions
cannot be told apart, or one whose versions may have had so many orders that none was found in time. Where the history leaves the order of versions open, a model holds iff some order fits it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial
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
from harness.checkers.transactions.anomalies import (
    Anomaly,
    Inferred,
    evidence,
    say,
    unorderable,
)
from harness.checkers.transactions.components import Suspects, suspects
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
from harness.checkers.transactions.picture import drawn
from harness.checkers.transactions.rw_register import KeyOrder
from harness.checkers.transactions.special import find_special, joined, named
from harness.checkers.transactions.transactions import OK, Transactions, load
from harness.checkers.transactions.version_choices import Choices, of_lists, of_registers
from harness.checkers.transactions.version_search import EDGES_MAX, WRITERS_MAX, Searched, search
from harness.checkers.transactions.version_witness import witness
from harness.checkers.transactions.versions import Writes

__all__ = ["Isolation", "Outcome", "find_anomalies", "judge"]

_NAME = "isolation"
WITNESS_FROM = 2_000
"""Transactions from which on an order that explains everything is looked for: below that, all else takes less time than the compiler's import."""

_READABLE_MAX = 12
"""Transactions in a cycle that a reader can follow."""

_DRAWN_MAX = 10
"""Findings that come with a picture."""

_NEEDS_ORDER = frozenset(
    name + ending
    for name in ("prefix-cycle", "G-single", "G-nonadjacent", "G2-item")
    for ending in ENDINGS
)
"""What a model must forbid for the order of versions to matter; weaker ones are judged without (see `weak_registers`)."""

_UNDECIDED = {
    "out of budget": "{tried} of versions, and none of them fits {model}; others may. {far}; --budget gives it more time",
    "too many writers": "{tried} of versions, and none of them fits {model}. {far}, and among these are keys "
    f"with more than {WRITERS_MAX} writers, whose order is not searched",
    "no solver": "{tried} of versions, and it does not fit {model}. {far}, and the search for others needs python-sat: "
    "pip install 'reprise-harness[isolation]'",
}


class Outcome(msgspec.Struct, frozen=True):
    """All that was found in a history, the facts of the search, and the orders of versions that it leaves open."""

    anomalies: list[Anomaly]
    facts: dict[str, Any]
    choices: Callable[[], Choices]


def find_anomalies(
    transactions: Transactions,
    writes: Writes,
    endings: tuple[str, ...],
    key_order: KeyOrder,
) -> Outcome:
    """Return all anomalies; `endings` say which orders beyond the data count."""
    lists = transactions.kind == "list-append"
    outcome = (_of_lists if lists else _of_registers)(transactions, writes, endings, key_order)
    suspected, inferred, weak = outcome.suspected, outcome.inferred, outcome.weak
    found = find_cycles(suspected, transactions, endings)
    cycles = named(found.cycles, transactions)
    anomalies = [*inferred.anomalies, *(joined(cycles, weak) if lists else [*weak, *cycles])]
    seen = [name for anomaly in anomalies for name in (anomaly.name, *anomaly.also)]
    special = find_special(suspected, transactions, endings, seen)
    facts = {
        "transactions_judged": int((transactions.status == OK).sum()),
        "dependencies": len(inferred.graph.edges.source),
        "suspects": len(suspected.nodes),
        "search_complete": found.complete and special.complete,
        "causality_judged": outcome.causality,
        "open_keys": 0,
        "orders_tried": 0,
        **({"explained_by_an_order": True} if outcome.explained else {}),
    }
    return Outcome([*anomalies, *special.cycles], facts, outcome.choices)


class _Parts(msgspec.Struct, frozen=True):
    """What is asked differently of lists and of registers."""

    inferred: Inferred
    suspected: Suspects
    weak: list[Anomaly]
    causality: bool
    choices: Callable[[], Choices]
    explained: bool = False
    """Whether an order was found that explains everything, so that nothing weaker had to be judged."""


def _of_lists(
    transactions: Transactions, writes: Writes, endings: tuple[str, ...], _: KeyOrder
) -> _Parts:
    order = order_of(transactions, writes)
    reads = reads_of(transactions, order)
    inferred = list_append.infer(transactions, writes, order, reads)
    suspected = suspects(inferred.graph, transactions)
    rows = suspected.nodes[suspected.nodes < len(transactions.process)]
    sessions = "-process" in endings
    weak, all_seen = weak_lists.find_weak(transactions, order, reads, rows, sessions=sessions)
    return _Parts(
        inferred, suspected, weak, all_seen, partial(of_lists, transactions, order, reads)
    )


def _of_registers(
    transactions: Transactions, writes: Writes, endings: tuple[str, ...], key_order: KeyOrder
) -> _Parts:
    versions = rw_register.versions_of(transactions, writes)
    inferred, pairs = rw_register.infer(transactions, versions, key_order)
    suspected = suspects(inferred.graph, transactions)
    sessions = "-process" in endings
    amiss = inferred.anomalies or len(suspected.nodes)
    asked = not amiss and len(transactions.process) >= WITNESS_FROM
    place = witness(transactions, versions) if asked else None
    weak, judged = (
        ([], True)
        if place is not None
        else weak_registers.find_weak(transactions, versions, sessions=sessions)
    )
    choices = partial(of_registers, transactions, versions, pairs, inferred.graph, place)
    return _Parts(inferred, suspected, weak, judged, choices, explained=place is not None)


def judge(
    transactions: Transactions,
    models: Sequence[str] = (DEFAULT_MODEL,),
    key_order: KeyOrder = "unknown",
    edges_max: int = EDGES_MAX,
    tolerated: Collection[str] = (),
) -> Verdict:
    """Judge whether all `models` can hold.

    `key_order` says what the store claims for every single register (see `rw_register`), `edges_max` how long to look for
    an order of versions where the history leaves it open (see `version_search`). Anomalies that are `tolerated` are counted in the
    fact of that name and rule out nothing. Raises `UserMistake` for unknown models.
    """
    forbidden = forbidden_by(models)
    writes = Writes(transactions)
    if len(writes.repeated):
        again = int(writes.repeated[0])
        what = f"{say(transactions, again)}, which was written to it before: versions cannot be told apart"
        return Verdict(valid="unknown", evidence=[finding(_NAME, "ambiguous-writes", what)])
    endings = _endings(forbidden)
    outcome = find_anomalies(transactions, writes, endings, key_order)
    anomalies = [one for one in outcome.anomalies if one.name not in tolerated]
    facts = outcome.facts
    if passed_over := Counter(one.name for one in outcome.anomalies if one.name in tolerated):
        facts["tolerated"] = dict(passed_over)
    doubts = _doubts(facts, forbidden)
    convicted = any(_is_forbidden(anomaly, forbidden) for anomaly in anomalies)
    if not convicted and _is_open(transactions, anomalies, forbidden, key_order):
        unorderable, further = _search_orders(transactions, outcome, models, edges_max)
        anomalies += unorderable
        doubts = [*further, *doubts]
    counts = Counter(name for anomaly in anomalies for name in (anomaly.name, *anomaly.also))
    fallen = ruled_out(counts)
    facts |= {
        "models": [canonical(model) for model in models],
        "anomalies": dict(counts),
        "anomalies_implied": list(implied_by(counts)),
        "not": list(fallen.weakest),
        "also_not": list(fallen.also),
    }
    ordered = sorted(anomalies, key=lambda one: (not _is_forbidden(one, forbidden), _severity(one)))
    shown = [
        evidence(_NAME, anomaly, transactions)
        | (drawn(anomaly, transactions) if number < _DRAWN_MAX else {})
        for number, anomaly in enumerate(ordered[:EVIDENCE_MAX])
    ]
    if ordered and _is_forbidden(ordered[0], forbidden):
        return Verdict(valid=False, facts=facts, evidence=shown)
    shown += [finding(_NAME, *doubt) for doubt in doubts]
    return Verdict(valid="unknown" if doubts else True, facts=facts, evidence=shown)


def _endings(forbidden: frozenset[str]) -> tuple[str, ...]:
    """Return the orders beyond the data that matter to what is forbidden."""
    return tuple(
        ending
        for ending in ENDINGS
        if not ending or any(name.endswith(ending) for name in forbidden)
    )


def _is_forbidden(anomaly: Anomaly, forbidden: frozenset[str]) -> bool:
    return not forbidden.isdisjoint((anomaly.name, *anomaly.also))


def _is_open(
    transactions: Transactions,
    anomalies: list[Anomaly],
    forbidden: frozenset[str],
    key_order: KeyOrder,
) -> bool:
    """Whether the order of versions can matter to the verdict.

    Of a list only the appends that nobody saw are in doubt, and only where some cycle is allowed: without one, all models
    hold, as the graph's own order shows. Where a register's versions are claimed to follow an order, what that shows is judged.
    """
    if transactions.kind == "rw-register":
        return key_order == "unknown"
    return any(anomaly.steps for anomaly in anomalies) and "G-single" in forbidden


def _search_orders(
    transactions: Transactions, outcome: Outcome, models: Sequence[str], edges_max: int
) -> tuple[list[Anomaly], list[tuple[str, str]]]:
    """Look for an order of versions for every model that needs one; returns anomalies and doubts."""
    anomalies: list[Anomaly] = []
    doubts = []
    choices = outcome.choices()
    outcome.facts["open_keys"] = len(choices.first)
    for model in map(canonical, models):
        forbidden = forbidden_by([model])
        if not choices.first or _NEEDS_ORDER.isdisjoint(forbidden):
            continue
        found = search(transactions, choices, forbidden, _endings(forbidden), edges_max)
        outcome.facts["orders_tried"] += found.rounds
        if found.outcome == "none":
            anomalies.append(unorderable(model, found.cycles, transactions))
        elif found.outcome != "found":
            doubts.append(("version-order", _undecided(found, model, transactions)))
    return anomalies, doubts


def _undecided(found: Searched, model: str, transactions: Transactions) -> str:
    """Say why a search came to no end, and how far it got."""
    tried = "1 order" if found.rounds == 1 else f"{found.rounds:,} orders"
    count = len(transactions.process)
    far = f"The best leaves {found.doubtful:,} of {count:,} transactions that may be on a cycle"
    return _UNDECIDED[found.outcome].format(tried=f"Tried {tried}", model=model, far=far)


def _doubts(facts: dict[str, Any], forbidden: frozenset[str]) -> list[tuple[str, str]]:
    """Return why nothing found is no pass: names and sentences."""
    doubts = []
    if not facts["causality_judged"] and "causal-cycle" in forbidden:
        what = "too many transactions to keep what precedes what: causality was not judged"
        doubts.append(("search", what))
    if not facts["dependencies"]:
        what = "no transaction depends on another"
        doubts.append(("stimulus", what))
    return doubts


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
        """See `Checker`; facts as `judge` gives them, their names behind ``isolation_``."""
        verdict = judge(load(run.history), self._models, self._key_order)
        facts = {f"{_NAME}_{name}": value for name, value in verdict.facts.items()}
        return msgspec.structs.replace(verdict, facts=facts)
