"""Who judges what: the models that a history of any origin can be held against, by name.

`JUDGES` is the table; a judge is a function from a `Question` (a file, its format, what was asked) to a `Verdict`. It takes
the history as it needs it: as operations, or in columns, where a million of them are judged in seconds.

To add a model: a convention (`harness.conventions`), a function here, a line in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from harness.checkers.bank import Bank
from harness.checkers.causal.consistency import CausalConsistency
from harness.checkers.causal.guarantees import GUARANTEES, SessionGuarantees
from harness.checkers.causal.versions import SessionVersions
from harness.checkers.checker import Checker, Run, Verdict, check_safely, merge_valid
from harness.checkers.counter_bounds import CounterBounds
from harness.checkers.evidence import EVIDENCE_MAX
from harness.checkers.fenced_lock import FencedLock
from harness.checkers.linearizable.search import Budget
from harness.checkers.long_fork import LongFork
from harness.checkers.monotonic import Monotonic
from harness.checkers.paired import paired
from harness.checkers.partitioned_log.checker import LogOrder
from harness.checkers.set_full import SetFull
from harness.checkers.subkey_order import SubkeyOrder
from harness.checkers.total_queue import TotalQueue
from harness.checkers.transactions.judge import judge as judge_transactions
from harness.checkers.transactions.lattice import (
    DEFAULT_MODEL,
    MODELS,
    called,
    canonical,
    forbidden_by,
)
from harness.checkers.transactions.transactions import UNKNOWN, WRITE
from harness.checkers.transactions.transactions import load as load_transactions
from harness.checkers.transactions.version_search import EDGES_MAX
from harness.checkers.unique_ids import UniqueIds
from harness.checkers.write_precedence import WritePrecedence
from harness.columns import (
    NEVER,
    Misfit,
    without_collector,
)
from harness.errors import UserMistake
from harness.formats.lives import LIFE
from harness.forms import problem_with
from harness.idle import any_order
from harness.linearizable import linearizable
from harness.operation import Operation
from harness.question import Question
from harness.values import frozen, thawed

__all__ = ["BUDGET_S", "JUDGES", "Judge"]

STEPS_PER_S: Final = 1_200_000
"""Steps that compiled searches try in a second; what a budget of time is worth to them."""

BUDGET_S: Final = 60.0
"""How long a search may take where nothing is said."""

UNTIMED_MODEL: Final = "serializable"
"""What is claimed where nothing is said and the format has no times; see `_in_sessions`."""


class Judge(msgspec.Struct, frozen=True):
    """One model: where the parts of its operations stand, what it means in words, and who judges.

    `transactions` says whether consistency models can be named, `settings` which arguments its checker takes, `initial` whether it can
    be said what its objects hold before they are written, and `nil` whether a read of nil may say nothing.
    """

    convention: str
    words: str
    ask: Callable[[Question], Verdict]
    transactions: bool = False
    settings: tuple[str, ...] = ()
    initial: bool = False
    nil: bool = False


def _run(history: Sequence[Operation]) -> Run:
    return Run(nodes=(), history=history, trace=(), options={}, final_state={})


def _check(checker: Checker, history: Sequence[Operation]) -> Verdict:
    """What `checker` says of a history. Nothing that it makes goes in circles, so nothing is collected meanwhile."""
    with without_collector():
        return check_safely(checker, _run(history))


def _linearizable(convention: str, model: str) -> Callable[[Question], Verdict]:
    """Every key alone: a monitor where values are unambiguous, else a search."""

    def ask(question: Question) -> Verdict:
        refused = question.refused if convention == "register" else None
        columns = question.columns
        silent = question.silent if convention == "register" else None
        budget = Budget(steps_max=max(1, int(question.budget_s * STEPS_PER_S)))
        with question.refusing():
            return linearizable(
                columns,
                convention,
                model,
                budget,
                refused=refused,
                silent=silent,
                initial=question.initial,
            )

    return ask


def _owned(question: Question) -> Verdict:
    """Locks whose owner is the process, also in its next life."""
    columns = question.columns
    if question.goes_on:
        columns = msgspec.structs.replace(columns, process=columns.process % LIFE)
    budget = Budget(steps_max=max(1, int(question.budget_s * STEPS_PER_S)))
    with question.refusing():
        return linearizable(columns, "owner-mutex", "mutex", budget)


def _well_formed(question: Question) -> list[Operation]:
    """The operations of `question`. Raises HistoryDamaged for a value of another form than its convention's."""
    operations = question.operations
    with question.refusing():
        for row, one in enumerate(paired(operations)):
            late, problem = problem_with(one, question.convention, keyed=question.keyed)
            if problem:
                events = question.columns.returned if late else question.columns.called
                position = int(events[row] if events[row] < NEVER else question.columns.called[row])
                raise Misfit(position, f"({one.f} of process {one.process}) {problem}")
    return operations


