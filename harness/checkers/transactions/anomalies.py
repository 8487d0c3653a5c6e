"""What a judgement of transactions finds, and its words; nothing here judges.

An `Anomaly` is told three times from the same fields: as sentences (`explain`), as data (`evidence`), and as a picture
(`picture`). Transactions are called T and their number in the history, from 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from harness.checkers.evidence import finding
from harness.checkers.transactions.graph import (
    KIND_NAMES,
    PROCESS,
    REALTIME,
    RW,
    VISIBLE,
    WR,
    WW,
    Graph,
)
from harness.checkers.transactions.transactions import INFINITY, WRITE, Transactions
from harness.checkers.transactions.versions import NOBODY

__all__ = [
    "NAMED_MAX",
    "Anomaly",
    "Inferred",
    "Step",
    "evidence",
    "explain",
    "label",
    "labels",
    "list_in_words",
    "say",
    "unorderable",
]

_ELEMENTS_SHOWN_MAX = 8
"""Elements of a list in a sentence; the last ones tell versions apart."""

_STEPS_SHOWN_MAX = 20
"""Edges of a cycle in its sentences; the data hold all of them."""

_CYCLES_SHOWN_MAX = 4
"""Cycles told of a contradiction; the data hold all of them."""

NAMED_MAX = 10
"""Anomalies kept of one name."""

_STATUS_WORDS = ("ok", "info", "fail")


class Step(msgspec.Struct, frozen=True):
    """One edge of a cycle; positions are micro-operations, `NOBODY` for process order and real time.

    The `target_position` of a visible write is the read that must follow from it, in a third transaction.
    """

    kind: int
    source: int
    target: int
    source_position: int
    target_position: int


class Anomaly(msgspec.Struct, frozen=True, kw_only=True):
    """One anomaly: a cycle (`steps`, the last of which leads back), or a sentence that says what is wrong (`what`).

    `also` are further names that the same cycle deserves. `cycles` are those of which every order of versions has one.
    """

    name: str
    transactions: tuple[int, ...]
    also: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    what: str = ""
    cycles: tuple[Anomaly, ...] = ()


class Inferred(msgspec.Struct, frozen=True):
    """What follows from the versions of all keys: dependencies, and the anomalies that need no cycle."""

    graph: Graph
    anomalies: list[Anomaly]


def label(transaction: int) -> str:
    """Return the name of a transaction."""
    return f"T{transaction}"


def labels(transactions: Sequence[int]) -> str:
    """Return the names of several transactions, not more of them than are kept of an anomaly."""
    shown = ", ".join(map(label, transactions[:NAMED_MAX]))
    hidden = len(transactions) - NAMED_MAX
    return f"{shown} and {hidden} more" if hidden > 0 else shown


def list_in_words(value: Any) -> str:
    """Return a list as people want to see it: the end of it when it is long."""
    if not isinstance(value, list) or len(value) <= _ELEMENTS_SHOWN_MAX:
        return repr(value)
    return f"[... {repr(value[-_ELEMENTS_SHOWN_MAX:])[1:]}"


def say(transactions: Transactions, position: int) -> str:
    """Return one micro-operation as the start of a sentence: who did what to which key."""
    who = label(int(transactions.transaction[position]))
    f, key, value = transactions.micro_operation(position)
    if f == "append":
        return f"{who} appended {value!r} to key {key!r}"
    if f == "w":
        return f"{who} wrote {value!r} to key {key!r}"
    return f"{who} read key {key!r} as {list_in_words(value)}"


def explain(anomaly: Anomaly, transactions: Transactions) -> str:
    """Return the anomaly in sentences, one a line."""
    if not anomaly.steps:
        return f"{anomaly.name}: {anomaly.what}"
    also = f" (also {', '.join(anomaly.also)})" if anomaly.also else ""
    lines = [f"{anomaly.name}{also}: a cycle of {len(anomaly.steps)} transactions"]
    hidden = len(anomaly.steps) - _STEPS_SHOWN_MAX
    for number, step in enumerate(anomaly.steps, 1):
        if hidden > 0 and _STEPS_SHOWN_MAX <= number < len(anomaly.steps):
            if number == _STEPS_SHOWN_MAX:
                lines.append(f"... {hidden} more in the same way ...")
            continue
        order = f"{label(step.source)} comes before {label(step.target)}"
        lead = "but " if number == len(anomaly.steps) else "and " if number > 1 else ""
        lines.append(f"{lead}{order} ({KIND_NAMES[step.kind]}): {_why(step, transactions)}")
    return "\n".join(lines)


def _why(step: Step, transactions: Transactions) -> str:
    if step.kind == PROCESS:
        process = int(transactions.process[step.source])
        return f"process {process} ran {label(step.source)} first"
    if step.kind == REALTIME:
        return f"{label(step.source)} had returned before {label(step.target)} was called"
    before = say(transactions, step.source_position)
    if step.kind == VISIBLE:
        reader = label(int(transactions.transaction[step.target_position]))
        still = say(transactions, step.target_position)
        return f"{before}, {reader} saw {label(step.source)}, and still {still}, which is of {label(step.target)}"
    behind = say(transactions, step.target_position)
    if step.kind == WR:
        return f"{before}, and {behind}, which shows it"
    if step.kind == WW:
        return f"{before}, and {behind} behind that"
    return f"{before}, and {behind} only behind what was read"


def unorderable(model: str, cycles: tuple[Anomaly, ...], transactions: Transactions) -> Anomaly:
    """Return the anomaly that no order of versions fits `model`, for each has one of `cycles`."""
    shown = cycles[:_CYCLES_SHOWN_MAX]
    lead = (
        f"no order of the versions fits {model}; in each of them stands one of {len(cycles)} cycles"
    )
    if len(shown) < len(cycles):
        lead += f", such as the first {len(shown)}"
    what = "\n".join([lead, *(explain(cycle, transactions) for cycle in shown)])
    rows = tuple(dict.fromkeys(row for cycle in cycles for row in cycle.transactions))
    return Anomaly(name=f"no-order-for-{model}", transactions=rows, what=what, cycles=cycles)


def evidence(checker: str, anomaly: Anomaly, transactions: Transactions) -> dict[str, Any]:
    """Return the anomaly as a finding: sentences, operations, and for a cycle its steps."""
    fields: dict[str, Any] = {"operations": _operations(anomaly.transactions, transactions)}
    if anomaly.also:
        fields["also"] = list(anomaly.also)
    if anomaly.cycles:
        fields["cycles"] = [
            [_step_as_data(step, transactions) for step in cycle.steps] for cycle in anomaly.cycles
        ]
    if anomaly.steps:
        fields["steps"] = [_step_as_data(step, transactions) for step in anomaly.steps]
    return finding(checker, anomaly.name, explain(anomaly, transactions), **fields)


def _operations(rows: Iterable[int], transactions: Transactions) -> list[dict[str, Any]]:
    return [
        {
            "name": label(row),
            "process": int(transactions.process[row]),
            "type": _STATUS_WORDS[transactions.status[row]],
            "invoked_index": int(transactions.called[row]),
            "completed_index": int(transactions.returned[row])
            if transactions.returned[row] < INFINITY
            else -1,
            "value": [
                transactions.micro_operation(position)
                for position in range(
                    int(transactions.begin[row]), int(transactions.begin[row + 1])
                )
            ],
        }
        for row in rows
    ]


def _step_as_data(step: Step, transactions: Transactions) -> dict[str, Any]:
    data: dict[str, Any] = {
        "type": KIND_NAMES[step.kind],
        "from": label(step.source),
        "to": label(step.target),
        "why": _why(step, transactions),
    }
    if step.source_position == NOBODY:
        return data
    data["key"] = transactions.keys[transactions.key[step.source_position]]
    if step.kind == VISIBLE:
        data["reader"] = label(int(transactions.transaction[step.target_position]))
        return data
    data["from_micro_operation"] = step.source_position - int(transactions.begin[step.source])
    data["to_micro_operation"] = step.target_position - int(transactions.begin[step.target])
    position = step.source_position if step.kind == RW else step.target_position
    writes = transactions.f[position] == WRITE
    data["value"] = (
        transactions.name(int(transactions.value[position]))
        if writes
        else transactions.read(position)
    )
    return data
