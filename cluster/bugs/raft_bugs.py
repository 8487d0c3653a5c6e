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
    HardState,
    Message,
    VoteReply,
    VoteRequest,
)
from cluster.raft.peer import LEADER_WORDS

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


class NothingKept(Raft):
    """R-P8: nothing of term, vote and log is written before an answer, so a restarted node has forgotten all (paper figure 2, persistent state left out)."""

    def _take_unwritten(self) -> tuple[tuple[Entry, ...], HardState | None]:
        entries, _ = super()._take_unwritten()
        if entries:
            self.log.stable_to(entries[-1].index, entries[-1].term)
        return (), None


class _LeadsOn(Raft):
    """Does not step down when it hears nobody, which is right (the paper knows no such rule), and so still speaks when it is heard again."""

    def _quorum_contact_ns(self, now_ns: int) -> int:
        return now_ns


class EarlierTermsTaken(_LeadsOn):
    """R-P9: what candidates and leaders of earlier terms ask is done as if they were of the present one (paper figure 2, reply false if term < currentTerm left out)."""

    def step(self, message: Message, now_ns: int) -> None:
        if message.term < self.term and isinstance(message, (VoteRequest, *LEADER_WORDS)):
            self._handlers[message.__class__](message, now_ns)
        else:
            super().step(message, now_ns)


class ReadBeforeFirstCommit(Raft):
    """R-D14: a new leader answers reads before its no-op is committed (redisraft PR #22)."""

    def _may_read(self) -> bool:
        return True


_CUT_OFF = {"interval_s": 0.5, "election_timeout_ms": 150, "heartbeat_ms": 40}

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
        NothingKept,
        shows="restarts within a term, or after acknowledgements",
        caught_by=("raft", "errors", "set", "durability"),
        way=Way(workload="set", nemesis=("kill",), options={"interval_s": 0.3}, seeds=80),
        raft=NothingKept,
    ),
    bug_of(
        EarlierTermsTaken,
        shows="a leader that was replaced and still speaks",
        caught_by=("raft", "errors", "set"),
        way=Way(workload="set", nemesis=("partition",), options=_CUT_OFF, seeds=300),
        raft=EarlierTermsTaken,
    ),
    bug_of(
        ReadBeforeFirstCommit,
        shows="a read right after a change of leader",
        caught_by=("linearizable",),
        way=Way(workload="register", seeds=80),
        raft=ReadBeforeFirstCommit,
    ),
)
