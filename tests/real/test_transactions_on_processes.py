"""Transactions on real processes, with a node killed meanwhile: the same workloads and judges as in simulation."""

import pytest

from harness.campaign.execute import execute
from harness.scenario import Scenario
from harness.store import Store

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.mark.parametrize(
    ("workload", "fact"), [("append", "acked_sync_writes"), ("session", "session_accesses")]
)
def test_transactions_and_sessions_survive_the_death_of_processes(tmp_path, workload, fact):
    """Clients that insist get their answers from sockets too, and every judge is content."""
    scenario = Scenario(
        workload=workload,
        world="local",
        nodes=3,
        time_limit_s=3.0,
        rate=30.0,
        seed=5,
        nemesis=["kill"],
    )
    folder = Store(tmp_path).create(workload, "20260101T000000.000Z")
    results = execute(scenario, folder).results
    assert results["valid"] is True, results["evidence"]
    assert results["facts"][fact] > 0
