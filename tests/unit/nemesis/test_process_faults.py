"""Nodes that go at once, that are started over and over, and that come back with another configuration."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.trace import SnapshotTaken, Started, Stopped
from harness.campaign.simulate import simulate
from harness.errors import UserMistake
from harness.scenario import At, FaultEntry, Scenario
from nemesis.arguments import check_fault

NODES = ("n1", "n2", "n3")


def fault(f: str, *targets: str, at_s: float = 1.0, **value: Any) -> FaultEntry:
    """A fault at a time."""
    return FaultEntry(f=f, targets=[*targets], value=value, when=At(time_s=at_s))


def finished(*faults: FaultEntry) -> Any:
    """A short simulated run with these faults, in which nothing of the harness went wrong."""
    done = simulate(
        Scenario(
            workload="registry",
            seed=3,
            nodes=3,
            time_limit_s=3.0,
            rate=60.0,
            faults=[*faults],
            options={"poison": "none", "snapshot_threshold": 8, "durability": "data"},
        )
    )
    assert done.results["facts"]["harness_errors"] == 0
    return done


@pytest.mark.parametrize(("f", "cause"), [("kill", "kill"), ("power-loss", "power")])
def test_several_nodes_go_at_one_moment(f: str, cause: str) -> None:
    """None of them sees another one go: not a nanosecond lies between them."""
    done = finished(fault(f, "all"), fault("start", at_s=1.5))
    gone = [event for event in done.trace if type(event) is Stopped and event.cause == cause]

    assert [event.node for event in gone] == [*NODES]
    assert len({event.at_ns for event in gone}) == 1


def test_a_restart_loop_strikes_as_often_as_it_says() -> None:
    """Each life ends as soon as the node serves; the last one stays."""
    done = finished(fault("restart-loop", "n2", times=4, power=True))
    lives = [
        event.incarnation for event in done.trace if type(event) is Started and event.node == "n2"
    ]
    causes = [event.cause for event in done.trace if type(event) is Stopped and event.node == "n2"]

    assert lives == [1, 2, 3, 4, 5]
    assert causes == ["power"] * 4 + ["stop"]
    assert done.results["facts"]["restarts"] == 4


def test_a_node_keeps_the_configuration_it_was_started_with_anew() -> None:
    """With a threshold of 0 it takes no snapshot any more, also not after a later restart."""
    done = finished(
        fault("reconfigure", "n1", snapshot_threshold=0, durability="every"),
        fault("restart-loop", "n1", at_s=2.0, times=1),
    )
    taken = [event for event in done.trace if type(event) is SnapshotTaken and event.at_ns > 1.1e9]

    assert {event.node for event in taken} == {"n2", "n3"}
    assert done.results["valid"] is True


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (fault("restart-loop", "n1"), "times"),
        (fault("restart-loop", "n1", times=0), ">= 1"),
        (fault("reconfigure", "n1", durability="never"), "never"),
        (fault("reconfigure", "n1", durabilty="data"), "did you mean 'durability'?"),
        (fault("reconfigure", durability="data"), "missing required field"),
    ],
)
def test_wrong_arguments_are_refused_before_the_run(entry: FaultEntry, words: str) -> None:
    """The message says which argument, and what is allowed."""
    with pytest.raises(UserMistake, match=words):
        check_fault(entry, NODES)
