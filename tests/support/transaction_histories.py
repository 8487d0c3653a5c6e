"""Histories of transactions for tests: written by hand, drawn at random, and produced by a simulated store."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product
from typing import Any

from hypothesis import strategies as st

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


KEYS = ("x", "y")


@st.composite
def histories(draw, write, endings=("ok", "ok", "ok", "ok", "info", "fail")):
    """Draw (how each transaction ended and what it did, its places of call and return).

    The store has no isolation, or in half of the cases runs one transaction after the other; some reads are stale,
    and some failed writes are visible.
    """
    count = draw(st.integers(1, 4))
    plans = [
        draw(st.lists(st.tuples(st.booleans(), st.sampled_from(KEYS)), min_size=1, max_size=3))
        for _ in range(count)
    ]
    kinds = [draw(st.sampled_from(endings)) for _ in range(count)]
    careful = draw(st.booleans())
    steps = [number for number, plan in enumerate(plans) for _ in plan]
    turns = draw(st.permutations(range(count)) if careful else st.permutations(steps))
    if careful:
        turns = [number for number in turns for _ in plans[number]]
    state: dict[str, list[int]] = {key: [] for key in KEYS}
    done: list[list] = [[] for _ in plans]
    for turn, number in enumerate(turns):
        reads, key = plans[number][len(done[number])]
        if reads:
            stale = draw(st.integers(0, 9)) == 0
            seen = state[key][:-1] if stale else state[key][:]
            result = seen if write == "append" else (seen or [None])[-1]
            done[number].append(["r", key, result])
            continue
        done[number].append([write, key, turn + 1])
        if kinds[number] == "ok" or draw(st.integers(0, 3)) == 0:
            state[key].append(turn + 1)
    places = draw(st.permutations(range(2 * count)))
    bounds = [tuple(sorted(places[2 * number : 2 * number + 2])) for number in range(count)]
    if careful and draw(st.booleans()):
        order = sorted(range(count), key=turns.index)
        bounds = [(2 * order.index(number), 2 * order.index(number) + 1) for number in range(count)]
    return list(zip(kinds, done, strict=True)), bounds


def simulated(draw, write, count, processes=6):
    """A strictly serializable history: each transaction takes effect at one moment between call and return.

    `draw` is a `random.Random`. Some transactions fail and have no effect, some end indeterminate with or without one.
    """
    history, waiting, done = [], [], []
    idle, state, written = list(range(processes)), {}, 0
    fresh = processes
    while len(history) < 2 * count or waiting or done:
        turn = draw.randrange(3)
        if turn == 0 and idle and len(history) < 2 * count:
            value = []
            for _ in range(draw.randint(1, 4)):
                written += 1
                key = draw.randrange(4) + 4 * (written // 100)
                value.append(draw.choice((["r", key, None], [write, key, written])))
            invoked = Operation(process=idle.pop(), f="txn", value=value)
            history.append(invoked)
            waiting.append(invoked)
        elif turn == 1 and waiting:
            invoked = waiting.pop(draw.randrange(len(waiting)))
            kind = draw.choice(("ok", "ok", "ok", "ok", "info", "fail"))
            takes_effect = kind == "ok" or (kind == "info" and draw.random() < 0.5)
            value = executed(invoked.value, state, write) if takes_effect else None
            done.append(invoked.completed(kind, value if kind == "ok" else None))
        elif turn == 2 and done:
            completed = done.pop(draw.randrange(len(done)))
            history.append(completed)
            idle.append(fresh if completed.type == "info" else completed.process)
            fresh += completed.type == "info"
    return history


def executed(value, state, write):
    """Carry a transaction out on `state` (key -> everything written, in order); returns what it did."""
    result = []
    for f, key, argument in value:
        past = state.setdefault(key, [])
        if f == "r":
            result.append([f, key, past[:] if write == "append" else (past or [None])[-1]])
        else:
            past.append(argument)
            result.append([f, key, argument])
    return result
