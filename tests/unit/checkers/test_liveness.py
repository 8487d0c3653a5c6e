"""Whether everybody catches up once all is healed, on traces made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.trace import (
    Applied,
    Committed,
    Event,
    Fault,
    Halted,
    HitPoint,
    Installed,
    Reconfigured,
    Started,
    Stopped,
)
from harness.checkers.checker import Run, Verdict
from harness.checkers.liveness import Liveness
from harness.operation import NEMESIS, Operation

NODES = ("n1", "n2", "n3")
HEALED_NS = 100
LIMIT_NS = 50


def life(node: str, at_ns: int) -> dict[str, Any]:
    return {"node": node, "incarnation": 1, "at_ns": at_ns}


def applied(node: str, index: int, at_ns: int, decision: str = "kv") -> Applied:
    return Applied(
        **life(node, at_ns),
        index=index,
        term=1,
        opcode=0,
        digest=0,
        replay=False,
        decision=decision,
    )


def configured(*voters: str) -> Reconfigured:
    return Reconfigured(
        **life("n1", 1), index=0, voters=voters, outgoing=(), learners=(), applied=False
    )


def stopped(node: str, cause: str, at_ns: int) -> Stopped:
    return Stopped(**life(node, at_ns), cause=cause, exit_code=1)


def started(node: str, have: int, at_ns: int) -> Started:
    return Started(
        **life(node, at_ns),
        have=have,
        snapshot_index=0,
        restored=False,
        last_index=9,
        commit=9,
        row_horizon=0,
        torn_bytes=0,
    )


def stalled(node: str, at_ns: int) -> HitPoint:
    point = {"point": "wal.synced", "action": "stall", "index": 0, "opcode": -1, "role": "follower"}
    return HitPoint(**life(node, at_ns), **point)


def judged(*events: Event, end_ns: int = 1000, voters: tuple[str, ...] = NODES) -> Verdict:
    """n1 and n2 have applied entry 5, committed before the heal; the events are n3's."""
    trace = [
        configured(*voters),
        Committed(**life("n1", 90), index=5, term=1),
        applied("n1", 5, 91),
        applied("n2", 5, 92),
        *events,
    ]
    trace.sort(key=lambda event: event.at_ns)
    healing = Operation(process=NEMESIS, type="info", f="heal", time_ns=HEALED_NS)
    last = Operation(process=0, type="ok", f="read", time_ns=end_ns)
    run = Run(nodes=NODES, history=[healing, last], trace=trace, options={}, final_state={})
    return Liveness(LIMIT_NS).check(run)


@pytest.mark.parametrize(
    "event",
    [
        applied("n3", 5, 60),
        applied("n3", 6, 149),
        Installed(**life("n3", 120), index=7, state_hash=0),
        started("n3", 5, 130),
    ],
)
def test_who_catches_up_in_time_is_right(event):
    """By an entry, by a snapshot, or by what its disk held."""
    verdict = judged(event)

    assert verdict.valid is True
    assert verdict.facts["caught_up"] == 3


@pytest.mark.parametrize(
    "event", [applied("n3", 4, 120), applied("n3", 5, 151), applied("n3", 5, 120, "halt")]
)
def test_who_is_behind_for_too_long_is_convicted(event):
    """L3: nothing held it back, and it never came to entry 5, or too late."""
    verdict = judged(event)

    assert verdict.valid is False
    assert [(found["invariant"], found["node"]) for found in verdict.evidence] == [("L3", "n3")]


def test_a_run_that_ends_before_the_limit_is_no_pass():
    """Behind, but not out of time: unknown, with the node named."""
    verdict = judged(applied("n3", 4, 120), end_ns=130)

    assert verdict.valid == "unknown"
    assert verdict.evidence[0]["node"] == "n3"


def test_what_the_world_does_behind_the_last_operation_counts_for_nobody():
    """A node that ended is started once more when everything is undone, and that is no excuse lost."""
    verdict = judged(stopped("n3", "error", 120), started("n3", 2, 1001))

    assert verdict.valid is True
    assert list(verdict.facts["held_back"]) == ["n3"]


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([stopped("n3", "kill", 80)], "it ended by kill and did not come back"),
        ([stopped("n3", "error", 120)], "it ended by error and did not come back"),
        (
            [Halted(**life("n3", 120), index=5, opcode=1, error_class="X", message="")],
            "it halted at entry 5",
        ),
        ([Fault(**life("n3", 80), action="pause", target="n3")], "pause of n3 was not undone"),
        (
            [Fault(**life("", 80), action="cut", target="n1>n3 n3>n1")],
            "cut of n1>n3 n3>n1 was not undone",
        ),
        (
            [Fault(**life("n3", 80), action="disk-eio", target="n3")],
            "disk-eio of n3 was not undone",
        ),
        ([Fault(**life("n3", 80), action="limit", target="n3")], "limit of n3 was not undone"),
        ([stalled("n3", 80)], "it was stalled at wal.synced"),
    ],
)
def test_a_fault_that_remains_excuses_and_is_named(events, why):
    """The verdict says what held the node back."""
    verdict = judged(*events)

    assert verdict.valid is True
    assert verdict.facts["held_back"] == {"n3": why}


@pytest.mark.parametrize(
    "events",
    [
        [stopped("n3", "kill", 80), started("n3", 3, 95)],
        [
            Fault(**life("n3", 80), action="pause", target="n3"),
            Fault(**life("n3", 85), action="resume", target="n3"),
        ],
        [stalled("n3", 80), applied("n3", 3, 95)],
        [
            Fault(**life("", 80), action="cut", target="n1>n3"),
            Fault(**life("", 85), action="heal", target=""),
        ],
    ],
)
def test_a_fault_that_was_undone_excuses_nobody(events):
    """Back, resumed, healed: from then on it must catch up."""
    assert judged(*events).valid is False


def test_where_no_quorum_runs_everybody_is_excused():
    """Two of three have halted behind the heal, so the third can learn of nothing."""
    halted = {"index": 6, "opcode": 1, "error_class": "X", "message": ""}
    verdict = judged(*(Halted(**life(node, 120), **halted) for node in ("n1", "n2")))

    assert verdict.valid is True
    assert verdict.facts["held_back"] == {"n3": "no quorum ran: n1, n2 did not"}


def test_a_poison_before_any_fault_is_the_moment_that_counts():
    """What was committed when it was proposed must be applied by everybody who can."""
    poison = Operation(process=0, type="invoke", f="propose_raw", time_ns=HEALED_NS)
    last = Operation(process=0, type="ok", f="read", time_ns=1000)
    trace = [configured("n1"), Committed(**life("n1", 90), index=5, term=1), applied("n1", 5, 91)]
    run = Run(nodes=NODES, history=[poison, last], trace=trace, options={}, final_state={})

    assert Liveness(LIMIT_NS).check(run).valid is True


def test_who_is_no_member_is_not_asked():
    """n3 has left, or waits to be added."""
    assert judged(voters=("n1", "n2")).valid is True


def test_where_nothing_was_committed_nothing_is_proved():
    """A run in which nobody could be behind is no pass."""
    run = Run(nodes=NODES, history=[], trace=[configured(*NODES)], options={}, final_state={})

    assert Liveness().check(run).valid == "unknown"
