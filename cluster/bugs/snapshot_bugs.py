"""Seeded bugs of snapshots: the order in which file, record and log become true, and what lies at their boundary. Wrong on purpose."""

from __future__ import annotations

from typing import Any

from cluster.bugs.bug import Way, bug_of
from cluster.node.journal import Journal
from cluster.node.replica import Replica
from cluster.raft.core import Raft
from cluster.raft.log import NO_TERM
from cluster.raft.messages import Append, AppendReply, SnapshotMeta
from cluster.storage.snapshot_files import SnapshotFiles

__all__ = ["BUGS"]


class LogDroppedFirst(Replica):
    """R-C1: the log is cut before the snapshot that replaces it is on the disk (canonical/raft #199; etcd #10219)."""

    def start_snapshot(self) -> bool:
        began = super().start_snapshot()
        if began:
            self.journal.release(self.machine.applied)
        return began


class RecordBeforeSnapshot(Replica):
    """R-C4: the log names a snapshot whose file is not written yet (redpanda PR #23921)."""

    def start_snapshot(self) -> bool:
        began = super().start_snapshot()
        if began:
            self.journal.save_snapshot(self.raft.meta_at(self.machine.applied))
        return began


class InstallUnrecorded(Journal):
    """R-C2: a received snapshot is installed and the log's records say nothing of it (curvine #1551; etcd #10219)."""

    def reset(self, meta: SnapshotMeta) -> None:
        self._snapshot = meta


class ReleasesTooMuch(Journal):
    """R-C8: the log that is left begins behind the entry that follows the snapshot (redisraft #43)."""

    def release(self, index: int) -> None:
        super().release(index + 64)


class SnapshotWithoutTerm(Raft):
    """R-C11: the term of a snapshot's last entry is not known, so whatever comes right behind it is rejected for ever (hashicorp/raft #86; MicroRaft PR #54)."""

    def _append_outcome(self, message: Append) -> AppendReply:
        boundary = self.log.offset
        if 0 < boundary == message.prev_index == self.commit:
            return AppendReply(
                self.id, message.sender, self.term, False, boundary, boundary - 1, NO_TERM
            )
        return super()._append_outcome(message)


class PurgesTooMuch(SnapshotFiles):
    """P50: older snapshots are purged as soon as a newer one is whole, before the log knows of that one (retention races of the public system modelled here)."""

    def save_record(self, token: bytes, meta: bytes) -> None:
        super().save_record(token, meta)
        for index in self.indexes()[:-1]:
            self.disk.unlink(self.stream_path(index))


_STRIKES: dict[str, Any] = {"interval_s": 0.1, "snapshot_threshold": 8, "log_entries_kept": 0}
_PACE: dict[str, Any] = {"interval_s": 0.5}
_CRASHES = ("crash-replay", "snapshot")
_BOOT = ("errors", "restart loop", "raft")


BUGS = (
    bug_of(
        LogDroppedFirst,
        shows="a crash while a snapshot is written",
        caught_by=_BOOT,
        way=Way(workload="set", nemesis=_CRASHES, options=_STRIKES, seeds=80),
        replica=LogDroppedFirst,
    ),
    bug_of(
        RecordBeforeSnapshot,
        shows="a crash while a snapshot is written",
        caught_by=_BOOT,
        way=Way(workload="set", nemesis=_CRASHES, options=_STRIKES, seeds=80),
        replica=RecordBeforeSnapshot,
    ),
    bug_of(
        InstallUnrecorded,
        shows="a follower that got a snapshot and restarts",
        caught_by=_BOOT,
        way=Way(workload="set", nemesis=_CRASHES, options=_STRIKES, seeds=80),
        journal=InstallUnrecorded,
    ),
    bug_of(
        ReleasesTooMuch,
        shows="a restart after a segment was dropped",
        caught_by=_BOOT,
        way=Way(workload="set", nemesis=("kill", "snapshot"), options=_STRIKES, seeds=80),
        journal=ReleasesTooMuch,
    ),
    bug_of(
        SnapshotWithoutTerm,
        shows="followers whose logs end at a snapshot, and somebody who waits for progress",
        caught_by=("liveness", "availability"),
        way=Way(
            workload="set",
            nemesis=("partition", "kill", "snapshot"),
            options={
                **_PACE,
                "snapshot_threshold": 8,
                "log_entries_kept": 0,
                "duplication_percent": 0,
            },
        ),
        raft=SnapshotWithoutTerm,
    ),
    bug_of(
        PurgesTooMuch,
        shows="a crash between a snapshot and its record in the log",
        caught_by=_BOOT,
        way=Way(workload="set", nemesis=_CRASHES, options=_STRIKES, seeds=80),
        snapshots=PurgesTooMuch,
    ),
)