def _across_keys(make: Callable[..., Checker]) -> Callable[[Question], Verdict]:
    """A checker to which the keys matter together; it is told whether there are any."""

    def ask(question: Question) -> Verdict:
        history = _well_formed(question)
        return _check(make(keyed=question.keyed), history)

    return ask


def _each_key(make: Callable[..., Checker], *, idle: bool = True) -> Callable[[Question], Verdict]:
    """A checker of one object, made with the settings of the question and asked about every key; `idle` histories pass (see `idle`)."""

    def ask(question: Question) -> Verdict:
        checker = make(**question.settings)
        history = _well_formed(question)
        if not question.keyed:
            verdict = _check(checker, history)
            return question.idle(verdict) if idle else verdict
        facts: dict[str, Any] = {}
        evidence: list[dict[str, Any]] = []
        valids = []
        for key, of_key in _by_key(history).items():
            verdict = _check(checker, of_key)
            verdict = question.idle(verdict) if idle else verdict
            valids.append(verdict.valid)
            facts = {
                name: _together(name, facts.get(name), told) for name, told in verdict.facts.items()
            }
            evidence += [
                {**found, "key": thawed(key), "what": f"key {thawed(key)!r}: {found['what']}"}
                for found in verdict.evidence
                if verdict.valid is False
            ]
        return Verdict(valid=merge_valid(valids), facts=facts, evidence=evidence[:EVIDENCE_MAX])

    return ask


def _together(name: str, known: Any, told: Any) -> Any:
    """One fact of all keys: counts add up, of times the longest counts."""
    if known is None:
        return told
    if isinstance(told, dict):
        return {
            part: _together(name, known.get(part), told.get(part)) for part in {**known, **told}
        }
    if told is None:
        return known
    return max(known, told) if name.endswith("_ns") else known + told


def _by_key(history: Sequence[Operation]) -> dict[Any, list[Operation]]:
    """The history of every key, with the key taken off; a completion has the key of its invocation."""
    found: dict[Any, list[Operation]] = {}
    keys: dict[int, Any] = {}
    for one in history:
        if one.type == "invoke":
            keys[one.process] = frozen(one.value[0])
        value = one.value[1] if isinstance(one.value, list) else None
        found.setdefault(keys[one.process], []).append(msgspec.structs.replace(one, value=value))
    return found


def _isolation(question: Question, kind: str) -> Verdict:
    """Transactions of a `kind`, held against the named consistency models."""
    default = DEFAULT_MODEL if question.format.timed else UNTIMED_MODEL
    models = question.consistency_models or (default,)
    if not question.format.timed:
        models = tuple(map(_in_sessions, models))
    forbidden = forbidden_by(models)
    if not question.format.timed and any(name.endswith("-realtime") for name in forbidden):
        raise UserMistake(
            f"{', '.join(models)} speaks of real time, and the format {question.format_name} "
            "does not say what came first"
        )
    wanted = called(question.anomalies)
    unfit = [name for name in wanted if not _can_be_seen(name, forbidden)]
    if unfit:
        raise UserMistake(
            f"{', '.join(models)} does not look at what {', '.join(unfit)} needs: name a model that speaks of sessions or real time"
        )
    edges_max = max(1, int(EDGES_MAX * question.budget_s / BUDGET_S))
    with without_collector():
        with question.refusing():
            transactions = load_transactions(question.transactions)
        told = (transactions.f == WRITE) | (transactions.value > UNKNOWN)
        if transactions.kind != kind and (told.any() or len(transactions.elements)):
            raise UserMistake(
                f"{question.path} holds transactions of the model {transactions.kind}, not of {kind}"
            )
        verdict = judge_transactions(
            transactions,
            models,
            edges_max=edges_max,
            tolerated=() if kind == "list-append" else question.tolerated,
        )
    if any_order(transactions, forbidden):
        verdict = question.idle(verdict)
    facts = verdict.facts
    question.notes += [
        f"{name} ({count:,} told): convicts nobody, as Elle has it; with -a {name} it does"
        for name, count in facts.get("tolerated", {}).items()
    ]
    seen = {*facts.get("anomalies", {}), *facts.get("anomalies_implied", ())}
    if seen.isdisjoint(wanted):
        return verdict
    return msgspec.structs.replace(verdict, valid=False)


