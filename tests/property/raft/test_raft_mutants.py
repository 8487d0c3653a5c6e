"""Whether the random network can convict: each planted bug is one small override and must be found.

This is a test of the tests. The bugs are those of the public catalogue that live in the core.
"""

import random

import pytest
from raft_chaos import Chaos

from cluster.raft.core import Raft
from cluster.raft.messages import AppendReply, VoteReply

SEEDS = 3000
ACTS = 600


class CommitsByCount(Raft):
    """Figure 8: an entry of an earlier term is committed by counting copies."""

    def _may_commit(self, index):
        return index > self.commit


class CommitsOnOneAck(Raft):
    """One acknowledgement is taken for a majority."""

    def _quorum_commit_index(self):
        return max(
            [progress.match for progress in self._progress.values()], default=self.log.stable
        )


class ForgetsItsVote(Raft):
    """The vote does not outlive a restart."""

    def _restore(self, restored):
        super()._restore(restored)
        self.vote = ""


class AcknowledgesBeforeTheDisk(Raft):
    """A follower acknowledges what a power loss can still take."""

    def _promise(self, message):
        (self._say if isinstance(message, AppendReply) else self._after.append)(message)


class VotesBeforeTheDisk(Raft):
    """A vote is answered before it is durable."""

    def _promise(self, message):
        (self._say if isinstance(message, VoteReply) else self._after.append)(message)


class VotesForAnyLog(Raft):
    """A vote asks nothing of the log of the candidate."""

    def _is_up_to_date(self, message):
        return True


class VotesTwice(Raft):
    """A vote can be given to several in one term."""

    def _has_free_vote(self, message):
        return True


class CountsLateVotes(Raft):
    """Votes of an earlier election, and pre-votes, count."""

    def _counts(self, message):
        return self.role in ("pre_candidate", "candidate")


class ReadsWithoutAsking(Raft):
    """A leader believes that it still leads."""

    def _start_round(self):
        reads, self._reads_new = self._reads_new, []
        self._answer_reads(reads, self.commit)


class ReadsBeforeItsFirstCommit(Raft):
    """A new leader believes that it knows the newest commit."""

    def _may_read(self):
        return True


class TakesCommitsBack(Raft):
    """The commit index follows every message."""

    def _take_commit(self, index):
        self.commit = min(index, self.log.last_index) or self.commit


class TruncatesOnEveryAppend(Raft):
    """A late append cuts what came after it."""

    def _take_entries(self, entries, sender):
        if entries[0].index <= self.log.last_index:
            self.log.cut(entries[0].index)
        self.log.extend(entries)


class SkipsThePreviousEntry(Raft):
    """An append is accepted whatever stands before it."""

    def _append_outcome(self, message):
        previous = message.prev_index
        if self.commit <= previous <= self.log.last_index:
            self.log.cut(previous + 1)
            self.log.extend(message.entries)
            last = previous + len(message.entries)
            self._take_commit(min(message.commit, last))
            return AppendReply(self.id, message.sender, self.term, True, last, 0, 0)
        return super()._append_outcome(message)


class NeverNoticesLoss(Raft):
    """A lost append is never sent again."""

    def _on_heartbeat_reply(self, message, now_ns):
        progress = self._progress.get(message.sender)
        if progress is not None:
            progress.overdue_round = 0
        super()._on_heartbeat_reply(message, now_ns)


class NeverSyncsItsTerm(Raft):
    """Only entries are fsynced."""

    def _must_sync(self, entries, hard_state):
        return bool(entries)


MUTANTS = [
    CommitsByCount,
    CommitsOnOneAck,
    ForgetsItsVote,
    AcknowledgesBeforeTheDisk,
    VotesBeforeTheDisk,
    VotesForAnyLog,
    VotesTwice,
    CountsLateVotes,
    ReadsWithoutAsking,
    ReadsBeforeItsFirstCommit,
    TakesCommitsBack,
    TruncatesOnEveryAppend,
    SkipsThePreviousEntry,
    NeverNoticesLoss,
    NeverSyncsItsTerm,
]


def convicting_seed(mutant):
    for seed in range(SEEDS):
        draw = random.Random(seed).randrange
        chaos = Chaos(3 + 2 * (seed % 2), draw, mutant)
        try:
            for _ in range(ACTS):
                chaos.act()
            chaos.recover()
        except Exception as error:  # noqa: BLE001 - the verdict is that anything at all was noticed
            return seed, error
    return None


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_convicts(mutant):
    """A raft with one decision wrong does not survive the random network."""
    assert convicting_seed(mutant) is not None
