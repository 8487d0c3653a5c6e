"""The edge of the core: the order of a Ready, what is durable when, misuse, restarts, limits, reads."""

import pytest
from raft_peers import VOTERS, acknowledged, entries, lead, make, restored, work

from cluster.raft.core import (
    COMMITTED_BYTES_MAX,
    COMMITTED_ENTRIES_MAX,
    NotInLog,
    RaftInvariantBroken,
    RaftMisused,
    TooManyInFlight,
)
from cluster.raft.messages import (
    Append,
    AppendReply,
    Entry,
    HardState,
    Heartbeat,
    HeartbeatReply,
    ReadReply,
    SnapshotMeta,
    VoteRequest,
)
from cluster.raft.read_index import READS_HELD_MAX
from cluster.raft.ready import ReadState

# What a Ready holds.


def test_a_new_peer_has_nothing_to_do():
    """Without messages, time or requests there is no work, and an early wake makes none."""
    raft = make()

    raft.wake(raft.deadline_ns - 1)

    assert not raft.has_ready()


def test_a_vote_is_synced_before_it_is_sent():
    """Term and vote are in the Ready to be fsynced, the answer among the messages that follow it."""
    raft = make()

    raft.step(VoteRequest("n1", "n2", 1, False, 0, 0), 0)
    ready = raft.ready()

    assert ready.messages_now == ()
    assert ready.hard_state == HardState(1, "n1", 0)
    assert ready.must_sync
    assert [message.granted for message in ready.messages_after] == [True]


def test_an_acknowledgement_follows_the_fsync():
    """A follower's answer to an append leaves after its entries are written and synced."""
    raft = make()
    raft.step(Append("n1", "n2", 1, 0, 0, 0, entries(1, 2)), 0)

    ready = raft.ready()

    assert ready.entries == entries(1, 2)
    assert ready.must_sync
    assert ready.messages_now == ()
    assert ready.messages_after == (AppendReply("n2", "n1", 1, True, 2, 0, 0),)


def test_a_leader_sends_before_its_own_disk_and_counts_itself_after():
    """Appends leave at once, but a leader's own copy counts only once `advance` says that it is durable."""
    raft = lead()
    index, term = raft.propose(b"x", 0)
    ready = raft.ready()
    assert [type(message) for message in ready.messages_now] == [Append]

    raft.step(AppendReply("n2", "n1", term, True, index, 0, 0), 0)
    before = raft.commit
    raft.advance(ready, 0)

    assert [before, raft.commit] == [index - 1, index]


def test_a_single_node_commits_after_its_fsync_only():
    """With one voter nothing is committed or handed out before the entries are on its disk."""
    raft = make("n1", ("n1",))
    raft.wake(raft.deadline_ns)

    first = raft.ready()
    raft.advance(first, 0)
    second = raft.ready()

    assert [entry.index for entry in first.entries] == [1]
    assert first.committed == ()
    assert [entry.index for entry in second.committed] == [1]


def test_a_commit_index_alone_writes_nothing():
    """A hard state that differs in the commit index only waits for the next entries."""
    raft = make()
    raft.step(Append("n1", "n2", 1, 0, 0, 0, entries(1, 1)), 0)
    work(raft)

    raft.step(Heartbeat("n1", "n2", 1, 1, 1), 0)
    quiet = raft.ready()
    raft.advance(quiet, 0)
    raft.step(Append("n1", "n2", 1, 1, 1, 1, entries(2, 2)), 0)
    busy = raft.ready()

    assert (quiet.hard_state, quiet.must_sync) == (None, False)
    assert raft.hard_state() == HardState(1, "", 1)
    assert busy.hard_state == HardState(1, "", 1)


def test_committed_entries_come_in_bounded_batches():
    """One Ready hands out at most so many entries and bytes; a larger single entry comes alone."""
    big = COMMITTED_BYTES_MAX + 1
    many = (*entries(1, COMMITTED_ENTRIES_MAX + 1), *entries(1026, 1026, size=big))
    log = (*many, *entries(1027, 1028))
    raft = make(disk=restored(HardState(1, "", 1028), entries=log))

    batches = [[entry.index for entry in ready.committed] for ready in work(raft)]

    assert [len(batch) for batch in batches] == [1024, 1, 1, 2]
    assert [index for batch in batches for index in batch] == list(range(1, 1029))


def test_messages_may_be_stepped_while_a_ready_is_under_way():
    """A conflict that arrives before `advance` does not make the overwritten entries stable."""
    raft = make()
    raft.step(Append("n1", "n2", 1, 0, 0, 0, entries(1, 3)), 0)
    ready = raft.ready()

    raft.step(Append("n3", "n2", 2, 1, 1, 0, entries(2, 2, term=2)), 0)
    raft.advance(ready, 0)

    assert raft.log.stable < 2
    assert raft.ready().entries == entries(2, 2, term=2)


