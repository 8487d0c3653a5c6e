"""Where the search of cycles gives up at once, it is decided all the same which models hold."""

from __future__ import annotations

import random

import pytest
from transaction_histories import at_once, verdict
from transaction_oracle import disagreement, drawn

from harness.checkers.transactions import cycles


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycles, "_VISITS_MAX", -1)


@pytest.mark.slow
@pytest.mark.parametrize("write", ["append", "w"])
def test_models_fall_as_by_brute_force(write: str) -> None:
    """On small random histories the judge without patience and the definitions of the models agree."""
    rng = random.Random(f"decided {write}")
    for _ in range(60):
        assert disagreement(drawn(rng, write)) == ""


def ring(length: int) -> list:
    """Appends to one list round a circle that one missed write closes, and many shorter circles of two missed writes."""
    ended = []
    for place in range(length):
        further = ["append", "end", 0] if not place else ["append", f"k{place}", 0]
        if place == length - 1:
            further = ["r", "end", []]
        ended.append(("ok", [["append", "ring", place], further]))
    ended.append(("ok", [["r", "ring", list(range(length))]]))
    for place in range(1, length - 1):
        ended += [
            ("ok", [["r", f"k{place}", [0]], ["r", f"anti{place}", []]]),
            ("ok", [["append", f"anti{place}", 0], ["r", "ring", []]]),
        ]
    return at_once(*ended)


def test_one_missed_write_is_found_among_many() -> None:
    """A G-single as long as the history convicts snapshots, and read committed holds."""
    history = ring(40)

    snapshots = verdict(history, "snapshot-isolation")
    assert snapshots.valid is False
    assert "G-single" in snapshots.facts["anomalies"]
    assert verdict(history, "read-committed").valid is True
