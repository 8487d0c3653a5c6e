"""Seeded bugs of the consensus core: mistakes that real Rafts have made, each a small override of one decision.

Everything here is wrong on purpose, and each has been found by the default scenario of ``register`` or
``set``. ``R-A`` and ``R-D`` are historical: the source names a system that shipped the mistake. ``R-P``
leave a rule of the paper out. `BUGS` says what a run needs to meet each one.
"""

from __future__ import annotations

from cluster.bugs.bug import Way, bug_of
from cluster.raft.core import Raft
from cluster.raft.messages import (
    Append,
    AppendReply,
    Entry,
    Message,
    VoteReply,
    VoteRequest,
)

__all__ = ["BUGS"]


class AppendBeforeSync(Raft):
    """R-A4: entries are acknowledged before they are fsynced (NATS 2.12.1, lazy fsync)."""

    def _promise(self, message: Message) -> None:
        if isinstance(message, AppendReply):
            self._say(message)
        else:
            super()._promise(message)


class PreviousNotChecked(Raft):
    """R-P3: an append is taken in whatever stands before it (the consistency check of paper section 5.3 left out)."""

    def _append_outcome(self, message: Append) -> AppendReply:
        previous = message.prev_index
        if not self.commit <= previous <= self.log.last_index:
            return super()._append_outcome(message)
        self.log.cut(previous + 1)
        self.log.extend(message.entries)
        last = previous + len(message.entries)
        self._take_commit(min(message.commit, last))
        return AppendReply(self.id, message.sender, self.term, True, last, 0, 0)


class LateAppendTruncates(Raft):
    """R-P4: a late append cuts off what came after it, conflict or not (paper figure 2, rule 3; compare redisraft #53)."""

    def _take_entries(self, entries: tuple[Entry, ...], sender: str) -> None:
        if entries[0].index <= self.log.last_index:
            self.log.cut(entries[0].index)
        self.log.extend(entries)


class CommitOnOneAcknowledgement(Raft):
    """R-P5: one acknowledgement is taken for a majority (the wrong index of the sorted matches)."""

    def _quorum_commit_index(self) -> int:
        matches = [progress.match for progress in self._progress.values()]
        return max(matches, default=self.log.stable)


class VotesTwice(Raft):
    """R-P2: a vote is given to several candidates of one term (paper section 5.2 left out; compare DaosRaft PR #70)."""

    def _has_free_vote(self, message: VoteRequest) -> bool:
        return True


class LateVotesCount(Raft):
    """R-D9: votes of an earlier election are counted in the present one (Xraft #33)."""

    def _counts(self, message: VoteReply) -> bool:
        return self.role in ("pre_candidate", "candidate")


class VotesForAnyLog(Raft):
    """R-P1: a vote asks nothing of the candidate's log (paper section 5.4.1 left out)."""

    def _is_up_to_date(self, message: VoteRequest) -> bool:
        return True


class ReadBeforeFirstCommit(Raft):
    """R-D14: a new leader answers reads before its no-op is committed (redisraft PR #22)."""

    def _may_read(self) -> bool:
        return True


BUGS = (
    bug_of(
        AppendBeforeSync,
        shows="power losses of a majority right after acknowledgements",
        caught_by=("raft", "durability", "set"),
        way=Way(workload="set", seeds=80),
        raft=AppendBeforeSync,
    ),
    bug_of(
        VotesForAnyLog,
        shows="an election after entries that some nodes missed",
        caught_by=("raft", "set"),
        way=Way(workload="set", seeds=80),
        raft=VotesForAnyLog,
    ),
    bug_of(
        PreviousNotChecked,
        shows="a follower whose log differs from its leader's",
        caught_by=("raft", "errors", "set"),
        way=Way(workload="set", seeds=80),
        raft=PreviousNotChecked,
    ),
    bug_of(
        LateAppendTruncates,
        shows="appends that overtake each other",
        caught_by=("raft", "errors"),
        way=Way(workload="set", seeds=80),
        raft=LateAppendTruncates,
    ),
    bug_of(
        CommitOnOneAcknowledgement,
        shows="the loss of the two nodes that hold an entry",
        caught_by=("raft",),
        way=Way(workload="set", seeds=80),
        raft=CommitOnOneAcknowledgement,
    ),
    bug_of(
        VotesTwice,
        shows="two candidates in one term",
        caught_by=("raft", "errors"),
        way=Way(workload="set", seeds=80),
        raft=VotesTwice,
    ),
    bug_of(
        LateVotesCount,
        shows="late votes of an election that was given up",
        caught_by=("raft", "errors"),
        way=Way(workload="set", seeds=80),
        raft=LateVotesCount,
    ),
    bug_of(
        ReadBeforeFirstCommit,
        shows="a read right after a change of leader",
        caught_by=("linearizable",),
        way=Way(workload="register", seeds=80),
        raft=ReadBeforeFirstCommit,
    ),
)
