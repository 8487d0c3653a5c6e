"""Every model against its axioms: on small random histories all orders are tried, and the judge must say the same."""

import random

import pytest
from transaction_oracle import Case, disagreement, drawn, holding


def agrees(write, seed, count):
    rng = random.Random(f"{write} {seed}")
    for _ in range(count):
        assert disagreement(drawn(rng, write)) == ""


@pytest.mark.parametrize("write", ["append", "w"])
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_models_hold_where_their_axioms_do(write, seed):
    """A model is ruled out exactly when no order and no visibility satisfies its axioms."""
    agrees(write, seed, 150)


@pytest.mark.parametrize("write", ["append", "w"])
def test_some_models_hold_where_their_axioms_do(write):
    """As above, on few histories."""
    agrees(write, "few", 10)


def test_the_axioms_tell_the_models_apart():
    """The definition itself: a write skew is no serializable history, but a snapshot isolated one."""
    done = [[["r", "x", None], ["w", "y", 1]], [["r", "y", None], ["w", "x", 2]]]
    held = holding(Case("w", ["ok", "ok"], done, [0, 1], [(0, 2), (1, 3)]))

    assert "snapshot-isolation" in held
    assert "serializable" not in held


def test_a_read_shows_what_stands_in_front_of_the_own_append():
    """Who appends and then reads has seen those in front of it: here one whose predecessor it must not have missed."""
    done = [
        [["append", 1, 4], ["append", 0, 6]],
        [["append", 2, 9], ["append", 0, 10], ["r", 0, [10]]],
        [["append", 1, 12], ["r", 1, [4, 12]], ["r", 2, []]],
        [["r", 0, [10, 6]]],
    ]
    case = Case("append", ["ok"] * 4, done, [0, 1, 2, 3], [(0, 4), (1, 5), (2, 6), (3, 7)])

    assert "prefix" not in holding(case)
    assert disagreement(case) == ""


def test_a_read_repeated_behind_another_one_must_not_miss_it():
    """Who reads a key again, after another read has shown a transaction, must see what that one wrote to it."""
    done = [
        [["r", 1, None], ["r", 2, 9], ["r", 1, None]],
        [["w", 2, 9], ["w", 1, 10]],
        [["r", 1, 10]],
    ]
    case = Case("w", ["ok"] * 3, done, [0, 1, 2], [(0, 3), (1, 4), (2, 5)])

    assert "monotonic-atomic-view" not in holding(case)
    assert disagreement(case) == ""
