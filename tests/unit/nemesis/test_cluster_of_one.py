"""Faults in a cluster of one, where the leader has no followers."""

import pytest

from harness.campaign.simulate import simulate
from harness.scenario import Scenario
from workloads.catalogue import WORKLOADS


@pytest.mark.parametrize("workload", sorted(WORKLOADS))
@pytest.mark.parametrize("seed", [3, 4])
def test_no_fault_fails_for_want_of_a_follower(workload, seed):
    """Every story finds somebody to strike, or nothing to do."""
    done = simulate(Scenario(workload=workload, seed=seed, nodes=1, time_limit_s=6.0))

    assert [text for _, text in done.results["notes"] if "nemesis" in text] == []
    assert done.results["facts"]["harness_errors"] == 0
    assert done.results["valid"] is not False
