"""Transactions and reads of a node: which go through the log, which do not, and what is replied."""

from node_lab import MS, Lab

from cluster.machine.kv_requests import KvResponse
from cluster.node.replica import READ_TIMEOUT_NS
from cluster.raft.messages import Heartbeat


def leader():
    lab = Lab()
    lab.lead()
    return lab


def test_a_transaction_that_changes_goes_through_the_log():
    """It is one entry, and its reply says at which index it read what."""
    lab = leader()

    reply = lab.ask("txn", client="c", sequence=1, operations=[["r", "x"], ["add", "x", 2]])

    assert reply.value == {"index": 2, "decision": "kv", "result": KvResponse(True, [None, 2])}


def test_a_transaction_that_looks_makes_no_entry():
    """Reads and comparisons are answered at the read index; nobody has to name a session for them."""
    lab = leader()
    lab.put("x", 5, 1)

    reply = lab.ask("txn", operations=[["r", "x"], ["compare", "x", 5], ["r", "y"]])

    assert reply.value == {"index": 2, "result": KvResponse(True, [5, None, None])}
    assert lab.node.state(0)["last_index"] == 2


def test_a_follower_sends_changes_to_the_leader():
    """A transaction that changes something is refused by whoever does not lead."""
    lab = Lab(name="n2", peers=("n1", "n2", "n3"))
    lab.start()
    lab.receive(Heartbeat("n1", "n2", 1, 0, 1))

    reply = lab.ask("txn", client="c", sequence=1, operations=[["w", "x", 1]])

    assert (reply.status, reply.code, reply.leader) == ("refused", "NotLeader", "n1")


def test_a_transaction_that_is_none_is_its_callers_mistake():
    """A wrong operation is refused before anything is proposed."""
    lab = leader()

    for operations in ([], [["rename", "x"]], 7):
        reply = lab.ask("txn", client="c", sequence=1, operations=operations)
        assert (reply.status, reply.code) == ("refused", "InvalidArgument")
    assert lab.ask("txn", operations=[["w", "x", 1]]).code == "InvalidArgument"
    assert lab.node.state(0)["last_index"] == 1


def test_a_stale_read_is_answered_by_whoever_is_asked():
    """A node that hears no leader answers from its own state, when that is what was asked for."""
    lab = leader()
    lab.put("x", 5, 1)
    assert lab.ask("get", key="x", stale=True).value == {"index": 2, "value": 5}
    lonely = Lab(name="n2", peers=("n1", "n2", "n3"))
    lonely.start()
    assert lonely.ask("get", key="x", stale=True).value == {"index": 0, "value": None}


def test_a_stale_read_waits_for_the_index_it_names():
    """It is answered once that entry is applied, and not before."""
    lab = leader()
    assert lab.ask("get", key="x", stale=True, at_least=2) is None
    waiting = lab._numbers
    lab.put("x", 6, 1)
    assert lab.answers[waiting].value == {"index": 2, "value": 6}


def test_a_stale_read_of_an_index_that_never_comes_is_given_up():
    """Its asker is told, and the node keeps no place for it."""
    lab = leader()
    assert lab.ask("get", key="x", stale=True, at_least=1 << 60) is None
    waiting = lab._numbers
    lab.wake(READ_TIMEOUT_NS + MS)
    lab.node.work(lab.now_ns)
    assert lab.answers[waiting].code == "DeadlineExceeded"
    assert lab.node.replicas[0]._due_reads == []
