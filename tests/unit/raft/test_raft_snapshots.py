"""Snapshots at the edge of the core: one install at a time, chunks in order, and a log that is replaced or kept."""

import pytest
from raft_peers import VOTERS, acknowledged, entries, lead, make, restored, work

from cluster.raft.core import RaftInvariantBroken, RaftMisused
from cluster.raft.messages import (
    Append,
    HardState,
    SnapshotChunk,
    SnapshotMeta,
    SnapshotReply,
)

META = SnapshotMeta(9, 1, VOTERS)


def chunk(offset, data, total=4, meta=META, term=1):
    return SnapshotChunk("n1", "n2", term, meta, offset, total, data)


def test_an_install_comes_alone():
    """Entries that are not written yet go first; the snapshot that replaces them has a Ready of its own."""
    raft = make()
    raft.step(Append("n1", "n2", 1, 0, 0, 1, entries(1, 3)), 0)
    raft.step(chunk(0, b"abcd"), 0)

    first = raft.ready()
    raft.advance(first, 0)
    second = raft.ready()

    assert (first.entries, first.install, first.committed) == (entries(1, 3), None, ())
    assert first.chunks == (chunk(0, b"abcd"),)
    assert (second.entries, second.install, second.committed) == ((), META, ())
    assert second.messages_after == ()


def test_an_installed_snapshot_replaces_the_log_and_is_answered():
    """After `advance` log, commit and applied stand at the snapshot, and the leader is told the total."""
    raft = make()
    raft.step(Append("n1", "n2", 1, 0, 0, 1, entries(1, 3)), 0)
    work(raft)
    raft.step(chunk(0, b"ab"), 0)
    raft.step(chunk(2, b"cd"), 0)

    spooled, answered = work(raft)

    assert spooled.chunks == (chunk(0, b"ab"), chunk(2, b"cd"))
    assert spooled.messages_after == (SnapshotReply("n2", "n1", 1, 9, 2),)
    assert answered.messages_after == (SnapshotReply("n2", "n1", 1, 9, 4),)
    assert [raft.commit, raft.applied, raft.first_index, raft.last_index] == [9, 9, 10, 9]
    assert raft.term_of(9) == 1


def test_a_refused_snapshot_leaves_everything_as_it_was():
    """A node that could not install says so, and the leader is told to start again."""
    raft = make()
    raft.step(chunk(0, b"abcd"), 0)
    ready = raft.ready()

    raft.refuse_snapshot(META)
    raft.advance(ready, 0)

    assert raft.ready().messages_after == (SnapshotReply("n2", "n1", 1, 9, -1),)
    assert [raft.commit, raft.last_index] == [0, 0]
    with pytest.raises(RaftMisused, match="no snapshot at 9"):
        raft.refuse_snapshot(META)


def test_a_log_that_holds_the_snapshot_is_fast_forwarded():
    """A follower that holds the snapshot's last entry takes the commit index and needs no bytes."""
    raft = make()
    raft.step(Append("n1", "n2", 1, 0, 0, 0, entries(1, 9)), 0)

    raft.step(chunk(0, b"ab"), 0)
    (ready,) = work(raft)

    assert ready.chunks == ()
    assert ready.messages_after[-1] == SnapshotReply("n2", "n1", 1, 9, 4)
    assert [entry.index for entry in ready.committed] == list(range(1, 10))


def test_an_old_snapshot_is_answered_as_installed():
    """A chunk of what is committed here already is answered with the total, and not spooled."""
    raft = make(disk=restored(HardState(1, "", 12), META, entries(10, 12), applied=9))
    work(raft)

    raft.step(chunk(2, b"cd"), 0)
    (ready,) = work(raft)

    assert (ready.chunks, ready.install) == ((), None)
    assert ready.messages_after == (SnapshotReply("n2", "n1", 1, 9, 4),)


@pytest.mark.parametrize(("arrived", "expected"), [([], 0), ([(0, b"ab")], 2)])
def test_a_chunk_out_of_order_is_answered_with_what_is_needed(arrived, expected):
    """The spool takes only the next byte; anything else is answered with the offset that is missing."""
    raft = make()
    for offset, data in arrived:
        raft.step(chunk(offset, data, total=9), 0)
    work(raft)

    raft.step(chunk(4, b"ef", total=9), 0)
    (ready,) = work(raft)

    assert ready.chunks == ()
    assert ready.messages_after == (SnapshotReply("n2", "n1", 1, 9, expected),)


def test_a_new_term_starts_the_spool_anew():
    """Bytes of an earlier leader's snapshot are never mixed with those of a later one."""
    raft = make()
    raft.step(chunk(0, b"ab", total=9), 0)
    work(raft)

    raft.step(chunk(2, b"cd", total=9, term=2), 0)
    (ready,) = work(raft)

    assert ready.chunks == ()
    assert ready.messages_after == (SnapshotReply("n2", "n1", 2, 9, 0),)


def test_the_log_stands_still_while_a_snapshot_waits():
    """Between the last chunk and `advance` appends are ignored and no election begins."""
    raft = make()
    raft.step(chunk(0, b"abcd"), 0)

    raft.step(Append("n1", "n2", 1, 0, 0, 0, entries(1, 2)), 0)
    raft.wake(raft.deadline_ns)
    raft.campaign(raft.deadline_ns)

    assert [raft.last_index, raft.role] == [0, "follower"]
    assert raft.ready().install == META


def test_a_leader_that_compacted_without_a_snapshot_stops():
    """Compaction beyond the newest snapshot leaves a follower without help: that is said, not hidden."""
    raft = lead()
    acknowledged(raft)
    raft.compact(2)

    raft._progress["n2"].next = 2
    raft._progress["n2"].match = 0

    with pytest.raises(RaftInvariantBroken, match="compacted to 2, but of snapshots there is none"):
        raft._replicate_to(raft._progress["n2"])
