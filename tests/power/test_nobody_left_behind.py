"""Clusters that stop: one in which a follower stays behind for ever, and one whose election never ends."""

from __future__ import annotations

import msgspec
import pytest

from cluster.machine.parts import Parts
from cluster.raft.core import Raft
from cluster.worlds.tape import Tape
from harness.campaign.plan import make_plan
from harness.campaign.simulate import simulate_plan
from harness.checkers.checker import Run, Verdict
from harness.checkers.liveness import Liveness
from harness.scenario import Scenario

SECOND_NS = 1_000_000_000


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


def judged(raft: type[Raft] | None, seed: int) -> Verdict:
    """A run of the set with kills, and the judge with a limit that the run outlasts."""
    scenario = Scenario(
        workload="set", seed=seed, nodes=3, time_limit_s=3.0, rate=30.0, nemesis=["kill"]
    )
    tape = Tape(seed)
    plan = msgspec.structs.replace(make_plan(scenario, tape), parts=Parts(raft=raft))
    finished = simulate_plan(plan, tape)
    run = Run(
        nodes=plan.test.nodes,
        history=finished.history,
        trace=finished.trace,
        options={},
        final_state={},
    )
    return Liveness(SECOND_NS).check(run)


@pytest.mark.slow
@pytest.mark.parametrize("broken", [HearsNoCommit, NeverAgrees])
def test_a_cluster_that_stops_is_convicted(broken):
    """Some of five seeds convict it, and name who stayed behind."""
    verdicts = [judged(broken, seed) for seed in range(5)]

    convicted = [verdict for verdict in verdicts if verdict.valid is False]
    assert convicted
    assert all(verdict.evidence[0]["invariant"] == "L3" for verdict in convicted)


@pytest.mark.slow
def test_a_right_cluster_catches_up():
    """The same seeds without the mistakes."""
    assert [judged(None, seed).valid for seed in range(5)] == [True] * 5