def _in_sessions(model: str) -> str:
    """What `model` is called where the order inside each session counts, as in Plume, AWDIT, dbcop and PolySI."""
    stronger = f"strong-session-{canonical(model)}"
    return stronger if stronger in MODELS else model


def _can_be_seen(anomaly: str, forbidden: frozenset[str]) -> bool:
    """Whether cycles through sessions or real time are looked for where `anomaly` needs them."""
    return all(
        not anomaly.endswith(ending) or any(name.endswith(ending) for name in forbidden)
        for ending in ("-process", "-realtime")
    )


JUDGES: Final[dict[str, Judge]] = {
    "register": Judge(
        "register",
        "linearizable registers",
        _linearizable("register", "cas-register"),
        initial=True,
        nil=True,
    ),
    "cas-register": Judge(
        "register",
        "linearizable registers with compare-and-set",
        _linearizable("register", "cas-register"),
        initial=True,
        nil=True,
    ),
    "kv": Judge("kv", "a linearizable key-value store", _linearizable("kv", "kv")),
    "append": Judge(
        "append", "linearizable lists that are appended to", _linearizable("append", "kv")
    ),
    "set": Judge("set", "linearizable sets", _linearizable("set", "set")),
    **dict.fromkeys(
        ("queue", "fifo-queue"),
        Judge("queue", "linearizable queues", _linearizable("queue", "queue")),
    ),
    "unordered-queue": Judge(
        "queue",
        "linearizable queues without an order",
        _linearizable("queue", "unordered-queue"),
    ),
    "stack": Judge("stack", "linearizable stacks", _linearizable("stack", "stack")),
    "counter": Judge("counter", "linearizable counters", _linearizable("counter", "counter")),
    "multi-register": Judge(
        "multi-register",
        "linearizable registers, several at once",
        _linearizable("multi-register", "multi-register"),
        initial=True,
    ),
    "mutex": Judge("mutex", "linearizable locks", _linearizable("mutex", "mutex")),
    "owner-mutex": Judge("owner-mutex", "linearizable locks that their holders release", _owned),
    "set-full": Judge(
        "set",
        "every acknowledged element stays",
        _each_key(partial(SetFull, linearizable=False), idle=False),
        settings=("linearizable",),
    ),
    "total-queue": Judge("queue", "what goes in comes out", _each_key(TotalQueue)),
    "unique-ids": Judge("unique-ids", "no identifier twice", _each_key(UniqueIds)),
    "counter-bounds": Judge("counter", "every read within its bounds", _each_key(CounterBounds)),
    "fenced-lock": Judge("fenced-lock", "tokens that only rise", _each_key(FencedLock, idle=False)),
    "bank": Judge(
        "bank", "money only moves", _each_key(Bank), settings=("total", "negative_balances")
    ),
    "long-fork": Judge(
        "long-fork", "readers agree on an order", _each_key(LongFork), settings=("group_size",)
    ),
    "monotonic": Judge("monotonic", "values only rise", _each_key(Monotonic)),
    "sequential": Judge("sequential", "no subkey without those before", _each_key(SubkeyOrder)),
    **dict.fromkeys(
        ("causal-reverse", "comments"),
        Judge("precedence", "no write without those before", _each_key(WritePrecedence)),
    ),
    "causal": Judge("causal", "causal consistency", _across_keys(CausalConsistency)),
    "causal-convergence": Judge(
        "causal",
        "causal convergence",
        _across_keys(partial(CausalConsistency, "convergence")),
    ),
    "causal-memory": Judge(
        "causal", "causal memory", _across_keys(partial(CausalConsistency, "memory"))
    ),
    "session-guarantees": Judge(
        "causal", "all four session guarantees", _across_keys(SessionGuarantees)
    ),
    **{
        name: Judge("causal", name, _across_keys(partial(SessionGuarantees, [name])))
        for name in GUARANTEES
        if name != "monotonic-writes"
    },
    "monotonic-writes": Judge(
        "causal",
        "monotonic writes, as readers see them that do not go back",
        _across_keys(partial(SessionGuarantees, ["monotonic-reads", "monotonic-writes"])),
    ),
    "session-versions": Judge(
        "versions", "session guarantees of known versions", _across_keys(SessionVersions)
    ),
    "kafka": Judge("kafka", "logs that keep their order", _each_key(LogOrder, idle=False)),
    "list-append": Judge(
        "txn",
        "transactions that append to lists",
        partial(_isolation, kind="list-append"),
        transactions=True,
    ),
    "rw-register": Judge(
        "txn",
        "transactions over registers",
        partial(_isolation, kind="rw-register"),
        transactions=True,
    ),
}
"""Every model, by the name that Knossos and elle-cli know it by where they do."""
