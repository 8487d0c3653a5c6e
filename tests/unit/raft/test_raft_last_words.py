"""The last words of a leader that halts: what followers can still use of them."""

from raft_peers import acknowledged, entries, lead, make, restored, work

from cluster.raft.messages import Append, AppendReply, HardState


def test_news_behind_the_commit_index_is_taken_in():
    """A follower takes in what an append holds beyond what it knows to be committed, and learns what is committed now."""
    raft = make(disk=restored(HardState(1, "", 2), entries=entries(1, 2), applied=2))

    raft.step(Append("n1", "n2", 1, 0, 0, 3, entries(1, 3)), 0)
    ready = raft.ready()

    assert ready.entries == entries(3, 3)
    assert ready.committed == entries(3, 3)
    assert ready.messages_after == (AppendReply("n2", "n1", 1, True, 3, 0, 0),)


def test_last_words_reach_a_follower_whose_acknowledgements_are_under_way():
    """A leader that halts knows less of a follower than is true; what it says last commits there all the same."""
    leader, follower = lead(), make("n2", ("n1", "n2"))
    follower.step(Append("n1", "n2", 1, 0, 0, 1, tuple(leader.slice(1, 1))), 0)
    for data in (b"a", b"b"):
        leader.propose(data, 0)
        for ready in work(leader):
            for message in ready.messages_now:
                follower.step(message, 0)
    work(follower)
    leader.step(AppendReply("n2", "n1", 1, True, 2, 0, 0), 0)
    leader._take_commit(3)
    follower._take_commit(2)

    (word,) = leader.last_words()
    follower.step(word, 0)

    assert (word.prev_index, follower.commit) == (2, 3)


def test_last_words_to_a_follower_that_never_answered_begin_where_the_log_begins():
    """Compaction may have eaten what would prove agreement; whoever holds the rest of the log can still use them."""
    raft = lead()
    acknowledged(raft)
    raft.compact(1)
    raft._progress["n2"].match = 0

    (word,) = raft.last_words()

    assert (word.prev_index, word.prev_term, [entry.index for entry in word.entries]) == (1, 1, [2])
