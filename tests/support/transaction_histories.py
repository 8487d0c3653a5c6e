"""Histories of transactions for tests: written by hand, drawn at random, and produced by a simulated store."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product
from typing import Any

from harness.checkers.transactions.judge import judge
from harness.checkers.transactions.transactions import load
from harness.operation import Operation

Ended = tuple[str, list[list[Any]]]
"""How a transaction ended, and its micro-operations."""


def invoked_value(value):
    return [[f, key, None if f == "r" else argument] for f, key, argument, *_ in value]


def at_once(*ended: Ended) -> list[Operation]:
    """All transactions overlap; each has a process of its own."""
    return placed(ended, [(number, len(ended) + number) for number in range(len(ended))])


def one_by_one(*ended: Ended) -> list[Operation]:
    """Every transaction returns before the next is called; each has a process of its own."""
    return placed(ended, [(2 * number, 2 * number + 1) for number in range(len(ended))])


def of_one_process(*ended: Ended) -> list[Operation]:
    """One process runs all transactions while another one, doing nothing, overlaps with all of them."""
    history = []
    for kind, value in ended:
        history.append(Operation(process=0, type="invoke", f="txn", value=invoked_value(value)))
        history.append(Operation(process=0, type=kind, f="txn", value=value))
    return history


def placed(ended: Sequence[Ended], places: Sequence[tuple[int, int]]) -> list[Operation]:
    """Transactions with given places of call and return; an indeterminate one has lost its result."""
    events = []
    for process, ((kind, value), (called, returned)) in enumerate(zip(ended, places, strict=True)):
        invoked = Operation(process=process, type="invoke", f="txn", value=invoked_value(value))
        events.append((called, invoked))
        result = value if kind == "ok" else None
        events.append((returned, invoked.completed(kind, result)))
    return [operation for _, operation in sorted(events, key=lambda event: event[0])]


def verdict(history, *models, key_order="unknown"):
    return judge(load(history), models or ("strict-serializable",), key_order)


def names(history, *models, key_order="unknown"):
    """The names of the anomalies found, each with the number of transactions in its shortest cycle (0: no cycle)."""
    found = verdict(history, *models, key_order=key_order).evidence
    lengths: dict[str, int] = {}
    for finding in found:
        length = len(finding.get("steps", ()))
        lengths[finding["invariant"]] = min(length, lengths.get(finding["invariant"], length))
    return lengths


def serial_orders(ended, places, *, real_time):
    """Whether some order of all committed and some indeterminate transactions explains every read; by brute force."""
    definite = [number for number, (kind, _) in enumerate(ended) if kind == "ok"]
    open_ended = [number for number, (kind, _) in enumerate(ended) if kind == "info"]
    for taken in product((False, True), repeat=len(open_ended)):
        chosen = definite + [number for number, take in zip(open_ended, taken, strict=True) if take]
        for order in permutations(chosen):
            if real_time and not respects(order, ended, places):
                continue
            if explains(order, ended):
                return True
    return False


def respects(order, ended, places):
    return not any(
        places[later][1] < places[earlier][0] and ended[later][0] == "ok"
        for at, earlier in enumerate(order)
        for later in order[at + 1 :]
    )


def explains(order, ended):
    state: dict[Any, Any] = {}
    for number in order:
        kind, value = ended[number]
        for f, key, argument in value:
            if f == "append":
                state[key] = [*state.get(key, []), argument]
            elif f == "w":
                state[key] = argument
            elif kind == "ok" and (state.get(key) or None) != (argument or None):
                return False
    return True
