"""Node identities: the published values and the reserved one."""

import pytest

from cluster.encryption.identity import NO_NODE, fnv1a64, full_node_id, node16


@pytest.mark.parametrize(
    ("raft_id", "full", "low"),
    [
        ("n1", 0x08B37B07B558D4C0, 0xD4C0),
        ("n2", 0x08B37E07B558D9D9, 0xD9D9),
        ("n3", 0x08B37D07B558D826, 0xD826),
        ("n4", 0x08B38007B558DD3F, 0xDD3F),
        ("n5", 0x08B37F07B558DB8C, 0xDB8C),
    ],
)
def test_golden_ids(raft_id, full, low):
    """The ids of n1 to n5 are those of the specification."""
    assert full == full_node_id(raft_id)
    assert low == node16(full)


@pytest.mark.parametrize(("raft_id", "low"), [("n6", 0xE0A5), ("n7", 0xDEF2)])
def test_golden_low_bits(raft_id, low):
    """The low bits of n6 and n7 are those of the specification."""
    assert low == node16(full_node_id(raft_id))


@pytest.mark.parametrize(
    ("first", "second", "low"),
    [
        ("n498", "n784", 0x73FE),
        ("n499", "n785", 0x75B1),
        ("n494", "n788", 0x6D32),
        ("n495", "n789", 0x6EE5),
    ],
)
def test_golden_collisions(first, second, low):
    """The ready-made pairs share their low 16 bits and nothing more."""
    assert low == node16(full_node_id(first)) == node16(full_node_id(second))
    assert full_node_id(first) != full_node_id(second)


def test_empty_name_is_no_node():
    """Only the empty raft id means that there is no node, although its hash is not 0."""
    assert full_node_id("") == NO_NODE
    assert fnv1a64("") != NO_NODE


def test_zero_hash_is_replaced(monkeypatch):
    """A name that happens to hash to 0 gets the id 1, so that it is not taken for no node."""
    monkeypatch.setattr("cluster.encryption.identity.fnv1a64", lambda _: 0)

    assert full_node_id("unlucky") == 1
