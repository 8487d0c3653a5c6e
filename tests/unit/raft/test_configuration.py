"""Configurations as values: what follows what, their bytes, and how a log keeps them."""

import msgspec
import pytest

from cluster.raft.configuration import (
    NOBODY,
    Change,
    Configuration,
    configuration_after,
    decode_configuration,
    encode_configuration,
    is_configuration,
)
from cluster.raft.errors import ChangeRefused
from cluster.raft.log import Log
from cluster.raft.messages import Entry, SnapshotMeta
from cluster.raft.quorum import agreed_value, election_result

THREE = Configuration(("n1", "n2", "n3"), (), ("n4",), 7)
JOINT = Configuration(("n1", "n2", "n4"), ("n1", "n2", "n3"))


@pytest.mark.parametrize(
    ("change", "following"),
    [
        (Change(adds=("n5",)), Configuration(("n1", "n2", "n3"), (), ("n4", "n5"))),
        (Change(promotes=("n4",)), Configuration(("n1", "n2", "n3", "n4"))),
        (Change(removes=("n2",)), Configuration(("n1", "n3"), (), ("n4",))),
        (Change(removes=("n4",)), Configuration(("n1", "n2", "n3"))),
        (Change(promotes=("n4",), removes=("n3",)), JOINT),
        (
            Change(adds=("n5",), removes=("n1", "n2", "n4")),
            Configuration(("n3",), ("n1", "n2", "n3"), ("n5",)),
        ),
    ],
)
def test_what_a_change_makes(change, following):
    """One voter moves in one step, several through a joint configuration, learners without either."""
    assert configuration_after(THREE, change) == following


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change(), "names nobody"),
        (Change(adds=("",)), "stands twice, or is empty"),
        (Change(adds=("n5",), removes=("n5",)), "stands twice"),
        (Change(adds=("n4",)), "n4 is a member already"),
        (Change(promotes=("n2",)), "n2 is no learner"),
        (Change(removes=("n9",)), "n9 is no member"),
        (Change(removes=("n1", "n2", "n3")), "nobody would be left"),
    ],
)
def test_what_makes_no_sense(change, words):
    """A change that no configuration can follow is refused with the reason."""
    with pytest.raises(ChangeRefused, match=words):
        configuration_after(THREE, change)


def test_members_stand_once():
    """While joint, a voter of both halves is one member; who leaves is one until it has left."""
    assert JOINT.members == ("n1", "n2", "n4", "n3")
    assert [name for name in ("n3", "n4", "n5") if JOINT.has_vote(name)] == ["n3", "n4"]


def test_bytes_of_a_configuration():
    """Its entry gives it back with its index; no other entry of a cluster begins like it."""
    data = encode_configuration(JOINT)

    assert is_configuration(data)
    assert decode_configuration(data, 9) == Configuration(JOINT.voters, JOINT.outgoing, (), 9)
    assert not any(map(is_configuration, (b"", b"\x01\x02", b"a")))
    with pytest.raises(ValueError, match="entry 3 holds no configuration"):
        decode_configuration(data[:-1], 3)


def test_both_halves_count():
    """While joint, the slower half says what is agreed, and either half loses an election."""
    assert agreed_value(JOINT, {"n1": 9, "n2": 3, "n3": 4, "n4": 9}) == 4
    assert election_result(JOINT, {"n1": True, "n4": True}) == "pending"
    assert election_result(JOINT, {"n1": True, "n4": True, "n3": True}) == "won"
    assert election_result(JOINT, {"n2": False, "n3": False, "n1": True, "n4": True}) == "lost"


def entry(index, configuration=None):
    return Entry(index, 1, b"" if configuration is None else encode_configuration(configuration))


def test_a_log_keeps_its_configurations():
    """The newest is in force; cutting, compacting and restarting keep what is true of the rest."""
    first, second = Configuration(("n1",)), Configuration(("n1", "n2"))
    log = Log(0, 0, [entry(1), entry(2, second), entry(3, JOINT), entry(4)], first)

    assert [log.configuration_at(index).index for index in range(5)] == [0, 0, 2, 3, 3]
    log.compact(2)
    assert log.configuration_at(2).voters == second.voters
    log.cut(3)
    assert log.configuration.index == 2
    log.extend([entry(3), entry(4, first)])
    assert log.configuration.index == 4
    log.compact(4)
    log.restart(9, 2, NOBODY)
    assert log.configuration == NOBODY


def test_snapshots_of_before_there_were_changes():
    """The meta of an old snapshot ends behind the voters, and is read as a configuration that never changed."""
    old = msgspec.msgpack.encode((12, 3, ("n1", "n2")))

    meta = msgspec.msgpack.decode(old, type=SnapshotMeta)

    assert meta == SnapshotMeta(12, 3, ("n1", "n2"))
    assert meta.configuration == Configuration(("n1", "n2"))
