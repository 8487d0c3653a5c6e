"""Moments that are keyed to events: what counts, from when, on whom; and that it is the same in a run."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.trace import Event, Fault, Halted, Passed, RoleChanged, Started, Stopped
from harness.campaign.simulate import simulate
from harness.errors import UserMistake
from harness.operation import NEMESIS, Operation
from harness.scenario import FaultEntry, OnEvent, Scenario
from harness.triggers import Lookout, Trigger
from nemesis.moments import check_moment


def role(node: str, role: str) -> Event:
    """A node takes a role."""
    return RoleChanged(node=node, incarnation=1, role=role, term=1, last_index=0, last_term=0)


def passed(node: str, point: str, role: str = "follower") -> Event:
    """A node passes a point."""
    return Passed(node=node, incarnation=1, point=point, index=0, opcode=-1, role=role)


def started(node: str, incarnation: int) -> Event:
    """A node is started."""
    return Started(
        node=node, incarnation=incarnation, have=0, snapshot_index=0, restored=False,
        last_index=0, commit=0, row_horizon=0, torn_bytes=0,
    )  # fmt: skip


def came(trigger: Trigger, *events: Event | Operation) -> list[tuple[int, str]]:
    """At which of the events the trigger came about, and where."""
    lookout = Lookout([trigger])
    return [(at, node) for at, event in enumerate(events) for _, node in lookout.see(event)]


def test_the_second_renamed_snapshot_of_a_follower_after_the_leader_changed() -> None:
    """The first leader is no change, what came before it does not count, nor what another role did."""
    trigger = Trigger(
        event="point", point="snap.renamed", nth=2, on="follower", after=Trigger(event="leader-changed")
    )  # fmt: skip
    events = [
        role("n1", "leader"),
        passed("n2", "snap.renamed"),
        passed("n2", "snap.renamed"),
        role("n3", "leader"),
        passed("n2", "snap.renamed"),
        passed("n3", "snap.renamed", "leader"),
        passed("n1", "snap.trigger"),
        passed("n1", "snap.renamed"),
        passed("n1", "snap.renamed"),
    ]

    assert came(trigger, *events) == [(7, "n1")]


def test_a_leader_that_comes_back_is_no_change() -> None:
    """Another node must lead than the last one that did."""
    trigger = Trigger(event="leader-changed")

    assert came(trigger, role("n1", "leader"), role("n1", "follower"), role("n1", "leader")) == []


@pytest.mark.parametrize(
    ("trigger", "event"),
    [
        (Trigger(event="restarted", on="n1"), started("n1", 2)),
        (Trigger(event="stopped", cause="power"), Stopped(node="n1", incarnation=1, cause="power", exit_code=-9)),
        (Trigger(event="halted"), Halted(node="n1", incarnation=1, index=1, opcode=3, error_class="E", message="m")),
        (Trigger(event="role", role="candidate"), role("n1", "candidate")),
        (Trigger(event="fault", action="cut"), Fault(node="n1", incarnation=0, action="cut", target="n1>n2")),
        (Trigger(event="operation", f="write", type="info"), Operation(f="write", type="info", node="n1")),
    ],
)  # fmt: skip
def test_each_kind_of_event(trigger: Trigger, event: Event | Operation) -> None:
    """What is asked for comes about with its event, and with none that only looks like it."""
    near = [started("n1", 1), Stopped(node="n1", incarnation=1, cause="kill", exit_code=-9), role("n2", "leader"),
            Operation(f="write", type="ok", node="n1")]  # fmt: skip

    assert came(trigger, *near, event) == [(len(near), "n1")]


def test_a_role_is_known_from_the_events_of_its_node() -> None:
    """``on`` a role holds for events that say no role; a node that was started again follows until it says otherwise."""
    trigger = Trigger(event="stopped", on="leader")
    stop = Stopped(node="n1", incarnation=1, cause="kill", exit_code=-9)

    assert came(trigger, role("n1", "leader"), stop) == [(1, "n1")]
    assert came(trigger, role("n1", "leader"), started("n1", 2), stop) == []


def finished(*faults: FaultEntry, seed: int = 1) -> Any:
    """A short simulated run with these faults."""
    return simulate(
        Scenario(
            workload="registry",
            seed=seed,
            nodes=3,
            time_limit_s=3.0,
            rate=60.0,
            faults=[*faults],
            options={"poison": "none", "snapshot_threshold": 8, "durability": "data"},
        )
    )


def test_a_fault_strikes_where_its_event_happened() -> None:
    """``there`` is the node of the event; the faults of one moment come one after the other."""
    when = OnEvent(event="point", point="snap.renamed", nth=3)
    done = finished(
        FaultEntry(f="kill", targets=["there"], when=when), FaultEntry(f="start", when=when)
    )
    third = [event for event in done.trace if type(event) is Passed][2]
    [killed] = [event for event in done.trace if type(event) is Stopped and event.cause == "kill"]

    assert killed.node == third.node
    assert 0 <= killed.at_ns - third.at_ns < 2_000_000
    assert done.results["checkers"]["exact-faults"]["valid"] is True
    asked = [one.f for one in done.history if one.process == NEMESIS and one.f in ("kill", "start")]
    assert asked[:4] == ["kill", "kill", "start", "start"]


def test_a_moment_that_never_came_leaves_the_run_unknown() -> None:
    """The finding says in words what was waited for."""
    when = OnEvent(event="halted", on="n2", after=Trigger(event="leader-changed", nth=9))
    done = finished(FaultEntry(f="kill", targets=["n1"], when=when))

    assert done.results["valid"] == "unknown"
    [missing] = done.results["checkers"]["exact-faults"]["evidence"]
    assert missing["what"].endswith(
        "waited for halted number 1 on n2, after leader-changed number 9"
    )


@pytest.mark.parametrize(
    ("when", "targets", "words"),
    [
        (OnEvent(event="point", point="snap.rename"), [], "did you mean 'snap.renamed'?"),
        (OnEvent(event="point", point="wal.torn_tail"), [], "point 'wal.torn_tail' is unknown"),
        (OnEvent(event="halted", on="n9"), [], "on 'n9' is unknown"),
        (OnEvent(event="halted", after=Trigger(event="halted", on="boss")), [], "on 'boss'"),
        (OnEvent(event="fault", action="cut"), ["there"], "at no node for certain"),
    ],
)
def test_a_moment_that_can_never_come_is_refused(
    when: OnEvent, targets: list[str], words: str
) -> None:
    """Names of the cluster are checked before the run, with what was probably meant."""
    with pytest.raises(UserMistake) as mistake:
        check_moment(FaultEntry(f="kill", targets=targets, when=when), ["n1", "n2", "n3"])

    assert words in str(mistake.value)
