"""The closed admin surface: every mutator is refused, definitely, whoever asks and whatever it says."""

import pytest

from cluster.machine.admin_gate import METHODS, MUTATORS, AdminCaller, answer_admin

LEADER = AdminCaller(node="n1", leads=True, leader="n1")
FOLLOWER = AdminCaller(node="n2", leads=False, leader="n1")
LOST = AdminCaller(node="n3", leads=False)


def test_surface():
    """The surface has the eight methods of the specification."""
    assert set(METHODS) == {*MUTATORS, "GetCapability", "GetSidecarState", "ResyncSidecar"}
    assert len(METHODS) == 8


@pytest.mark.parametrize("method", MUTATORS)
@pytest.mark.parametrize("asked", [LEADER, FOLLOWER, LOST])
def test_mutators_are_closed(method, asked):
    """Every mutator fails its precondition on every node, and that is definite."""
    answer = answer_admin(method, asked)

    assert (answer.code, answer.definite, answer.value) == ("FailedPrecondition", True, None)


def test_leadership_comes_before_the_gate():
    """A follower names the leader, a leader says that it has no proposer."""
    assert "n1" in answer_admin("RotateDEK", FOLLOWER).message
    assert "no known leader" in answer_admin("RotateDEK", LOST).message
    assert answer_admin("RotateDEK", LEADER).message == "proposer not configured"


@pytest.mark.parametrize("asked", [LEADER, FOLLOWER])
def test_capability_is_answered_by_every_node(asked):
    """Any node says that it is not capable yet, and who it is."""
    answer = answer_admin("GetCapability", asked)

    assert answer.code == "OK"
    assert answer.value is not None
    assert answer.value["encryption_capable"] is False
    assert answer.value["full_node_id"] >> 48 == 0x08B3


@pytest.mark.parametrize("method", ["GetSidecarState", "ResyncSidecar"])
def test_sidecar_reads_have_nothing_to_read(method):
    """Reads of the sidecar fail their precondition: there is none at this stage."""
    for asked in (LEADER, FOLLOWER):
        assert answer_admin(method, asked).code == "FailedPrecondition"


def test_unknown_method():
    """A name that is no method is answered as such."""
    answer = answer_admin("DropEverything", LEADER)

    assert answer.code == "Unimplemented"
    assert answer.definite