# Misuse.


def test_a_second_ready_needs_an_advance():
    """Two Readys at a time would lose the order that makes them safe."""
    raft = make()
    raft.campaign(0)
    ready = raft.ready()

    with pytest.raises(RaftMisused, match="before advance"):
        raft.ready()
    raft.advance(ready, 0)
    with pytest.raises(RaftMisused, match="another Ready"):
        raft.advance(ready, 0)


def test_nothing_is_applied_or_compacted_ahead():
    """The node cannot have applied what was not handed out, nor compact what it has not applied."""
    raft = lead()

    with pytest.raises(RaftMisused, match="applied 2, only 1"):
        raft.applied_to(2)
    with pytest.raises(RaftMisused, match="compact to 2, applied is 1"):
        raft.compact(2)


def test_a_peer_must_be_a_voter():
    """A configuration without the peer itself is refused."""
    with pytest.raises(ValueError, match="'n9' is not among"):
        make("n9")


def test_what_is_not_in_the_log_is_an_error():
    """Terms and entries outside the log are refused by name; the last compacted term is still known."""
    raft = make(disk=restored(HardState(1, "", 3), entries=entries(1, 5)))
    work(raft)
    raft.compact(2)
    raft.compact(1)

    assert [raft.first_index, raft.last_index, raft.last_term] == [3, 5, 1]
    assert raft.term_of(2) == 1
    assert list(raft.slice(3, 5)) == list(entries(3, 5))
    for index in (1, 6):
        with pytest.raises(NotInLog):
            raft.term_of(index)
    with pytest.raises(NotInLog):
        raft.slice(2, 3)
    with pytest.raises(NotInLog):
        raft.slice(3, 6)


# Restarts.


def test_a_restart_hands_out_what_is_committed_and_not_applied():
    """The first Ready of a restart replays from behind the applied index to the known commit index."""
    raft = make(disk=restored(HardState(2, "n1", 4), entries=entries(1, 5), applied=2))

    (ready,) = work(raft)

    assert [raft.role, raft.term, raft.vote, raft.leader] == ["follower", 2, "n1", ""]
    assert [entry.index for entry in ready.committed] == [3, 4]
    assert ready.hard_state is None


def test_a_store_ahead_of_the_commit_hint_is_normal():
    """After a power loss the hint may lag behind the synced store; the store proves the commit."""
    raft = make(disk=restored(HardState(1, "", 1), entries=entries(1, 5), applied=4))

    assert raft.commit == 4
    assert not raft.has_ready()


@pytest.mark.parametrize(
    ("disk", "message"),
    [
        (restored(HardState(1, "", 9), entries=entries(1, 5)), "log ends before commit: 5 < 9"),
        (restored(HardState(1, "", 0), applied=3), "log ends before commit: 0 < 3"),
        (restored(HardState(1, "", 0), entries=entries(2, 3)), "gap"),
        (
            restored(HardState(1, "", 0), entries=(Entry(1, 2, b""), Entry(2, 1, b""))),
            "gap",
        ),
        (
            restored(HardState(1, "", 5), SnapshotMeta(5, 1, VOTERS), entries(6, 7), applied=4),
            "the store is at 4, before the snapshot at 5",
        ),
        (restored(HardState(1, "", 0), entries=entries(1, 2, term=3)), "the disk lost a term"),
    ],
)
def test_a_disk_that_contradicts_itself_is_refused(disk, message):
    """A peer does not start from a disk that lost something it had acknowledged."""
    with pytest.raises(RaftInvariantBroken, match=message) as refusal:
        make(disk=disk)

    assert refusal.value.peer == "n2"


# Invariants that others break.


def test_a_conflict_below_the_commit_index_stops_the_peer():
    """A leader that replaces a committed entry proves that consensus is broken."""
    raft = make()
    raft.step(Append("n1", "n2", 1, 0, 0, 2, entries(1, 2)), 0)

    with pytest.raises(RaftInvariantBroken, match="n3 replaces entry 2 of term 1 by one of term 2"):
        raft.step(Append("n3", "n2", 2, 1, 1, 2, entries(2, 3, term=2)), 0)


def test_a_commit_index_beyond_the_log_stops_the_peer():
    """A leader that knows this peer to hold more than it does proves that its disk forgot."""
    raft = make()

    with pytest.raises(RaftInvariantBroken, match="n1 says 5 is committed, the log ends at 0"):
        raft.step(Heartbeat("n1", "n2", 1, 5, 1), 0)


def test_an_acknowledgement_beyond_the_log_stops_the_leader():
    """Nobody can hold what its leader does not."""
    raft = lead()

    with pytest.raises(RaftInvariantBroken, match="n2 acknowledged 7, the log ends at 1"):
        raft.step(AppendReply("n2", "n1", 1, True, 7, 0, 0), 0)


