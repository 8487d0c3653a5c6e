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
