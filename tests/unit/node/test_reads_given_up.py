"""Reads that a follower forwarded and nobody answers."""

from node_lab import MS, Lab

from cluster.node.replica import READ_TIMEOUT_NS
from cluster.raft.messages import Heartbeat, ReadReply, ReadRequest


def test_a_read_without_an_answer_is_given_up_everywhere():
    """Its asker learns that nobody knows, raft keeps no place for it, and an answer that comes later is nobody's."""
    lab = Lab(name="n2", peers=("n1", "n2", "n3"))
    node = lab.start()
    lab.receive(Heartbeat("n1", "n2", 1, 0, 1))
    assert lab.ask("get", key="k") is None
    (request,) = [message for message, _ in lab.sent if isinstance(message, ReadRequest)]

    for beat in range(2, 3 + READ_TIMEOUT_NS // (99 * MS)):
        lab.now_ns += 99 * MS  # never silent long enough for the node to be due
        lab.receive(Heartbeat("n1", "n2", 1, 0, beat))

    assert lab.answers[request.request].code == "DeadlineExceeded"
    assert not node.replicas[0].raft._forwarded
    lab.receive(ReadReply("n1", "n2", 1, request.request, 1))
    assert lab.answers[request.request].code == "DeadlineExceeded"
