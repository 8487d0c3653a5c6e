"""Clusters that stop: one in which a follower stays behind for ever, and one whose election never ends."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cluster.machine.parts import Parts
from cluster.raft.core import Raft
from cluster.worlds.tape import Tape
from harness.campaign.plan import make_plan
from harness.campaign.simulate import simulate_plan
from harness.scenario import Scenario


class HearsNoCommit(Raft):
    """A follower that takes what is committed from nobody once it has seen ten entries."""

    __slots__ = ()

    def _take_commit(self, index: int) -> None:
        news = index if self.role == "leader" else min(index, max(10, self.commit))
        super()._take_commit(news)


class NeverAgrees(Raft):
    """A node that has seen ten entries gives its vote to nobody but itself, so the second election never ends."""

    __slots__ = ()

    def _may_grant_vote(self, message) -> bool:
        return self.log.last_index < 10 and super()._may_grant_vote(message)


def judged(raft: type[Raft] | None, seed: int) -> dict[str, Any]:
    """What the workload's own judge says of a run of the set with kills."""
    scenario = Scenario(
        workload="set", seed=seed, nodes=3, time_limit_s=3.0, rate=30.0, nemesis=["kill"]
    )
    tape = Tape(seed)
    plan = msgspec.structs.replace(make_plan(scenario, tape), parts=Parts(raft=raft))
    results = simulate_plan(plan, tape).results
    said = [one for one in results["evidence"] if one["checker"] == "liveness"]
    return {**results["checkers"]["liveness"], "evidence": said}


@pytest.mark.slow
@pytest.mark.parametrize("broken", [HearsNoCommit, NeverAgrees])
def test_a_cluster_that_stops_is_convicted(broken):
    """Some of five seeds convict it, and name who stayed behind."""
    verdicts = [judged(broken, seed) for seed in range(5)]

    convicted = [verdict for verdict in verdicts if verdict["valid"] is False]
    assert convicted
    assert all(verdict["evidence"][0]["invariant"] == "L3" for verdict in convicted)


@pytest.mark.slow
def test_a_right_cluster_catches_up():
    """The same seeds without the mistakes."""
    assert [judged(None, seed)["valid"] for seed in range(5)] == [True] * 5