def test_two_leaders_of_a_term_stop_the_peer_that_sees_both():
    """A follower that hears two leaders in one term names them."""
    raft = make()
    raft.step(Heartbeat("n1", "n2", 1, 0, 1), 0)

    with pytest.raises(RaftInvariantBroken, match="n3 and n1 both lead term 1"):
        raft.step(Heartbeat("n3", "n2", 1, 0, 1), 0)


# Limits.


def test_a_leader_refuses_proposals_at_its_limit():
    """The proposal at the limit is taken, the next one has no effect; a commit makes room."""
    raft = lead(proposals_in_flight_max=2)
    raft.propose(b"a", 0)
    raft.propose(b"b", 0)

    with pytest.raises(TooManyInFlight):
        raft.propose(b"c", 0)
    assert raft.last_index == 3
    work(raft)
    raft.step(AppendReply("n2", "n1", 1, True, 2, 0, 0), 0)

    assert raft.propose(b"c", 0) == (4, 1)


def test_the_window_bounds_what_is_under_way():
    """A follower that answers nothing gets no more than the window's appends; each answer frees one."""
    raft = lead(appends_in_flight_max=3)
    sent = []
    for _ in range(5):
        raft.propose(b"x", 0)
        sent += [ready.messages_now for ready in work(raft) if ready.messages_now]
    assert len(sent) == 3

    raft.step(AppendReply("n2", "n1", 1, True, 2, 0, 0), 0)
    (ready, *_) = work(raft)

    assert [[entry.index for entry in message.entries] for message in ready.messages_now] == [
        [5, 6]
    ]


def test_a_stale_rejection_changes_nothing():
    """A rejection of what was acknowledged since is an old message."""
    raft = lead()
    acknowledged(raft)

    raft.step(AppendReply("n2", "n1", 1, False, 1, 0, 0), 0)

    assert not raft.has_ready()


def test_held_reads_are_bounded():
    """At its limit a leader turns reads away instead of holding them."""
    raft = make("n1")
    raft.campaign(0)
    raft._become_candidate(0)
    raft._become_leader(0)
    work(raft)

    for request in range(READS_HELD_MAX + 2):
        raft.read(request, 0)
    (ready,) = work(raft)

    assert ready.lost_reads == (READS_HELD_MAX, READS_HELD_MAX + 1)


def test_a_read_given_up_makes_room_for_another():
    """Requests or answers that were lost on the way do not use up a follower's places for ever."""
    raft = make("n2")
    raft.step(Heartbeat("n1", "n2", 1, 0, 1), 0)
    work(raft)
    for request in range(READS_HELD_MAX):
        raft.read(request, 0)
    work(raft)

    raft.give_up_read(0)
    for request in (READS_HELD_MAX, READS_HELD_MAX + 1):
        raft.read(request, 0)
    (ready,) = work(raft)

    assert [message.request for message in ready.messages_now] == [READS_HELD_MAX]
    assert ready.lost_reads == (READS_HELD_MAX + 1,)


# Reads.


def test_reads_between_two_readies_share_one_round():
    """Any number of reads costs one heartbeat to each follower."""
    raft = lead()
    for request in range(10):
        raft.read(request, 0)
    (ready,) = work(raft)
    (beat,) = ready.messages_now

    raft.step(HeartbeatReply("n2", "n1", 1, beat.read), 0)
    (answered,) = work(raft)

    assert answered.reads == tuple(ReadState(request, 1) for request in range(10))


def test_an_older_heartbeat_confirms_no_read():
    """Only an answer to a heartbeat that was sent after the read began counts for it."""
    raft = lead()
    raft.wake(raft.deadline_ns)
    (before,) = work(raft)
    raft.read(1, 0)
    work(raft)

    raft.step(HeartbeatReply("n2", "n1", 1, before.messages_now[0].read), 0)

    assert not raft.has_ready()


def test_a_single_node_answers_reads_at_once():
    """With one voter there is nobody to ask."""
    raft = make("n1", ("n1",))
    raft.wake(raft.deadline_ns)
    work(raft)

    raft.read(5, 0)

    assert [ready.reads for ready in work(raft)] == [(ReadState(5, 1),)]


def test_an_answer_to_nobody_is_ignored():
    """A repeated answer, or one to an earlier life, answers nothing."""
    raft = make()
    raft.step(Heartbeat("n1", "n2", 1, 0, 1), 0)
    raft.read(5, 0)
    work(raft)
    raft.step(ReadReply("n1", "n2", 1, 5, 3), 0)
    answered = work(raft)

    raft.step(ReadReply("n1", "n2", 1, 5, 3), 0)
    raft.step(ReadReply("n1", "n2", 1, 4, 3), 0)

    assert [ready.reads for ready in answered] == [(ReadState(5, 3),)]
    assert not raft.has_ready()
