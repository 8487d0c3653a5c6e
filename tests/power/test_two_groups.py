"""Two raft groups in every node: what happens in one says nothing of the other, and all of it is judged."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cluster.trace import Committed
from cluster.worlds.tape import Tape
from harness.campaign.outcome import Finished
from harness.campaign.plan import make_plan
from harness.campaign.simulate import simulate_plan
from harness.scenario import Scenario


def with_two_groups(workload: str, seed: int, **scenario: Any) -> Finished:
    """Simulate one seed of the default faults with a second group beside the one that clients use."""
    tape = Tape(seed)
    plan = make_plan(Scenario(workload=workload, seed=seed, time_limit_s=5.0, **scenario), tape)
    node = msgspec.structs.replace(plan.node, groups=2)
    return simulate_plan(msgspec.structs.replace(plan, node=node), tape)


@pytest.mark.parametrize("workload", ["registry", "register", "set"])
@pytest.mark.parametrize("seed", [0, 1, 3])
def test_a_second_group_changes_no_verdict(workload: str, seed: int) -> None:
    """Valid as with one group, and the second group has a log of its own."""
    finished = with_two_groups(workload, seed)

    assert finished.results["valid"] is True, finished.results["evidence"][:2]
    commits = {event.group for event in finished.trace if type(event) is Committed}
    assert commits == {0, 1}


@pytest.mark.parametrize("poison", ["rollback", "collision-equal"])
def test_a_halt_in_one_group_ends_the_whole_node(poison: str) -> None:
    """Poison in group 0: every process ends with code 78, as a node has one fate."""
    finished = with_two_groups("registry", 5, options={"poison": poison, "halt_strike": "none"})

    assert finished.results["valid"] is True, finished.results["evidence"][:2]
    assert finished.results["facts"]["halted_exits"] >= 5
