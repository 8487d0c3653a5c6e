"""The judges of columns on histories small enough to read."""

import numpy as np
import pytest
from call_rows import calls

from harness.checkers.linearizable.calls import NIL, Kind
from harness.checkers.linearizable.judge import judge
from harness.checkers.linearizable.search import Budget, search
from harness.checkers.linearizable.sequential import MODELS
from harness.checkers.linearizable.stages import dense, inversions, uncovered
from harness.checkers.linearizable.verify import problem_with
from harness.errors import HarnessError

READ, WRITE, CAS, ADD = Kind.READ, Kind.WRITE, Kind.CAS, Kind.ADD
INSERT, REMOVE, READ_LIST, APPEND = Kind.INSERT, Kind.REMOVE, Kind.READ_LIST, Kind.APPEND


STALE = calls((0, 1, WRITE, 1), (2, 3, WRITE, 2), (4, 5, READ, 1))


def test_a_stale_read_is_convicted_with_its_window():
    """The window of a stale read is the two writes and the read."""
    judged = judge(STALE, "register")

    assert (judged.valid, judged.by, judged.window) == (False, "zones", (0, 1, 2))


def test_the_rest_of_the_keys_is_not_blamed():
    """Each key has a verdict of its own; one that no row belongs to is valid."""
    two = calls((0, 1, WRITE, 1), (2, 3, READ, 2), (4, 5, WRITE, 3), key=[0, 0, 2])

    assert judge(two, "register").each.tolist() == [0, 1, 1]


def test_keys_with_repeated_values_go_to_the_search():
    """Zones judge the keys to which they apply and leave the others."""
    mixed = calls(
        (0, 1, WRITE, 1), (2, 3, WRITE, 1), (4, 5, READ, 1), (6, 7, WRITE, 2), key=[0, 0, 0, 1]
    )
    judged = judge(mixed, "register")

    assert (judged.valid, judged.by) == (True, "zones and search")
    assert (judged.keys_by_monitor, judged.keys_by_search) == (1, 1)


@pytest.mark.parametrize(("returned", "valid"), [(None, True), (1, False)])
def test_a_crashed_write_may_come_late(returned, valid):
    """A write that crashed may take effect after reads that did not see it; one that returned may not."""
    history = calls((0, returned, WRITE, 1), (2, 3, READ, NIL), (4, 5, READ, 1))

    assert judge(history, "register").valid is valid


@pytest.mark.parametrize(
    ("model", "history"),
    [
        ("cas-register", calls((0, 1, WRITE, 1), (2, 3, CAS, 1, 2), (4, 5, CAS, 1, 3))),
        ("cas-register", calls((0, 1, CAS, 2, 1), (2, 3, CAS, 1, 2))),
        ("kv", calls((0, 1, WRITE, 1), (2, 3, APPEND, 2), (4, 5, READ_LIST, NIL, (2, 1)))),
        ("set", calls((0, 1, ADD, 1), (2, 3, READ_LIST, NIL, ()))),
        ("set", calls((0, 5, ADD, 1), (1, 2, READ_LIST, NIL, (1, 1)))),
        ("counter", calls((0, 1, ADD, 1), (2, 3, READ, 2))),
        ("counter", calls((0, 1, ADD, 1), (2, 3, READ, 0))),
        ("queue", calls((0, 1, INSERT, 1), (2, 3, INSERT, 2), (4, 5, REMOVE, 2))),
        ("queue", calls((0, 1, INSERT, 1), (2, 3, REMOVE, NIL))),
        ("stack", calls((0, 1, INSERT, 1), (2, 3, INSERT, 2), (4, 5, REMOVE, 1))),
        ("stack", calls((0, 1, INSERT, 1), (2, 3, REMOVE, NIL))),
        ("mutex", calls((0, 1, Kind.ACQUIRE, 0), (2, 3, Kind.ACQUIRE, 0))),
        ("mutex", calls((0, 1, Kind.ACQUIRE, 1), (2, 3, Kind.RELEASE, 2))),
        ("multi-register", calls((0, 1, Kind.WRITE_MANY, 0, (0, 1)), (2, 3, Kind.READ_MANY, 0, (0, 2)))),
    ],
)  # fmt: skip
def test_what_cannot_be_is_convicted(model, history):
    """Each model convicts the smallest history that breaks it, and names rows."""
    judged = judge(history, model)

    assert judged.valid is False
    assert judged.window


