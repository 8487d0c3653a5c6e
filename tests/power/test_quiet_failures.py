"""Failures that a majority hides are convicted: a cluster that is dead in the end, a node that fails just once.

Goal: no run passes because the judges looked elsewhere. Method: raft cores that stop playing, in the default scenarios.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from cluster.machine.parts import Parts
from cluster.raft.core import Raft, RaftInvariantBroken
from cluster.raft.messages import Message
from cluster.worlds.tape import Tape
from harness.campaign.plan import make_plan
from harness.campaign.simulate import simulate_plan
from harness.scenario import Scenario

LOAD_S = 6.0
DEAD_FROM_NS = int(LOAD_S * 1_000_000_000) - 500_000_000


class Dead(Raft):
    """From shortly before the end of the load on nobody leads, and nobody listens."""

    def wake(self, now_ns: int) -> None:
        if now_ns < DEAD_FROM_NS:
            super().wake(now_ns)
            return
        if self.role == "leader":
            self._become_follower(self.term, "", now_ns)
        self.deadline_ns = now_ns + self.config.election_timeout_ns

    def step(self, message: Message, now_ns: int) -> None:
        if now_ns < DEAD_FROM_NS:
            super().step(message, now_ns)


def failing_once(lives: Counter[str], victims: list[str]) -> Any:
    """A raft core that refuses exactly one start: the first second life that any node begins."""

    def make(config: Any, *rest: Any) -> Raft:
        lives[config.id] += 1
        if lives[config.id] == 2 and not victims:
            victims.append(config.id)
            raise RaftInvariantBroken(config.id, "planted: refuses its second start")
        return Raft(config, *rest)

    return make


def verdict_of(workload: str, seed: int, raft: Any, **scenario: Any) -> dict[str, Any]:
    """Simulate `seed` with `raft` in every node."""
    tape = Tape(seed)
    plan = make_plan(Scenario(workload=workload, seed=seed, time_limit_s=LOAD_S, **scenario), tape)
    return simulate_plan(msgspec.structs.replace(plan, parts=Parts(raft=raft)), tape).results


@pytest.mark.parametrize("seed", [1, 2])
def test_a_registry_that_is_dead_in_the_end_is_convicted(seed: int) -> None:
    """Its nodes still show their rows when asked, and that is no recovery."""
    results = verdict_of("registry", seed, Dead, options={"poison": "none"})

    assert results["valid"] is False
    assert results["checkers"]["availability"]["valid"] is False


@pytest.mark.parametrize("workload", ["register", "set"])
def test_other_workloads_do_not_pass_on_a_dead_cluster(workload: str) -> None:
    """No operation succeeds any more: no pass."""
    assert verdict_of(workload, 1, Dead)["valid"] is not True


@pytest.mark.parametrize("workload", ["registry", "register", "set"])
def test_a_node_that_refuses_a_single_start_is_convicted(workload: str) -> None:
    """The others are a majority and nothing is lost; still the node had no reason to fail."""
    victims: list[str] = []
    options = {"poison": "none"} if workload == "registry" else {}

    results = verdict_of(workload, 5, failing_once(Counter(), victims), options=options)

    assert len(victims) == 1
    assert results["valid"] is False
    assert [found["node"] for found in results["checkers"]["errors"]["evidence"]] == victims
