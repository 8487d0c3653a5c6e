"""How alike two runs are is read off what happened in them, and not off when."""

from __future__ import annotations

from cluster.trace import HitPoint, RoleChanged
from harness.campaign.carry_like import likeness, story_of
from harness.operation import NEMESIS, Operation

_HISTORY = [
    Operation(time_ns=1, process=NEMESIS, type="info", f="transfer"),
    Operation(time_ns=2, process=NEMESIS, type="info", f="transfer"),
    Operation(time_ns=3, process=NEMESIS, type="info", f="kill"),
    Operation(time_ns=4, process=NEMESIS, type="info", f="kill"),
    Operation(time_ns=5, f="add"),
    Operation(time_ns=9, f="add", type="ok"),
]
_TRACE = [
    RoleChanged(
        at_ns=0, node="n1", incarnation=1, role="leader", term=1, last_index=0, last_term=0
    ),
    RoleChanged(
        at_ns=0, node="n2", incarnation=1, role="follower", term=1, last_index=0, last_term=0
    ),
    HitPoint(
        at_ns=7,
        node="n1",
        incarnation=1,
        point="wal.after_fsync",
        action="kill",
        index=1,
        opcode=0,
        role="leader",
    ),
]


def test_a_story_is_what_happened_in_order() -> None:
    """Faults, leaders, strikes and ends of operations; not what was prepared, and no steps down."""
    assert story_of(_HISTORY, _TRACE) == [
        "n1 leads",
        "fault kill",
        "kill at wal.after_fsync of a leader",
        "add ok",
    ]


def test_likeness_is_what_both_have_in_common() -> None:
    """The same story is wholly alike, another not at all, half of one two thirds."""
    story = story_of(_HISTORY, _TRACE)

    assert likeness(story, story) == 1.0
    assert likeness(story, ["add fail"]) == 0.0
    assert likeness(story, story[:2]) == 2 * 2 / 6
