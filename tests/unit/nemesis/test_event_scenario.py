"""The example that is keyed to events, in simulation: every seed comes to the same story."""

from pathlib import Path

import msgspec
import pytest

from cluster.trace import HitPoint, Passed, RoleChanged, Stopped
from harness.campaign.simulate import simulate
from harness.cli.options import known
from harness.scenario import load_scenario

EXAMPLE = Path(__file__).parents[3] / "examples" / "snapshot-of-a-follower.toml"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_second_renamed_snapshot_of_a_follower_after_the_leader_changed(seed: int) -> None:
    """Power goes at the node that passed the point, at that moment; it strikes itself there in its next life."""
    scenario = load_scenario(EXAMPLE.read_text(encoding="utf-8"), known())
    done = simulate(msgspec.structs.replace(scenario, seed=seed))
    leaders = [
        event for event in done.trace if type(event) is RoleChanged and event.role == "leader"
    ]
    changed_ns = next(event.at_ns for event in leaders if event.node != leaders[0].node)
    passed = [
        event
        for event in done.trace
        if type(event) is Passed and event.role == "follower" and event.at_ns > changed_ns
    ]
    powerless = [event for event in done.trace if type(event) is Stopped and event.cause == "power"]

    assert done.results["valid"] is True
    assert [event.node for event in powerless] == [passed[1].node] * 2
    assert 0 <= powerless[0].at_ns - passed[1].at_ns <= 2_000_000
    assert [event.node for event in done.trace if type(event) is HitPoint] == [passed[1].node]
