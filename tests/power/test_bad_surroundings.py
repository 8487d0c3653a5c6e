"""Bad surroundings, at power: failing disks, bad links and wrong clocks cost time and nodes, and lose nothing."""

from __future__ import annotations

import pytest

from harness.campaign.simulate import simulate
from harness.scenario import Scenario

SEEDS = 30


def _run(workload: str, nemesis: list[str]) -> tuple[int, dict[str, int]]:
    """Run all seeds; return how many nodes ended by an error and what was done to the cluster, by action."""
    ended = 0
    actions: dict[str, int] = {}
    for seed in range(SEEDS):
        scenario = Scenario(workload=workload, seed=seed, time_limit_s=6.0, nemesis=nemesis)
        results = simulate(scenario).results
        assert results["valid"] is True, (seed, results["evidence"][:2])
        ended += results["facts"]["error_exits"]
        for action, times in results["facts"]["faults"].items():
            actions[action] = actions.get(action, 0) + times
    return ended, actions


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["registry", "register", "set"])
def test_failing_disks_of_a_minority_lose_nothing(workload: str) -> None:
    """Thirty seeds of EIO, ENOSPC and slow fsyncs under partitions are valid, and nodes did end because of them."""
    ended, actions = _run(workload, ["disk", "partition"])

    assert ended > 0
    assert min(actions[f"disk-{kind}"] for kind in ("eio", "full", "slow")) > 0


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["registry", "register", "set"])
def test_bad_links_and_wrong_clocks_change_nothing(workload: str) -> None:
    """Late, lost and doubled messages and clocks at half speed leave every run valid, crashes included."""
    _, actions = _run(workload, ["packet", "clock", "crash-replay"])

    assert min(actions["degrade"], actions["clock-rate"]) > 0
