"""The sentences of the paper, one by one, each as a test (Ongaro & Ousterhout 2014, extended version).

Every docstring says in own words what the section demands and where it stands.
"""

import pytest
from raft_network import MS, Network

from cluster.raft.core import NotLeader, RaftInvariantBroken
from cluster.raft.messages import (
    Append,
    AppendReply,
    Entry,
    Heartbeat,
    HeartbeatReply,
    VoteReply,
    VoteRequest,
)


@pytest.fixture
def network():
    return Network(3)


def entry(index, term, data=b"x"):
    return Entry(index, term, data)


def append(term, prev_index, prev_term, *entries, commit=0, sender="n1", to="n2"):
    return Append(sender, to, term, prev_index, prev_term, commit, entries)


def vote(term, last_index, last_term, sender="n1", to="n2"):
    return VoteRequest(sender, to, term, False, last_index, last_term)


def answer(network, to="n1"):
    """The only message on the way to `to`."""
    (message,) = network.take(f">{to}")
    return message


def fill(network, name, *terms):
    """Give a follower a log with these terms, from a leader that is nobody here."""
    for index, term in enumerate(terms, start=1):
        previous = terms[index - 2] if index > 1 else 0
        sender = "n1" if name != "n1" else "n3"
        network[name].step(
            append(term, index - 1, previous, entry(index, term), sender=sender, to=name)
        )
    network.take()


# 5.1 Terms.


@pytest.mark.parametrize("role", ["follower", "pre_candidate", "candidate", "leader"])
def test_a_later_term_makes_a_follower_in_any_role(network, role):
    """Whoever sees a later term takes it over and becomes a follower. Reference: section 5.1."""
    if role == "pre_candidate":
        network.raft("n1").campaign(0)
    elif role == "candidate":
        network.raft("n1").campaign(0)
        network["n1"].work()
        network.deliver()
        network.deliver()
    elif role == "leader":
        network.elect("n1")
    assert network.raft("n1").role == role

    network["n1"].step(append(7, 0, 0, sender="n2", to="n1"))

    raft = network.raft("n1")
    assert (raft.role, raft.term, raft.leader, raft.vote) == ("follower", 7, "n2", "")


def test_a_message_of_an_earlier_term_changes_nothing(network):
    """A request with a stale term is rejected, and the answer names the present term. Reference: section 5.1."""
    network.elect("n1")
    network["n2"].step(append(5, 1, 1, sender="n3"))
    network.take()

    network["n2"].step(append(4, 1, 1, entry(2, 4)))

    assert answer(network) == AppendReply("n2", "n1", 5, False, 0, 0, 0)
    assert network.raft("n2").last_index == 1
    assert network.raft("n2").leader == "n3"


# 5.2 Leader election.


def test_a_peer_starts_as_a_follower_and_stays_one_while_it_hears_a_leader(network):
    """A server starts as follower and remains one as long as it hears from a leader. Reference: section 5.2."""
    assert network.raft("n2").role == "follower"

    for moment in range(0, 10_000, 900):
        network.now_ns = moment * MS
        network["n2"].step(Heartbeat("n1", "n2", 1, 0, 1))
        network["n2"].wake()

    assert network.raft("n2").role == "follower"
    assert network.raft("n2").term == 1


def test_a_leader_sends_heartbeats_at_their_interval(network):
    """The leader sends heartbeats to all followers, periodically. Reference: section 5.2."""
    network.elect("n1")

    network.now_ns += 99 * MS
    network["n1"].wake()
    early = network.take()
    network.now_ns += 1 * MS
    network["n1"].wake()

    assert early == []
    assert {message.to for message in network.take() if isinstance(message, Heartbeat)} == {
        "n2",
        "n3",
    }


def test_a_candidate_raises_its_term_votes_for_itself_and_asks_everybody(network):
    """To begin an election a server raises its term, votes for itself and asks all others. Reference: section 5.2."""
    network.now_ns = network.raft("n1").deadline_ns
    network["n1"].wake()
    network.deliver()
    network.deliver()

    raft = network.raft("n1")
    assert (raft.role, raft.term, raft.vote) == ("candidate", 1, "n1")
    assert network.take() == [vote(1, 0, 0), vote(1, 0, 0, to="n3")]


