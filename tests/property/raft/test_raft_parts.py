"""The parts of the core against naive versions that are too simple to be wrong."""

from hypothesis import given
from hypothesis import strategies as st

from cluster.raft.log import NO_TERM, Log
from cluster.raft.messages import Entry
from cluster.raft.progress import Progress
from cluster.raft.quorum import majority_value, vote_result

VOTERS = tuple(f"n{number}" for number in range(1, 8))


@given(st.lists(st.integers(0, 20), min_size=1, max_size=9))
def test_majority_value(values):
    """The result is the largest value that more than half have reached."""
    naive = max(
        value for value in values if sum(other >= value for other in values) > len(values) / 2
    )

    assert majority_value(values) == naive


@given(
    st.integers(1, 7),
    st.dictionaries(st.sampled_from([*VOTERS, "stranger"]), st.booleans()),
)
def test_vote_result(size, votes):
    """An election is won or lost exactly when no answer still missing can change it."""
    voters = VOTERS[:size]
    missing = [name for name in voters if name not in votes]
    yes = sum(votes.get(name, False) for name in voters)
    wins = {yes + more > size / 2 for more in range(len(missing) + 1)}
    naive = {(True,): "won", (False,): "lost"}.get(tuple(wins), "pending")

    assert vote_result(voters, votes) == naive


TERM_STEPS = st.lists(st.integers(0, 2), max_size=12)


def build(first, term, steps):
    made = []
    for position, step in enumerate(steps):
        term += step
        made.append(Entry(first + position, term, b"x" * (step + position % 3)))
    return made


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("extend"), TERM_STEPS),
        st.tuples(st.just("cut"), st.integers(0, 30)),
        st.tuples(st.just("compact"), st.integers(0, 30)),
        st.tuples(st.just("offer"), st.just(0)),
        st.tuples(st.just("stable"), st.integers(0, 30)),
        st.tuples(st.just("restart"), st.integers(1, 5)),
    ),
    max_size=12,
)


class NaiveLog:
    """A dict from index to term, and the entries beside it."""

    def __init__(self):
        self.offset = self.last = 0
        self.terms = {0: 0}
        self.entries = {}

    def apply(self, log, name, argument):
        if name == "extend":
            added = build(self.last + 1, self.terms[self.last], argument)
            log.extend(added)
            for entry in added:
                self.terms[entry.index] = entry.term
                self.entries[entry.index] = entry
            self.last += len(added)
        elif name == "cut" and self.offset < argument <= self.last:
            log.cut(argument)
            self._forget(range(argument, self.last + 1))
            self.last = argument - 1
        elif name == "compact" and self.offset < argument <= self.last:
            log.compact(argument)
            self._forget(range(self.offset, argument))
            self.entries.pop(argument, None)
            self.offset = argument
            log.offered = max(
                log.offered, argument
            )  # Only what is applied, so stable, is compacted.
            log.stable = max(log.stable, argument)
        elif name == "offer":
            log.offered = log.last_index
        elif name == "stable" and self.offset < argument <= log.offered:
            log.stable_to(argument, self.terms[argument])
        elif name == "restart":
            index, term = self.last + argument, self.terms[self.last] + argument
            log.restart(index, term)
            self.offset = self.last = index
            self.terms = {index: term}
            self.entries = {}

    def _forget(self, indexes):
        for index in indexes:
            self.terms.pop(index, None)
            self.entries.pop(index, None)


@given(OPERATIONS, st.integers(0, 35), st.integers(0, 35), st.integers(0, 12), st.integers(0, 9))
def test_log(operations, first, last, bytes_max, term):
    """After any operations every look-up answers as a plain dict of the same entries would."""
    log = Log(0, 0, ())
    naive = NaiveLog()
    for name, argument in operations:
        naive.apply(log, name, argument)

        assert log.offset <= log.stable <= log.offered <= log.last_index

    assert (log.offset, log.last_index) == (naive.offset, naive.last)
    assert (log.offset_term, log.last_term) == (naive.terms[naive.offset], naive.terms[naive.last])
    assert log.first_index == naive.offset + 1
    for index in range(40):
        assert log.term_at(index) == naive.terms.get(index, NO_TERM)
    if naive.offset < first <= last <= naive.last:
        wanted = [naive.entries[index] for index in range(first, last + 1)]
        taken = list(log.take(first, last, bytes_max))
        assert log.slice(first, last) == wanted
        assert taken == wanted[: len(taken)]
        fits = [
            count
            for count in range(1, len(wanted) + 1)
            if count == 1 or sum(len(entry.data) for entry in wanted[:count]) <= bytes_max
        ]
        assert len(taken) == max(fits)
    if first >= naive.offset:
        places = [index for index in naive.terms if index <= first and naive.terms[index] <= term]
        found, _ = log.last_agreement(first, term)
        assert found == max([*places, naive.offset])


@given(
    TERM_STEPS.filter(bool),
    TERM_STEPS.filter(bool),
    st.integers(0, 12),
)
def test_conflict_hints_never_skip_an_agreement(common, other, cut):
    """However two logs part, the place that both hints lead to is not before their last agreement."""
    leader = Log(0, 0, build(1, 0, common))
    kept = build(1, 0, common)[: min(cut, len(common))]
    # The follower went its own way with terms that the leader never had behind the common part.
    start = (kept[-1].term if kept else 0) + 100
    follower = Log(0, 0, [*kept, *build(len(kept) + 1, start, other)])
    previous = leader.last_index

    hint_index, hint_term = follower.last_agreement(previous, leader.last_term)
    agreement, _ = leader.last_agreement(hint_index, hint_term)

    assert agreement >= len(kept) or agreement == hint_index
    assert agreement <= previous


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("sent"), st.integers(1, 3)),
            st.tuples(st.just("acknowledge"), st.integers(0, 30)),
            st.tuples(st.just("reject"), st.integers(0, 30)),
            st.tuples(st.just("heartbeat"), st.just(0)),
            st.tuples(st.just("reply"), st.integers(0, 3)),
        ),
        max_size=40,
    )
)
def test_progress(events):
    """Whatever answers come, ``match < next``, `match` never falls, and the window holds only what is unanswered."""
    progress = Progress("n2", 5, 0)
    sent = round_number = match = 0
    for name, argument in events:
        if name == "sent":
            if progress.state == "replicate":
                progress.next += argument
                progress.window.append(progress.next - 1)
            sent = max(sent, progress.next - 1)
        elif name == "acknowledge":
            if argument <= sent:
                progress.acknowledge(argument)
                if progress.state == "probe":
                    progress.replicate()
        elif name == "reject":
            progress.reject(argument, argument - 1)
        elif name == "heartbeat":
            round_number += 1
            progress.note_heartbeat(round_number)
        elif progress.take_overdue(max(0, round_number - argument)):
            progress.retry()

        assert match <= progress.match < progress.next
        assert all(index > progress.match for index in progress.window)
        assert list(progress.window) == sorted(progress.window)
        assert 0 <= progress.overdue_round <= round_number
        match = progress.match
