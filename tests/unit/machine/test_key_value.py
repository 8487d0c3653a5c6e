"""What each key-value operation does to the state and answers."""

import pytest
from machine_lab import Lab

from cluster.machine.kv_requests import KvRequest, KvResponse, encode_batch
from cluster.machine.rows import USER_PREFIX

DONE = KvResponse(True)


@pytest.fixture
def lab():
    """A replica with nothing in it."""
    return Lab()


def test_put_and_delete(lab):
    """A put is read back, the last one wins, and a delete leaves nothing."""
    assert lab.put("k", 1).result == DONE
    assert lab.put("k", [2]).result == DONE
    assert lab.machine.read("k") == [2]
    assert lab.ask("delete", "k").result == DONE
    assert lab.machine.read("k") is None
    assert lab.ask("delete", "k").result == DONE


def test_get_through_the_log(lab):
    """A get answers the value at its place in the log, None for a missing key."""
    assert lab.ask("get", "k").result == KvResponse(True, None)
    lab.put("k", {"a": 1})
    assert lab.ask("get", "k").result == KvResponse(True, {"a": 1})


def test_cas(lab):
    """A compare-and-set stores exactly if the present value is the expected one; None expects nothing."""
    mismatch = KvResponse(False, None, "mismatch")
    assert lab.ask("cas", "k", 1, expected=0).result == mismatch
    assert lab.machine.read("k") is None
    assert lab.ask("cas", "k", 1, expected=None).result == DONE
    assert lab.ask("cas", "k", 2, expected=None).result == mismatch
    assert lab.ask("cas", "k", 2, expected=1).result == DONE
    assert lab.machine.read("k") == 2


def test_cas_compares_types(lab):
    """A compare-and-set does not take True for 1."""
    lab.put("k", 1)

    assert lab.ask("cas", "k", 2, expected=True).result.error == "mismatch"


def test_append(lab):
    """An append makes a list where there is nothing and grows it where there is one."""
    assert lab.ask("append", "k", 1).result == DONE
    assert lab.ask("append", "k", [2]).result == DONE
    assert lab.machine.read("k") == [1, [2]]


def test_append_to_something_else(lab):
    """An append to a value that is no list answers an error and changes nothing."""
    lab.put("k", 7)

    assert lab.ask("append", "k", 1).result == KvResponse(False, None, "not_a_list")
    assert lab.machine.read("k") == 7


def test_batch_in_order(lab):
    """The requests of a batch are executed in order, and each gets its response."""
    requests = [
        KvRequest("a", 1, "put", "k", 1),
        KvRequest("b", 1, "cas", "k", 2, 1),
        KvRequest("a", 2, "cas", "k", 3, 1),
        KvRequest("a", 3, "get", "k"),
    ]

    outcome = lab.apply(encode_batch(requests))

    assert outcome.decision == "kv"
    assert outcome.result == [
        DONE,
        DONE,
        KvResponse(False, None, "mismatch"),
        KvResponse(True, 2),
    ]


@pytest.mark.parametrize("key", ["!session|c", "_meta_applied_index", "!encryption|writers|", ""])
def test_clients_cannot_reach_other_rows(lab, key):
    """A client's key that looks like one of ours is only a client's key."""
    lab.put(key, 1)
    lab.machine.flush()

    user_rows = [row for row, _ in lab.store.scan(USER_PREFIX)]
    assert user_rows == [USER_PREFIX + key.encode()]
    assert lab.store.applied_index() == 1
    assert lab.machine.read(key) == 1