@pytest.mark.parametrize(
    ("size", "granted", "refused", "role"),
    [
        (1, 0, 0, "leader"),
        (3, 1, 0, "leader"),
        (3, 1, 1, "leader"),
        (3, 0, 1, "candidate"),
        (3, 0, 2, "follower"),
        (5, 1, 2, "candidate"),
        (5, 2, 2, "leader"),
        (5, 2, 0, "leader"),
        (5, 1, 3, "follower"),
        (5, 0, 0, "candidate"),
    ],
)
def test_a_majority_of_votes_decides(size, granted, refused, role):
    """A candidate leads with votes of a majority of the full cluster. Reference: section 5.2."""
    network = Network(size)
    raft = network.raft("n1")
    raft.campaign(0)
    network["n1"].work()
    network.deliver()
    network.deliver()
    network.take()

    answers = [True] * granted + [False] * refused
    for number, yes in enumerate(answers, start=2):
        network["n1"].step(VoteReply(f"n{number}", "n1", 1, False, yes))

    assert raft.role == role


def test_each_server_votes_once_in_a_term(network):
    """A server votes for at most one candidate in a term, first come first served. Reference: section 5.2."""
    network["n2"].step(vote(1, 0, 0, sender="n3"))
    first = answer(network, "n3")
    network["n2"].step(vote(1, 0, 0, sender="n1"))
    other = answer(network, "n1")
    network["n2"].step(vote(1, 0, 0, sender="n3"))
    repeated = answer(network, "n3")

    assert [first.granted, other.granted, repeated.granted] == [True, False, True]


def test_a_vote_outlives_a_crash(network):
    """Term and vote are on stable storage before a vote is answered. Reference: figure 2, persistent state."""
    network["n2"].step(vote(3, 0, 0, sender="n3"))
    network.take()
    network["n2"].crash()
    network["n2"].start()

    network["n2"].step(vote(3, 0, 0, sender="n1"))

    assert network.raft("n2").term == 3
    assert not answer(network, "n1").granted


def test_a_candidate_follows_a_leader_of_its_own_term(network):
    """A candidate that hears a leader of a term not below its own becomes a follower. Reference: section 5.2."""
    network.raft("n1").campaign(0)
    network["n1"].work()
    network.deliver()
    network.deliver()
    assert network.raft("n1").role == "candidate"

    network["n1"].step(append(1, 0, 0, sender="n3", to="n1"))

    assert network.raft("n1").role == "follower"
    assert network.raft("n1").leader == "n3"


def test_a_late_vote_of_an_earlier_election_does_not_count(network):
    """A candidate counts only votes of its own term and kind. Reference: section 5.2."""
    for _ in range(2):
        network.raft("n1").campaign(network.now_ns)
        network["n1"].work()
        network.deliver()
        network.deliver()
        network.take()
    raft = network.raft("n1")
    assert (raft.role, raft.term) == ("candidate", 2)

    network["n1"].step(VoteReply("n2", "n1", 1, False, True))
    network["n1"].step(VoteReply("n3", "n1", 2, True, True))

    assert raft.role == "candidate"


def test_election_waits_are_drawn_anew_and_stay_in_their_range():
    """Election timeouts are random within a fixed interval, so that votes rarely split. Reference: section 5.2."""
    draws = iter([0, 999 * MS, 500 * MS, 123 * MS] * 5)
    asked = []

    def below(_name):
        def draw(count):
            asked.append(count)
            return next(draws)

        return draw

    network = Network(2, below=below)
    waits = [network.raft(name).deadline_ns for name in ("n1", "n2")]
    network.raft("n1").campaign(0)
    again = network.raft("n1").deadline_ns

    assert waits == [1000 * MS, 1999 * MS]
    assert again == 1500 * MS
    assert set(asked) == {1000 * MS}


# 5.3 Log replication.


def test_a_leader_appends_and_sends_to_all(network):
    """The leader appends a command to its log and sends it to every other server. Reference: section 5.3."""
    network.elect("n1")

    place = network.propose("n1", b"command")

    assert place == [(2, 1)]
    wanted = entry(2, 1, b"command")
    assert [(message.to, message.entries) for message in network.take()] == [
        ("n2", (wanted,)),
        ("n3", (wanted,)),
    ]


def test_an_entry_is_committed_once_a_majority_has_it(network):
    """An entry is committed once its leader has replicated it on a majority. Reference: section 5.3."""
    network.elect("n1")
    network.propose("n1", b"command")
    before = network.raft("n1").commit

    network.deliver(">n3")
    network.deliver("n3>")

    assert before == 1
    assert network.raft("n1").commit == 2
    assert network["n1"].store[-1] == entry(2, 1, b"command")


def test_followers_learn_the_commit_index_from_later_messages(network):
    """The leader puts the highest committed index into future messages, and followers apply. Reference: section 5.3."""
    network.elect("n1")
    network.propose("n1", b"one")
    network.stabilize()
    unknown = network.raft("n2").commit

    network.propose("n1", b"two")
    network.stabilize()
    by_append = network.raft("n2").commit
    network.run(100 * MS)

    assert [unknown, by_append, network.raft("n2").commit] == [1, 2, 3]
    assert network["n2"].store == network["n1"].store


