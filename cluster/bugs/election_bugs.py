"""Seeded bugs of elections: what a vote remembers, when it is given, and who counts it. Wrong on purpose, as real Rafts have been.

They show only where two campaign in one term, so their scenarios keep the cluster electing: timeouts hardly longer than a
message takes, heartbeats that come late, and crashes within a term.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cluster.bugs.bug import Way, bug_of
from cluster.raft.config import Restored
from cluster.raft.core import Raft
from cluster.raft.messages import Entry, HardState, Message, VoteReply, VoteRequest

__all__ = ["BUGS"]


class VoteForgotten(Raft):
    """R-A1: the vote is kept in memory only, so a restarted node votes again in the same term (PySyncObj #84)."""

    def _restore(self, restored: Restored) -> None:
        forgetful = msgspec.structs.replace(restored.hard_state, vote="")
        super()._restore(msgspec.structs.replace(restored, hard_state=forgetful))


class TermForgotten(Raft):
    """R-A2: the term is not kept; a restarted node takes that of its last entry, and its vote is free again (PySyncObj #201)."""

    def _restore(self, restored: Restored) -> None:
        last = restored.entries[-1].term if restored.entries else restored.snapshot.term
        forgetful = HardState(last, "", restored.hard_state.commit)
        super()._restore(msgspec.structs.replace(restored, hard_state=forgetful))


class VoteBeforeSync(Raft):
    """R-A3: a vote is sent before it is fsynced (PySyncObj #84; NATS 2.12.1)."""

    def _promise(self, message: Message) -> None:
        if isinstance(message, VoteReply):
            self._say(message)
        else:
            super()._promise(message)


class StateWithoutEntriesLost(Raft):
    """R-A11: a new term or vote is written only when entries are, the path for a state alone is forgotten (matrixcube #386)."""

    def _take_unwritten(self) -> tuple[tuple[Entry, ...], HardState | None]:
        entries, state = super()._take_unwritten()
        return entries, state if entries else None


class CandidateVotesAgain(Raft):
    """R-D8: a candidate does not remember that its vote is its own, and gives it to another (DaosRaft PR #70)."""

    def _has_free_vote(self, message: VoteRequest) -> bool:
        return self.vote == self.id or super()._has_free_vote(message)


class OwnVoteSuffices(Raft):
    """R-P7: half of the votes are taken for a majority (off by one; paper section 5.2)."""

    def _count_votes(self, now_ns: int) -> None:
        granted = sum(self._votes.get(name) is True for name in self.configuration.voters)
        if 2 * granted >= len(self.configuration.voters) - 1 and self.role == "candidate":
            self._become_leader(now_ns)
        else:
            super()._count_votes(now_ns)


_ELECTING: dict[str, Any] = {
    "election_timeout_ms": 60,
    "heartbeat_ms": 30,
    "loss_percent": 20,
    "interval_s": 0.05,
}
_KILLS = Way(workload="set", nodes=3, nemesis=("kill",), options=_ELECTING, seeds=300)
_CAUGHT = ("raft", "errors", "set", "durability")


def _struck_while_voting() -> tuple[dict[str, Any], ...]:
    """Every quarter of a second all lose their power at a write of the log that is not fsynced yet, mostly a vote's, and come back."""
    faults: list[dict[str, Any]] = []
    for round_number in range(22):
        at_s = 0.3 + 0.25 * round_number
        order = {
            "point": "wal.after_write_before_fsync",
            "action": "power",
            "nth": 1 + round_number % 3,
        }
        moment = {"kind": "at", "time_s": round(at_s, 3)}
        faults.append({"f": "arm", "targets": ["n1", "n2", "n3"], "value": order, "when": moment})
        for later_s in (0.1, 0.175, 0.245):
            back = {"kind": "at", "time_s": round(at_s + later_s, 3)}
            faults.append({"f": "start", "when": back})
    return tuple(faults)


BUGS = (
    bug_of(
        VoteForgotten,
        shows="a voter that restarts within a term in which two campaign",
        caught_by=_CAUGHT,
        way=_KILLS,
        raft=VoteForgotten,
    ),
    bug_of(
        TermForgotten,
        shows="restarts soon after elections",
        caught_by=_CAUGHT,
        way=_KILLS,
        raft=TermForgotten,
    ),
    bug_of(
        VoteBeforeSync,
        shows="a power loss between a vote and its fsync, and another candidate in that term",
        caught_by=_CAUGHT,
        way=Way(
            workload="set",
            nodes=3,
            faults=_struck_while_voting(),
            options={
                "election_timeout_ms": 100,
                "heartbeat_ms": 150,
                "loss_percent": 10,
                "duplication_percent": 5,
            },
            seeds=300,
        ),
        raft=VoteBeforeSync,
    ),
    bug_of(
        StateWithoutEntriesLost,
        shows="a voter that restarts before it gets an entry of the new term",
        caught_by=_CAUGHT,
        way=_KILLS,
        raft=StateWithoutEntriesLost,
    ),
    bug_of(
        CandidateVotesAgain,
        shows="two candidates in one term",
        caught_by=_CAUGHT,
        way=_KILLS,
        raft=CandidateVotesAgain,
    ),
    bug_of(
        OwnVoteSuffices,
        shows="two candidates in one term",
        caught_by=_CAUGHT,
        way=_KILLS,
        raft=OwnVoteSuffices,
    ),
)
