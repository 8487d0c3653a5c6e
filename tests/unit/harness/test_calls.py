"""From columns to calls: histories that happened one after the other must run through the sequential models."""

from __future__ import annotations

import numpy as np
import pytest

from harness.calls import MEANINGS, calls_of
from harness.checkers.linearizable.calls import INFINITY, Kind
from harness.checkers.linearizable.sequential import IMPOSSIBLE, MODELS, actions
from harness.columns import Misfit, columns_of
from harness.conventions import CONVENTIONS, independent
from harness.operation import Operation


def made(convention, *lines, keyed=False):
    """Columns of operations ``(f, asked, got)``, one after the other; ``got`` "info" crashed, "fail" failed."""
    history = []
    for process, (f, asked, got) in enumerate(lines):
        kind = got if got in ("info", "fail") else "ok"
        value = got if kind == "ok" else asked
        history.append(Operation(process=process, f=f, value=asked))
        history.append(Operation(process=process, type=kind, f=f, value=value))
    known = CONVENTIONS[convention]
    return columns_of(history, independent(known) if keyed else known)


def last_state(convention, model, *lines):
    """The state behind all operations in their order, or IMPOSSIBLE."""
    state = MODELS[model].initial
    for action in actions(calls_of(made(convention, *lines), convention).calls):
        state = MODELS[model].step(state, action)
        if state is IMPOSSIBLE:
            break
    return state


RIGHT = {
    "register": ("register", "cas-register", [("read", None, None), ("write", 5, 5),
        ("cas", [5, 6], [5, 6]), ("read", None, 6), ("write", None, None), ("read", None, None)]),
    "append": ("append", "kv", [("append", "a", "a"), ("append", 2, 2), ("read", None, ["a", 2])]),
    "kv": ("kv", "kv", [("get", None, ""), ("append", "x 1", "x 1"), ("append", "x 2", "x 2"),
        ("get", None, "x 1x 2"), ("put", "z", "z"), ("get", None, "z")]),
    "set": ("set", "set", [("read", None, []), ("add", 3, 3), ("add", 1, 1), ("read", None, [1, 3])]),
    "queue": ("queue", "queue", [("dequeue", None, None), ("enqueue", 1, 1), ("enqueue", 2, 2),
        ("dequeue", None, 1), ("dequeue", None, 2)]),
    "stack": ("stack", "stack", [("push", 1, 1), ("push", 2, 2), ("pop", None, 2), ("pop", None, 1)]),
    "counter": ("counter", "counter", [("add", 2, 2), ("add", -5, -5), ("read", None, -3)]),
    "multi-register": ("multi-register", "multi-register", [
        ("txn", [["write", "x", 1], ["write", "y", 2]], [["write", "x", 1], ["write", "y", 2]]),
        ("txn", [["read", "y", None], ["read", "z", None]], [["read", "y", 2], ["read", "z", None]])]),
    "mutex": ("mutex", "mutex", [("acquire", None, None), ("release", None, None)]),
    "owner-mutex": ("owner-mutex", "mutex", [("acquire", None, None)]),
}  # fmt: skip

WRONG = {
    "register": ("register", "cas-register", [("write", 5, 5), ("read", None, 6)]),
    "append": ("append", "kv", [("append", 1, 1), ("append", 2, 2), ("read", None, [2, 1])]),
    "kv": ("kv", "kv", [("append", "x 1", "x 1"), ("get", None, "x 1y")]),
    "set": ("set", "set", [("add", 3, 3), ("read", None, [])]),
    "queue": ("queue", "queue", [("enqueue", 1, 1), ("enqueue", 2, 2), ("dequeue", None, 2)]),
    "stack": ("stack", "stack", [("push", 1, 1), ("push", 2, 2), ("pop", None, 1)]),
    "counter": ("counter", "counter", [("add", 2, 2), ("read", None, 1)]),
    "multi-register": (
        "multi-register",
        "multi-register",
        [
            ("txn", [["write", "x", 1]], [["write", "x", 1]]),
            ("txn", [["read", "x", None]], [["read", "x", 2]]),
        ],
    ),
    "mutex": ("mutex", "mutex", [("acquire", None, None), ("acquire", None, None)]),
    "owner-mutex": ("owner-mutex", "mutex", [("acquire", None, None), ("release", None, None)]),
}


@pytest.mark.parametrize("name", MEANINGS)
def test_what_is_right_stays_right(name: str) -> None:
    """Operations that did what they should run through their model in order."""
    convention, model, lines = RIGHT[name]

    assert last_state(convention, model, *lines) is not IMPOSSIBLE


@pytest.mark.parametrize("name", MEANINGS)
def test_what_is_wrong_stays_wrong(name: str) -> None:
    """An answer that the model cannot give is not lost on the way."""
    convention, model, lines = WRONG[name]

    assert last_state(convention, model, *lines) is IMPOSSIBLE


def test_store_without_append_is_one_of_registers() -> None:
    """Where nobody appends, a get sees one value, and the empty string is what was there before."""
    lines = [("get", None, ""), ("put", "a", "a"), ("get", None, "a"), ("get", None, None)]

    calls = calls_of(made("kv", *lines), "kv").calls

    assert calls.kind.tolist() == [Kind.READ, Kind.WRITE, Kind.READ, Kind.READ]
    assert [value == 0 for value in calls.value.tolist()] == [True, False, False, True]
    assert calls.value[1] == calls.value[2]


def test_failed_operations_are_no_calls() -> None:
    """What failed never happened; what crashed never returned; every call knows its row."""
    lines = [("write", 1, "fail"), ("write", 2, "info"), ("read", None, 2)]

    found = calls_of(made("register", *lines), "register")

    assert found.rows.tolist() == [1, 2]
    assert found.calls.kind.tolist() == [Kind.WRITE, Kind.READ]
    assert found.calls.returned.tolist() == [INFINITY, 5]


def test_silent_rows_are_no_calls() -> None:
    """What says nothing is left out, and the others know their rows."""
    lines = [("read", None, None), ("write", 2, 2), ("read", None, 2)]

    found = calls_of(made("register", *lines), "register", silent=np.array([0]))

    assert found.rows.tolist() == [1, 2]


def test_keys_are_kept_apart() -> None:
    """Each key has its code; without keys all calls have one."""
    lines = [("write", ["a", 1], ["a", 1]), ("write", ["b", 1], ["b", 1])]

    assert calls_of(made("register", *lines, keyed=True), "register").calls.key.tolist() == [0, 1]
    assert calls_of(made("register", ("write", 1, 1)), "register").calls.key.tolist() == [0]


@pytest.mark.parametrize(
    ("convention", "lines", "words"),
    [
        ("set", [("add", 1, 1), ("read", None, 7)], "saw what has no items"),
        ("counter", [("add", "many", "many")], "no integer"),
        ("counter", [("read", None, 1.5)], "no integer"),
        ("queue", [("drain", None, [1])], "cannot be judged with enqueue, dequeue"),
        ("multi-register", [("txn", [["write", 1]], "info")], "reads and writes"),
        ("kv", [("append", "x", "x"), ("append", "xy", "xy")], "read in two ways"),
        ("kv", [("put", "", ""), ("append", "x", "x")], "read in two ways"),
    ],
)
def test_what_no_model_can_express_is_refused(convention, lines, words) -> None:
    """A value that calls cannot hold is a Misfit, with the reason."""
    with pytest.raises(Misfit, match=words):
        calls_of(made(convention, *lines), convention)
