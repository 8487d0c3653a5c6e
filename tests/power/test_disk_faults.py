"""Failing disks, at power: a node whose disk fails refuses or stops, and the cluster goes on without losing anything."""

from __future__ import annotations

import pytest

from harness.campaign.simulate import simulate
from harness.scenario import Scenario


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["registry", "register", "set"])
def test_failing_disks_of_a_minority_lose_nothing(workload: str) -> None:
    """Thirty seeds of EIO, ENOSPC and slow fsyncs under partitions are valid, and nodes did end because of them."""
    ended = 0
    for seed in range(30):
        scenario = Scenario(
            workload=workload, seed=seed, time_limit_s=6.0, nemesis=["disk", "partition"]
        )
        results = simulate(scenario).results
        assert results["valid"] is True, (seed, results["evidence"][:2])
        ended += results["facts"]["error_exits"]
    assert ended > 0
