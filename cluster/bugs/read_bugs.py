"""Seeded bugs of reads and answers: who may answer, from when, and for whom. Wrong on purpose, as real systems have been."""

from __future__ import annotations

from typing import Any

from cluster.bugs.bug import Way, bug_of
from cluster.machine.outcome import Outcome
from cluster.node.queries import Query
from cluster.node.replica import Replica
from cluster.node.requests import ok
from cluster.raft.core import Raft
from cluster.raft.messages import Entry, Message

__all__ = ["BUGS"]


class ReadsWhileRecovering(Replica):
    """R-B10: a node that knows no leader yet answers reads from what it has recovered (redisraft #18 and #19; etcd #3879)."""

    def read(self, request: int, query: Query, now_ns: int) -> None:
        if self.raft.leader:
            super().read(request, query, now_ns)
        else:
            self.read_here(request, query, 0, now_ns)


class LeaderTrustsItself(Raft):
    """R-D10: whoever believes to lead answers reads without asking anybody (etcd and Consul, Jepsen 2014; Xraft #40)."""

    def _is_quorum_alone(self) -> bool:
        return True


class LeaseByOwnClock(Raft):
    """R-D12: a leader answers reads as long as its own clock says that its followers still wait (leases without a bound on drift; Raft thesis 6.4.1)."""

    _clock_ns = 0

    def step(self, message: Message, now_ns: int) -> None:
        self._clock_ns = now_ns
        super().step(message, now_ns)

    def read(self, request: int, now_ns: int) -> None:
        self._clock_ns = now_ns
        super().read(request, now_ns)

    def _is_quorum_alone(self) -> bool:
        contact_ns = self._quorum_contact_ns(self._clock_ns)
        return self._clock_ns < contact_ns + self.config.election_timeout_ns


class NeverStepsDown(Raft):
    """R-D13: a leader that hears nobody goes on as if it led, and trusts its own reads meanwhile (etcd #15247, #12528)."""

    def _quorum_contact_ns(self, now_ns: int) -> int:
        return now_ns

    def _is_quorum_alone(self) -> bool:
        return True


class AnsweredByIndex(Replica):
    """R-P6: whoever proposed at an index is told that it is done, whatever entry stands there in the end (Raft thesis 6.3: index and term)."""

    def _resolve(self, entry: Entry, outcome: Outcome) -> None:
        waiting = self._proposals.pop(entry.index, None)
        if waiting is not None:
            done = {"index": entry.index, "decision": outcome.decision, "result": outcome.result}
            self._outbox.complete(waiting[1], ok(done))


def _cut_off_and_slow() -> tuple[dict[str, Any], ...]:
    """Every second the leader's clock runs at half speed and nobody hears it for a while: it notices late that it leads no more."""
    faults: list[dict[str, Any]] = []
    for second in range(1, 9):
        for after_s, f, targets, value in (
            (0.0, "skew", ["leader"], {"drift_ppm": -500_000}),
            (0.1, "partition", ["leader"], {}),
            (0.8, "heal", [], {}),
            (0.85, "skew", ["n1", "n2", "n3"], {"drift_ppm": 0}),
        ):
            moment = {"kind": "at", "time_s": second + after_s}
            faults.append({"f": f, "targets": targets, "value": value, "when": moment})
    return tuple(faults)


_SLOW_LEADER = Way(
    workload="register",
    nodes=3,
    faults=_cut_off_and_slow(),
    concurrency=9,
    rate=100.0,
    time_limit_s=9.0,
    options={"election_timeout_ms": 300, "heartbeat_ms": 60},
    seeds=80,
)
_CUT_OFF: dict[str, Any] = {"interval_s": 0.5, "election_timeout_ms": 150, "heartbeat_ms": 40}

BUGS = (
    bug_of(
        ReadsWhileRecovering,
        shows="a read at a node that just started",
        caught_by=("linearizable",),
        way=Way(workload="register", nemesis=("kill",), options=_CUT_OFF, seeds=80),
        replica=ReadsWhileRecovering,
    ),
    bug_of(
        LeaderTrustsItself,
        shows="a leader that notices late that it was replaced",
        caught_by=("linearizable",),
        way=_SLOW_LEADER,
        raft=LeaderTrustsItself,
    ),
    bug_of(
        LeaseByOwnClock,
        shows="a leader whose clock is slow, cut off from the others",
        caught_by=("linearizable",),
        way=_SLOW_LEADER,
        raft=LeaseByOwnClock,
    ),
    bug_of(
        NeverStepsDown,
        shows="a leader that is cut off while another is elected",
        caught_by=("linearizable",),
        way=Way(workload="register", nemesis=("partition",), options=_CUT_OFF, seeds=80),
        raft=NeverStepsDown,
    ),
    bug_of(
        AnsweredByIndex,
        shows="a leader that loses uncommitted entries to another",
        caught_by=("durability", "set", "stats", "errors"),
        way=Way(workload="set", nemesis=("partition",), options=_CUT_OFF, seeds=80),
        replica=AnsweredByIndex,
    ),
)
