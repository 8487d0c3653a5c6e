"""Registers that are seen and put several at once: groups that stand apart, long histories, windows, and memory."""

import random

import numpy as np
import pytest
from call_rows import calls

from harness.checkers.linearizable.by_search import search_each_key
from harness.checkers.linearizable.calls import NIL, Kind
from harness.checkers.linearizable.judge import judge
from harness.checkers.linearizable.search import Budget, search
from harness.checkers.linearizable.sequential import MODELS
from harness.checkers.linearizable.vectors import keys_apart
from harness.checkers.linearizable.verify import problem_with

MODEL = "multi-register"
SEE, PUT, BOTH = Kind.READ_MANY, Kind.WRITE_MANY, Kind.TXN_MANY
REGISTERS, CLIENTS = 4, 8


def rows_of(count, values=None):
    """Honest operations of eight clients on up to three of four registers; with `values` so many values come again and again."""
    rng = random.Random(count)
    rows, state, busy, position = [], {}, {}, 0
    while len(rows) < count:
        client = rng.randrange(CLIENTS)
        if client not in busy:
            if len(rows) + len(busy) == count:
                continue
            registers = rng.sample(range(REGISTERS), rng.randint(1, 3))
            busy[client] = [position, registers, rng.random() < 0.5, None]
            position += 1
        elif busy[client][3] is None:
            called, registers, puts, _ = busy[client]
            for place, register in enumerate(registers):
                if puts:
                    state[register] = rng.randint(1, values) if values else 4 * called + place + 1
            told = [(one, state.get(one, NIL)) for one in registers]
            busy[client][3] = tuple(number for pair in told for number in pair)
        else:
            called, _, puts, items = busy.pop(client)
            rows.append((called, position, PUT if puts else SEE, NIL, items))
            position += 1
    return rows


def test_registers_that_no_operation_joins_stand_apart():
    """Registers 0 and 1 are joined, 1 and 2 too, 3 stands alone; so does the same register of another key."""
    history = calls(
        (0, 1, PUT, NIL, (0, 1, 1, 1)),
        (2, 3, SEE, NIL, (1, 1, 2, 0)),
        (4, 5, PUT, NIL, (3, 1)),
        (6, 7, BOTH, NIL, (0, 2, 0, 1, 2, 5)),
        (8, 9, PUT, NIL, (0, 7)),
        (10, 11, SEE, NIL, ()),
        key=[0, 0, 0, 0, 1, 0],
    )

    keys = keys_apart(history).tolist()

    assert keys[0] == keys[1] == keys[3]
    assert len({keys[0], keys[2], keys[4]}) == 3
    assert keys[5] in keys[:3]


@pytest.mark.parametrize(
    ("items", "valid"),
    [((1, 0, 5, 0, 0, 5), True), ((1, 0, 5, 0, 0, 4), False), ((0, 0, 4, 0, 0, 5), False)],
)
def test_a_transaction_sees_what_it_put(items, valid):
    """Behind its own put an operation sees that value and no other, and nobody sees two values of a register at once."""
    history = calls((0, 1, PUT, NIL, (0, 4)), (2, 3, BOTH, NIL, items))

    assert judge(history, MODEL).valid is valid


@pytest.mark.slow
@pytest.mark.parametrize("values", [None, 3])
def test_a_long_history_has_an_order(values):
    """Twenty thousand operations on four registers, also of only three values, get an order that is a proof."""
    history = calls(*rows_of(20_000, values))

    found = search_each_key(history, MODEL, Budget())

    assert found.valid.tolist() == [1]
    assert problem_with(history, MODEL, found.orders[0].tolist()) == ""


def test_a_window_holds_the_few_operations_that_convict():
    """One value that was put over long ago is shown with what put over it, whatever came before."""
    rows = sorted(rows_of(800))
    called, returned, _, _, items = next(row for row in reversed(rows) if row[2] == SEE)
    old = next(row[4] for row in rows if row[2] == PUT and row[4][0] == items[0])
    lie = (called, returned, SEE, NIL, (*old[:2], *items[2:]))
    history = calls(*[lie if row[0] == called else row for row in rows])

    judged = judge(history, MODEL)

    assert (judged.valid, judged.whatever_before) == (False, True)
    assert len(judged.window) <= 6
    window = history.select(np.array(judged.window))
    assert search(window, MODELS[MODEL], Budget()).valid is False


def test_what_nobody_put_convicts_alone():
    """An operation that saw what nobody put is a window by itself."""
    history = calls(*rows_of(50), (1000, 1001, SEE, NIL, (0, 999_999)))

    assert judge(history, MODEL).window == (len(history) - 1,)


def test_a_search_without_memory_says_how_far_it_came():
    """A history for which the memory does not suffice is unknown, and says how many operations were in order."""
    history = calls(*rows_of(400, values=2))

    judged = judge(history, MODEL, Budget(remembered_max=20))

    assert (judged.valid, judged.of) == ("unknown", 400)
    assert 0 < judged.explained < 400


def test_a_plain_search_counts_the_bytes_of_its_states():
    """A queue whose states grow long is given up when they would fill the memory, however few there are."""
    rows = [(place, place + 1, Kind.INSERT, place // 2 + 1) for place in range(0, 1000, 2)]
    history = calls(*rows)

    assert search(history, MODELS["queue"], Budget()).valid is True
    found = search(history, MODELS["queue"], Budget(remembered_bytes_max=1 << 20))
    assert found.valid == "unknown"
    assert 0 < len(found.order) < 500