def test_a_follower_commits_no_further_than_what_was_checked(network):
    """A follower's commit is the lesser of the leader's and the last new entry. Reference: figure 2, AppendEntries 5."""
    fill(network, "n2", 1, 1, 1)
    raft = network.raft("n2")

    network["n2"].step(append(2, 1, 1, commit=3, sender="n3"))

    assert raft.last_index == 3
    assert raft.commit == 1


def test_a_commit_never_goes_back(network):
    """A new leader that knows less takes no commit back. Reference: figure 2, volatile state (monotone)."""
    fill(network, "n2", 1, 1)
    network["n2"].step(append(1, 2, 1, commit=2))

    network["n2"].step(append(2, 2, 1, commit=1, sender="n3"))
    network["n2"].step(Heartbeat("n3", "n2", 2, 0, 1))

    assert network.raft("n2").commit == 2


@pytest.mark.parametrize(
    ("prev_index", "prev_term", "ok"),
    [(0, 0, True), (1, 1, True), (2, 2, True), (2, 1, False), (1, 2, False), (3, 2, False)],
)
def test_an_append_is_refused_where_the_entry_before_does_not_match(
    network, prev_index, prev_term, ok
):
    """A follower refuses entries unless it holds the one before them, of the same term. Reference: section 5.3."""
    fill(network, "n2", 1, 2)

    network["n2"].step(append(3, prev_index, prev_term, sender="n3"))

    assert answer(network, "n3").ok is ok


@pytest.mark.parametrize(
    ("prev", "entries", "terms"),
    [
        ((2, 2), [(3, 3)], [1, 2, 3]),
        ((1, 1), [(2, 3), (3, 4)], [1, 3, 4]),
        ((0, 0), [(1, 1)], [1, 2]),
        ((0, 0), [(1, 3)], [3]),
        ((1, 1), [(2, 2), (3, 4)], [1, 2, 4]),
    ],
)
def test_a_conflicting_entry_and_all_behind_it_go(network, prev, entries, terms):
    """A conflicting entry is deleted with all that follow; what matches already stays. Reference: figure 2, AppendEntries 3-4."""
    fill(network, "n2", 1, 2)

    network["n2"].step(append(4, *prev, *[entry(*item) for item in entries], sender="n3"))

    assert network.terms("n2") == terms
    assert [held.term for held in network["n2"].synced_log] == terms


def test_a_repeated_old_append_does_not_shorten_the_log(network):
    """A delayed append that holds a prefix of the log leaves the rest alone. Reference: section 5.3, figure 2."""
    fill(network, "n2", 1, 1, 1)

    network["n2"].step(append(1, 0, 0, entry(1, 1)))

    assert network.raft("n2").last_index == 3
    assert answer(network) == AppendReply("n2", "n1", 1, True, 1, 0, 0)


