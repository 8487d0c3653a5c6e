"""Who judges what: the models that a history of any origin can be held against, by name.

`JUDGES` is the table; a judge is a function from a `Question` (a file, its format, what was asked) to a `Verdict`. It takes
the history as it needs it: as operations, or in columns, where a million of them are judged in seconds. Either way the
history is paired and held against the model's convention first, so that a judge sees what a run can have produced.

To add a model: a convention (`harness.conventions`), a function here, a line in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec

from harness.checkers.checker import Checker, Run, Verdict, check_safely, merge_valid
from harness.checkers.evidence import EVIDENCE_MAX
from harness.checkers.linearizable.search import Budget
from harness.checkers.set_full import SetFull
from harness.checkers.transactions.judge import judge as judge_transactions
from harness.checkers.transactions.lattice import DEFAULT_MODEL, forbidden_by
from harness.checkers.transactions.transactions import load as load_transactions
from harness.columns import Columns, columns_of, pairs_of
from harness.conventions import CONVENTIONS, Convention, independent
from harness.errors import UserMistake
from harness.formats.catalogue import FORMATS, load_columns, load_operations, refused_at
from harness.linearizable import linearizable
from harness.operation import NEMESIS, Operation
from harness.values import frozen

__all__ = ["JUDGES", "Judge", "Question"]

STEPS_PER_S: Final = 100_000
"""Steps that the search tries in a second on a slow machine; what a budget of time is worth to it."""

UNTIMED_MODEL: Final = "serializable"
"""What is claimed where nothing is said and the format has no times."""


class Question:
    """A history to be judged. `consistency_models` is empty where none was named."""

    def __init__(
        self,
        path: Path,
        *,
        format_name: str,
        convention: str,
        keyed: bool,
        budget_s: float,
        consistency_models: Sequence[str] = (),
    ) -> None:
        self.path = path
        self.format_name = format_name
        self.format = FORMATS[format_name]
        self.keyed = keyed or self.format.keyed
        self.budget_s = budget_s
        self.consistency_models = tuple(consistency_models)
        self.torn = ""
        """What was dropped behind the last whole operation, once the history is loaded."""
        known = CONVENTIONS[convention]
        self._convention = independent(known) if self.keyed else known

    @cached_property
    def columns(self) -> Columns:
        """The history in columns. Raises HistoryDamaged naming the line."""
        found, self.torn = load_columns(self.path, self.format_name, self._convention)
        return found

    @cached_property
    def operations(self) -> list[Operation]:
        """The history as operations of clients, which pair and fit the convention. Raises HistoryDamaged."""
        return self._operations(columns_of)

    @cached_property
    def transactions(self) -> list[Operation]:
        """The same, where only pairs are looked at: whoever takes the values apart will find fault with them."""
        return self._operations(pairs_of)

    def refusing(self) -> AbstractContextManager[None]:
        """Turns a `Misfit` inside the block into a HistoryDamaged that names the line."""
        return refused_at(self.path, self.format_name)

    def _operations(
        self, held: Callable[[list[Operation], Convention], Columns]
    ) -> list[Operation]:
        found, self.torn = load_operations(self.path, self.format_name)
        with self.refusing():
            self.columns = held(found, self._convention)
        return [one for one in found if one.process != NEMESIS]


class Judge(msgspec.Struct, frozen=True):
    """One model: where the parts of its operations stand, what it means in words, and who judges.

    `transactions` says whether consistency models can be named.
    """

    convention: str
    words: str
    ask: Callable[[Question], Verdict]
    transactions: bool = False


def _run(history: Sequence[Operation]) -> Run:
    return Run(nodes=(), history=history, trace=(), options={}, final_state={})


def _linearizable(convention: str, model: str) -> Callable[[Question], Verdict]:
    """Every key alone: a monitor where values are unambiguous, else a search."""

    def ask(question: Question) -> Verdict:
        columns = question.columns
        budget = Budget(steps_max=max(1, int(question.budget_s * STEPS_PER_S)))
        with question.refusing():
            return linearizable(columns, convention, model, budget)

    return ask


def _each_key(checker: Checker) -> Callable[[Question], Verdict]:
    """A checker of one object, asked about every key."""

    def ask(question: Question) -> Verdict:
        histories = _by_key(question.operations) if question.keyed else [question.operations]
        verdicts = [check_safely(checker, _run(history)) for history in histories]
        facts: dict[str, Any] = {}
        for verdict in verdicts:
            for fact, count in verdict.facts.items():
                facts[fact] = facts.get(fact, 0) + count
        evidence = [finding for verdict in verdicts for finding in verdict.evidence]
        valid = merge_valid([verdict.valid for verdict in verdicts])
        return Verdict(valid=valid, facts=facts, evidence=evidence[:EVIDENCE_MAX])

    return ask


def _by_key(history: Sequence[Operation]) -> list[list[Operation]]:
    """The history of every key, with the key taken off; a completion has the key of its invocation."""
    found: dict[Any, list[Operation]] = {}
    keys: dict[int, Any] = {}
    for one in history:
        if one.type == "invoke":
            keys[one.process] = frozen(one.value[0])
        value = one.value[1] if isinstance(one.value, list) else None
        found.setdefault(keys[one.process], []).append(msgspec.structs.replace(one, value=value))
    return list(found.values())


def _isolation(question: Question) -> Verdict:
    """Transactions, held against the named consistency models."""
    default = DEFAULT_MODEL if question.format.timed else UNTIMED_MODEL
    models = question.consistency_models or (default,)
    forbidden = forbidden_by(models)
    if not question.format.timed and any(name.endswith("-realtime") for name in forbidden):
        raise UserMistake(
            f"{', '.join(models)} speaks of real time, and the format {question.format_name} "
            "does not say what came first"
        )
    return judge_transactions(load_transactions(question.transactions), models)


JUDGES: Final[dict[str, Judge]] = {
    "register": Judge(
        "register", "linearizable registers", _linearizable("register", "cas-register")
    ),
    "cas-register": Judge(
        "register",
        "linearizable registers with compare-and-set",
        _linearizable("register", "cas-register"),
    ),
    "kv": Judge("kv", "a linearizable key-value store", _linearizable("kv", "kv")),
    "append": Judge(
        "append", "linearizable lists that are appended to", _linearizable("append", "kv")
    ),
    "set": Judge("set", "linearizable sets", _linearizable("set", "set")),
    "queue": Judge("queue", "linearizable queues", _linearizable("queue", "queue")),
    "stack": Judge("stack", "linearizable stacks", _linearizable("stack", "stack")),
    "counter": Judge("counter", "linearizable counters", _linearizable("counter", "counter")),
    "multi-register": Judge(
        "multi-register",
        "linearizable registers, several at once",
        _linearizable("multi-register", "multi-register"),
    ),
    "mutex": Judge("mutex", "linearizable locks", _linearizable("mutex", "mutex")),
    "set-full": Judge("set", "every acknowledged element stays", _each_key(SetFull())),
    "list-append": Judge("txn", "transactions that append to lists", _isolation, True),
    "rw-register": Judge("txn", "transactions over registers", _isolation, True),
}
"""Every model, by the name that Knossos and elle-cli know it by where they do."""