def test_a_crashed_removal_is_left_to_the_search():
    """A crashed removal may have taken what lies before the value that was removed next."""
    history = calls((0, 1, INSERT, 1), (2, 3, INSERT, 2), (4, None, REMOVE, NIL), (5, 6, REMOVE, 2))

    judged = judge(history, "queue")

    assert (judged.valid, judged.by) == (True, "search")


def test_nothing_is_no_pass():
    """A history without operations is unknown."""
    assert judge(calls(), "register").valid == "unknown"


def test_a_search_without_budget_is_unknown_and_says_how_far():
    """Beyond its budget a search is unknown, with the number of operations it could put in order."""
    amounts = [(0, None, ADD, 2), *((2 * n + 1, 2 * n + 2, ADD, -1) for n in range(9))]
    history = calls(*amounts, (30, 31, READ, 4))

    judged = judge(history, "counter", Budget(steps_max=3))

    assert (judged.valid, judged.of) == ("unknown", 11)
    assert judged.explained < 11


def test_memory_is_a_bound_too():
    """A search that may not remember is unknown."""
    history = calls((0, 9, WRITE, 1), (1, 8, WRITE, 2), (2, 7, WRITE, 1), (10, 11, READ, 3))

    found = search(history, MODELS["register"], Budget(remembered_max=1))

    assert found.valid == "unknown"


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        ([0, 1], "row 2 returned and is missing"),
        ([0, 1, 1, 2], "row 1 is taken twice"),
        ([1, 0, 2], "row 0 returned before an operation in front of it was called"),
        ([0, 1, 2], "row 2 cannot have this result where it stands"),
    ],
)
def test_false_orders_are_no_proof(order, problem):
    """The verifier says why an order explains nothing."""
    assert problem_with(STALE, "register", order) == problem


@pytest.mark.parametrize(
    ("history", "model", "words"),
    [
        (STALE, "teapot", "no model 'teapot'"),
        (STALE, "queue", "row 0 is of kind 1, unknown to queue"),
        (STALE.select(np.array([1, 0])), "register", "in order of their calls"),
    ],
)
def test_nonsense_is_refused(history, model, words):
    """A model that does not exist, kinds it does not know, and rows out of order are the caller's mistake."""
    with pytest.raises(HarnessError, match=words):
        judge(history, model)


def test_dense_codes_are_one_per_pair():
    """Numbers of (key, value) are equal exactly for equal pairs, whatever way they are made."""
    rng = np.random.default_rng(1)
    for keys, values in ((3, 5), (2000, 7000), (5000, 5000)):
        key, value = rng.integers(0, keys, 4000), rng.integers(0, values, 4000)
        (codes,), room = dense(key, value)
        pairs = list(zip(key.tolist(), value.tolist(), strict=True))
        assert len(set(zip(pairs, codes.tolist(), strict=True))) == len(set(pairs))
        assert len(set(codes.tolist())) == len(set(pairs))
        assert codes.max() < room


def test_inversions_are_the_pairs_that_time_forbids():
    """A row that returned before one of an earlier stage was called is found with that row; other segments do not matter."""
    segment, stage = np.array([0, 0, 1, 0]), np.array([0, 1, 0, 1])
    called, returned = np.array([5, 0, 20, 6]), np.array([9, 4, 30, 7])

    assert inversions(segment, stage, called, returned).tolist() == [[0, 1]]


def test_a_gap_between_intervals_is_seen():
    """A stretch is uncovered when one of its points lies in no interval."""
    left, right = np.array([0, 3, 10]), np.array([5, 8, 12])

    assert uncovered(left, right, np.array([1, 1, 9]), np.array([7, 9, 11])).tolist() == [
        False,
        True,
        True,
    ]
