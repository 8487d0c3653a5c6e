"""The order of work in a replica: what leaves a node speaks of what is durable."""

from __future__ import annotations

import pytest
from node_lab import MS, Lab

from cluster.node.requests import CrashOrder
from cluster.probe import Crash
from cluster.raft.messages import Append, AppendReply, Entry, VoteReply, VoteRequest
from cluster.trace import Applied, FalseClaim

TRIO = ("n1", "n2", "n3")


def test_a_vote_leaves_after_it_is_durable() -> None:
    """Granting a vote is answered when term and vote are fsynced, not before."""
    lab = Lab(peers=TRIO)
    lab.start()
    lab.now_ns += 300 * MS
    lab.receive(VoteRequest("n2", "n1", 5, pre=False, last_index=0, last_term=0))

    votes = [(message, dirty) for message, dirty in lab.sent if isinstance(message, VoteReply)]
    assert [(message.granted, dirty) for message, dirty in votes] == [(True, [])]


def test_an_acknowledgement_leaves_after_the_entries_are_durable() -> None:
    """A follower says "I have it" when its log is fsynced."""
    lab = Lab(peers=TRIO)
    lab.start()
    entries = (Entry(1, 1, b""), Entry(2, 1, b"junk"))
    lab.receive(Append("n2", "n1", 1, prev_index=0, prev_term=0, commit=0, entries=entries))

    replies = [(m.ok, m.index, dirty) for m, dirty in lab.sent if isinstance(m, AppendReply)]
    assert replies == [(True, 2, [])]


def test_a_leader_replicates_while_its_own_disk_still_works() -> None:
    """Appends of a leader leave before its own fsync: a crash at the fsync finds them sent."""
    lab = Lab(peers=TRIO)
    lab.start()
    lab.wake(400 * MS)
    lab.receive(VoteReply("n2", "n1", 1, pre=True, granted=True))
    assert lab.node is not None
    lab.node.arm(CrashOrder(point="wal.after_write_before_fsync", nth=1))
    with pytest.raises(Crash):
        lab.receive(VoteReply("n2", "n1", 1, pre=False, granted=True))
    lab.die()

    assert [type(m) for m, _ in lab.sent if isinstance(m, (Append, VoteRequest))][-2:] != []


def test_a_proposer_is_told_when_effect_and_index_are_durable() -> None:
    """At the moment of the answer nothing of the node's disk is un-synced."""
    lab = Lab()
    lab.lead()
    reply = lab.put("a", 1, sequence=1)

    assert reply is not None
    assert reply.status == "ok"
    assert lab.dirty_at_answer[1] == []


def test_no_durability_claim_of_a_whole_life_is_false() -> None:
    """Elections, writes, registrations and a snapshot claim nothing that the ledger denies."""
    lab = Lab()
    lab.lead()
    for number in range(1, 20):
        lab.put("a", number, sequence=number)
        lab.register("n1", number)
    lab.ask("inspect.snapshot")
    for _ in range(5):
        lab.wake(10 * MS)

    assert not [event for event in lab.trace if isinstance(event, FalseClaim)]


def test_a_crash_keeps_what_has_left_and_loses_what_has_not() -> None:
    """Struck between applied and told, the proposer hears nothing, and the effect is there after the restart."""
    lab = Lab()
    lab.lead()
    assert lab.node is not None
    lab.node.arm(CrashOrder(point="eng.after_set_applied_before_resolve", opcode=0))
    with pytest.raises(Crash):
        lab.put("a", 7, sequence=1)
    lab.die(power=True)
    lab.lead()

    assert lab.answers.get(1) is None
    reply = lab.ask("get", key="a")
    assert reply is not None
    assert reply.value["value"] == 7


def test_a_write_sent_again_after_a_restart_takes_effect_once() -> None:
    """The session survives in the store: the second try gets the first one's answer."""
    lab = Lab()
    lab.lead()
    body = {"client": "c", "sequence": 1, "op": "append", "key": "a", "value": 1}
    first = lab.ask("kv", **body)
    lab.die()
    lab.lead()
    again = lab.ask("kv", **body)
    assert first is not None
    assert again is not None

    assert first.status == again.status == "ok"
    reply = lab.ask("get", key="a")
    assert reply is not None
    assert reply.value["value"] == [1]


def test_a_registration_replays_as_a_no_op_after_the_last_write() -> None:
    """In mode ``data`` a registration behind the last write is applied again, and changes nothing."""
    lab = Lab()
    lab.lead()
    lab.put("a", 1, sequence=1)
    lab.register("n1", 1)
    lab.register("n1", 2)
    lab.die(power=True)
    before = len(lab.trace)
    lab.lead()

    replayed = [
        (event.decision, event.row_writes)
        for event in lab.trace[before:]
        if isinstance(event, Applied) and event.opcode == 3
    ]
    assert replayed == [("noop_older", 0), ("noop", 0)]


def test_a_proposal_that_lost_its_place_is_answered_with_nobody_knows() -> None:
    """A deposed leader that proposes again at the same index answers the first proposal ``unknown``."""
    lab = Lab(peers=TRIO)
    lab.start()
    lab.wake(400 * MS)
    lab.receive(VoteReply("n2", "n1", 1, pre=True, granted=True))
    lab.receive(VoteReply("n2", "n1", 1, pre=False, granted=True))
    lab.put("a", 1, sequence=1)
    lab.put("a", 2, sequence=2)
    lab.receive(
        Append("n3", "n1", 2, prev_index=0, prev_term=0, commit=0, entries=(Entry(1, 2, b""),))
    )
    lab.wake(400 * MS)
    lab.receive(VoteReply("n2", "n1", 3, pre=True, granted=True))
    lab.receive(VoteReply("n2", "n1", 3, pre=False, granted=True))
    lab.put("b", 1, sequence=3)

    assert lab.answers[2].status == "unknown"
