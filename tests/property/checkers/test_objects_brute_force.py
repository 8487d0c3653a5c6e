"""Checkers of whole objects against definitions word by word, on small random histories with crashes, failures and lies.

`benchmarks/agreement_checkers.py` does the same two hundred thousand times for each model.
"""

import random

import pytest
from object_checkers import CHECKERS, disagreement

from harness.checkers.causal import clocks

HISTORIES = 500


@pytest.mark.parametrize("model", CHECKERS)
def test_checkers_say_what_their_definitions_say(model):
    """Verdict or counts are those of the oracle, on histories of which some are valid and some are not."""
    rng = random.Random(model)
    outcomes = [disagreement(rng, model) for _ in range(HISTORIES)]

    assert [problem for _, problem in outcomes if problem] == []
    assert {valid for valid, _ in outcomes} >= {True, False}


@pytest.mark.parametrize("model", ["causal", "causal-convergence", "causal-memory"])
def test_clocks_may_be_made_in_blocks(model, monkeypatch):
    """Where sessions are so many that clocks are made block by block, verdicts stay the same."""
    monkeypatch.setattr(clocks, "BLOCK_BYTES", 1)
    rng = random.Random(model)
    outcomes = [disagreement(rng, model) for _ in range(HISTORIES // 3)]

    assert [problem for _, problem in outcomes if problem] == []
