"""Mistakes of the consensus core, at power: each is convicted by the default scenario of a key-value workload."""

from __future__ import annotations

import pytest

from cluster.bugs.raft_bugs import BUGS
from harness.campaign.simulate import simulate
from harness.scenario import Scenario

SEEDS = 80


@pytest.mark.slow
@pytest.mark.parametrize("bug", [bug.id for bug in BUGS])
def test_a_raft_mistake_is_convicted(bug: str) -> None:
    """Some seed below eighty of ``set`` or ``register`` is invalid, and the finding says what is broken."""
    for seed in range(SEEDS):
        for workload in ("set", "register"):
            scenario = Scenario(workload=workload, seed=seed, time_limit_s=6.0, rate=40.0, bug=bug)
            results = simulate(scenario).results
            if results["valid"] is False:
                assert results["evidence"][0]["what"]
                return
    pytest.fail(f"{bug} was not found in {SEEDS} seeds of each workload")
