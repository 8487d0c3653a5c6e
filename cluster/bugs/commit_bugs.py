"""Seeded bugs of commitment and membership: what counts as held, by whom, and from when. Wrong on purpose, as real Rafts have been."""

from __future__ import annotations

from typing import Any

import msgspec

from cluster.bugs.bug import Way, bug_of
from cluster.raft.configuration import Configuration
from cluster.raft.core import Raft
from cluster.raft.messages import Entry, HardState
from cluster.raft.progress import Progress
from cluster.raft.quorum import agreed_value, majority_value

__all__ = ["BUGS"]


class AloneWithoutSync(Raft):
    """R-A5: a cluster of one answers beside its log's fsync, since nobody else has to agree (etcd #14370)."""

    def _must_sync(self, entries: tuple[Entry, ...], hard_state: HardState | None) -> bool:
        return not self._is_quorum_alone() and super()._must_sync(entries, hard_state)


class _OneByOne(Raft):
    """Sends one entry in an append, which is right, and leaves a moment between entries that a longer append would close."""

    def __init__(self, config: Any, *rest: Any) -> None:
        super().__init__(msgspec.structs.replace(config, append_bytes_max=1), *rest)


class OldTermsByCount(_OneByOne):
    """R-D1: a leader commits entries of earlier terms by counting copies (Raft paper figure 8; LogCabin #44; PySyncObj #169)."""

    def _may_commit(self, index: int) -> bool:
        return index > self.commit


class SentIsHeld(Raft):
    """R-D4: next and match are mixed up, so all that was sent counts as held once anything is acknowledged (PySyncObj #167)."""

    def _on_acknowledged(self, progress: Progress, index: int, now_ns: int) -> None:
        super()._on_acknowledged(progress, max(index, progress.next - 1), now_ns)


class SlowestDecides(Raft):
    """R-D7: counting ends at the first index that somebody lacks, so who is gone for good holds up everybody (RaftOS PR #30)."""

    def _quorum_commit_index(self) -> int:
        matches = [
            self._progress[name].match for name in self.configuration.voters if name != self.id
        ]
        return min([*matches, self.log.stable])


class LearnersCount(Raft):
    """R-E4: members without a vote count in the quorum (redisraft #48)."""

    def _quorum_commit_index(self) -> int:
        matches = {name: progress.match for name, progress in self._progress.items()}
        matches[self.id] = self.log.stable
        return majority_value([matches[name] for name in self.configuration.members])


class RemovedLeaderCounts(Raft):
    """R-E5: a leader that is being removed goes on counting itself (Raft thesis 4.2.2)."""

    def _quorum_commit_index(self) -> int:
        configuration = self.configuration
        if self.id in configuration.voters:
            return super()._quorum_commit_index()
        matches = [self._progress[name].match for name in configuration.voters]
        return majority_value([*matches, self.log.stable])


class NewHalfDecides(Raft):
    """R-E6: in a joint configuration the new voters decide alone (Raft thesis 4.3: both majorities must)."""

    def _quorum_commit_index(self) -> int:
        configuration = Configuration(self.configuration.voters)
        matches = {name: progress.match for name, progress in self._progress.items()}
        matches[self.id] = self.log.stable
        return agreed_value(configuration, matches)


_CHANGING: dict[str, Any] = {"interval_s": 0.1, "loss_percent": 20}
_PACE = {"interval_s": 0.3}

_GONE_FOR_GOOD: tuple[dict[str, Any], ...] = tuple(
    {"f": f, "targets": ["n2"], "value": value, "when": {"kind": "at", "time_s": 1.0}}
    for f, value in (
        ("kill", {}),
        ("bitflip", {"path": "g0/wal", "count": 3, "seed": 1}),
        ("start", {}),
    )
)
"""A node whose log is damaged: where the bits fall into what it reads, it never starts again."""

BUGS = (
    bug_of(
        AloneWithoutSync,
        shows="a cluster of one that loses its power",
        caught_by=("set", "durability", "raft"),
        way=Way(workload="set", nemesis=("power",), nodes=1, options=_PACE),
        raft=AloneWithoutSync,
    ),
    bug_of(
        OldTermsByCount,
        shows="three leaders in turn, each cut off before its own entry is everywhere",
        caught_by=("raft", "errors", "set"),
        way=Way(
            workload="set",
            nemesis=("kill", "partition"),
            options={
                "election_timeout_ms": 100,
                "heartbeat_ms": 40,
                "loss_percent": 10,
                "duplication_percent": 1,
                "interval_s": 0.1,
            },
            rate=20.0,
            seeds=300,
        ),
        raft=OldTermsByCount,
    ),
    bug_of(
        SentIsHeld,
        shows="lost appends",
        caught_by=("raft", "errors"),
        way=Way(workload="set", nemesis=("partition", "kill"), options=_PACE),
        raft=SentIsHeld,
    ),
    bug_of(
        SlowestDecides,
        shows="a node that does not come back, and somebody who waits for progress without it",
        caught_by=("availability", "liveness"),
        way=Way(workload="set", faults=_GONE_FOR_GOOD, nodes=3),
        raft=SlowestDecides,
    ),
    bug_of(
        LearnersCount,
        shows="a learner beside voters that lag",
        caught_by=("raft",),
        way=Way(workload="set", nemesis=("membership",), options=_CHANGING, seeds=300),
        raft=LearnersCount,
    ),
    bug_of(
        RemovedLeaderCounts,
        shows="a leader that is removed while a follower lags",
        caught_by=("raft",),
        way=Way(workload="set", nemesis=("membership",), options=_CHANGING, seeds=300),
        raft=RemovedLeaderCounts,
    ),
    bug_of(
        NewHalfDecides,
        shows="a voter that is replaced while others lag",
        caught_by=("raft",),
        way=Way(workload="set", nemesis=("membership",), options=_CHANGING, seeds=300),
        raft=NewHalfDecides,
    ),
)