FIGURE_7 = {
    "a": (1, 1, 1, 4, 4, 5, 5, 6, 6),
    "b": (1, 1, 1, 4),
    "c": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
    "d": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
    "e": (1, 1, 1, 4, 4, 4, 4),
    "f": (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
}


@pytest.mark.parametrize("case", FIGURE_7)
def test_a_leader_brings_any_follower_into_line(network, case):
    """The leader forces followers to duplicate its log, whatever they lack or have too much. Reference: figure 7."""
    leader_terms = (1, 1, 1, 4, 4, 5, 5, 6, 6, 6)
    fill(network, "n1", *leader_terms)
    fill(network, "n3", *leader_terms)
    fill(network, "n2", *FIGURE_7[case])
    network.safety.entries.clear()  # These logs were not made by elections.
    network["n3"].step(Heartbeat("n1", "n3", 7, 0, 1))
    network.now_ns = 2000 * MS
    network.elect("n3")

    network.run(300 * MS)

    assert network.raft("n3").role == "leader"
    assert network.terms("n2") == [*leader_terms, 8]


def test_a_leader_never_overwrites_its_own_entries(network):
    """A leader only appends; its own log is never cut while it leads. Reference: section 5.3, leader append-only."""
    network.elect("n1")
    network.propose("n1", b"one")

    with pytest.raises(RaftInvariantBroken, match="n1: n2 leads term 1 too"):
        network.raft("n1").step(append(1, 1, 1, entry(2, 1), sender="n2", to="n1"), 0)

    assert network.terms("n1") == [1, 1]


# 5.4 Safety.


@pytest.mark.parametrize(
    ("last_index", "last_term", "granted"),
    [(2, 2, True), (1, 3, True), (3, 2, True), (1, 2, False), (5, 1, False), (2, 1, False)],
)
def test_a_vote_needs_a_log_at_least_as_new(network, last_index, last_term, granted):
    """A voter denies its vote if its own log is newer: later last term, or same and longer. Reference: section 5.4.1."""
    fill(network, "n2", 1, 2)
    network.now_ns = 2000 * MS

    network["n2"].step(vote(4, last_index, last_term, sender="n3"))

    assert answer(network, "n3").granted is granted


def test_entries_of_earlier_terms_are_not_committed_by_counting(network):
    """Only entries of the leader's own term are committed by counting copies. Reference: section 5.4.2."""
    fill(network, "n1", 1)
    network.safety.entries.clear()
    network.safety.counted = lambda *_: None  # The answers below are made up: nobody holds a copy.
    network.now_ns = 2000 * MS
    network.raft("n1").campaign(network.now_ns)
    network["n1"].work()
    network.deliver()
    network.deliver()
    network.deliver()
    network.deliver()
    raft = network.raft("n1")
    network.take()
    assert raft.role == "leader"

    network["n1"].step(AppendReply("n2", "n1", raft.term, True, 1, 0, 0))
    network["n1"].step(AppendReply("n3", "n1", raft.term, True, 1, 0, 0))
    everywhere = raft.commit
    network["n1"].step(AppendReply("n2", "n1", raft.term, True, 2, 0, 0))

    assert [everywhere, raft.commit] == [0, 2]


# 5.5, 8 Crashes and clients.


def test_requests_are_idempotent(network):
    """A repeated request does no harm. Reference: section 5.5."""
    network.elect("n1")
    network.propose("n1", b"one")
    for message in network.take(">n2"):
        network["n2"].step(message)
        network["n2"].step(message)
    network.stabilize()
    network.run(100 * MS)

    assert network["n2"].store == network["n1"].store


def test_clients_are_sent_to_the_leader(network):
    """A server that does not lead names the leader it last heard of. Reference: section 8."""
    with pytest.raises(NotLeader, match="try another node") as unknown:
        network.raft("n2").propose(b"x", 0)
    network.elect("n1")
    with pytest.raises(NotLeader, match="try n1") as known:
        network.raft("n2").propose(b"x", 0)

    assert [unknown.value.leader, known.value.leader] == ["", "n1"]


def test_a_new_leader_commits_an_empty_entry_first(network):
    """A leader commits a blank entry at the start of its term. Reference: section 8."""
    raft = network.elect("n1")

    assert list(raft.slice(1, 1)) == [entry(1, 1, b"")]
    assert raft.commit == 1


def test_reads_wait_for_a_heartbeat_round(network):
    """Before it answers a read a leader exchanges heartbeats with a majority. Reference: section 8."""
    network.elect("n1")

    network["n1"].read(7)
    asked = network.take()
    before = list(network["n1"].reads)
    network["n1"].step(HeartbeatReply("n2", "n1", 1, asked[0].read))

    assert before == [7]
    assert network["n1"].reads == {}
    assert network.events[-1] == "n1 may answer read 7 at 1"


# Thesis 6.2, 9.6: disruptive servers.


def test_a_vote_is_refused_while_a_leader_is_heard(network):
    """A request within the minimum election timeout of hearing a leader changes no term. Reference: thesis 4.2.3."""
    network["n2"].step(Heartbeat("n1", "n2", 1, 0, 1))
    network.take()

    network.now_ns = 999 * MS
    network["n2"].step(vote(5, 9, 4, sender="n3"))
    early = network.take()
    network.now_ns = 1000 * MS
    network["n2"].step(vote(5, 9, 4, sender="n3"))

    assert early == []
    assert answer(network, "n3").granted


def test_a_pre_vote_changes_nothing_in_the_voter(network):
    """A pre-vote moves no term, no vote and no timer. Reference: thesis 9.6."""
    deadline_ns = network.raft("n2").deadline_ns
    network.now_ns = 500 * MS

    network["n2"].step(VoteRequest("n3", "n2", 4, True, 0, 0))

    raft = network.raft("n2")
    assert answer(network, "n3") == VoteReply("n2", "n3", 4, True, True)
    assert (raft.term, raft.vote, raft.deadline_ns) == (0, "", deadline_ns)


def test_a_leader_without_contact_to_a_majority_steps_down():
    """A leader steps down when an election timeout passes without a majority answering. Reference: thesis 6.2."""
    network = Network(5)
    raft = network.elect("n1")
    for moment, names in [(400, ("n2", "n3")), (600, ("n4",))]:
        network.now_ns = moment * MS
        network["n1"].wake()
        for name in names:
            network["n1"].step(HeartbeatReply(name, "n1", 1, 1))

    network.now_ns = 1399 * MS
    network["n1"].wake()
    before = raft.role
    network.now_ns = 1400 * MS
    network["n1"].wake()

    assert [before, raft.role, raft.leader, raft.term] == ["leader", "follower", "", 1]
