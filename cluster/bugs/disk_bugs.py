"""Seeded bugs of the log on its disk: what was synced, what was torn, what a restart believes. Wrong on purpose, as real systems have been."""

from __future__ import annotations

from typing import Any

from cluster.bugs.bug import Way, bug_of
from cluster.node.journal import Journal
from cluster.node.replica import Replica
from cluster.raft.config import Restored
from cluster.raft.core import Raft
from cluster.raft.errors import RaftInvariantBroken
from cluster.storage.disk import DiskFault, DiskFull
from cluster.storage.wal import WriteAheadLog

__all__ = ["BUGS"]


class _Careless:
    """A disk, or a file of it, some of whose failures or syncs are left out for paths of the log; all else passes through."""

    def __init__(self, inner: Any, path: str = "") -> None:
        self._inner = inner
        self._path = path

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def open(self, path: str, **how: Any) -> Any:
        """Open a file; one of the log gets the same carelessness."""
        file = self._inner.open(path, **how)
        return type(self)(file, path) if "/wal/" in path else file


class _SyncErrorsSwallowed(_Careless):
    def fsync(self) -> None:
        try:
            self._inner.fsync()
        except DiskFault:
            return


class _ShortWritesSwallowed(_Careless):
    def write(self, offset: int, data: bytes) -> None:
        try:
            self._inner.write(offset, data)
        except DiskFull:
            return


class _NamesNotSynced(_Careless):
    def fsync_dir(self, path: str) -> None:
        if not path.endswith("/wal"):
            self._inner.fsync_dir(path)


class _OnDisk(Replica):
    """Opens on a careless disk."""

    careless: type[_Careless]

    @classmethod
    def open(cls, *, disk: Any, **rest: Any) -> Replica:
        return super().open(disk=cls.careless(disk), **rest)


class GoesOnAfterFailedSync(_OnDisk):
    """R-A7: an fsync that failed is tried again later, and what the kernel dropped is taken for written (fsyncgate; CockroachDB PR #37102)."""

    careless = _SyncErrorsSwallowed


class HalfWrites(_OnDisk):
    """R-F1: a short write to a full disk is taken for a whole one (redpanda #7407; FoundationDB's full drives)."""

    careless = _ShortWritesSwallowed


class SegmentNameNotSynced(_OnDisk):
    """R-A8: a new segment is used before its directory is fsynced (etcd #6368; CockroachDB PR #117383)."""

    careless = _NamesNotSynced


class _KeepsTornTail(WriteAheadLog):
    def _take_over(self) -> None:
        self._file = self._disk.open(self._path(self.current_segment))
        self._size = self._file.size()
        self._file.fsync()
        self._horizon = self._base + self._size


class TornTailKept(Journal):
    """R-B7: a torn tail is taken for part of the log and written behind, instead of being cut off (LazyFS on etcd; compare etcd #14098)."""

    log = _KeepsTornTail


class _CutsAnywhere(WriteAheadLog):
    def _judge_tail(self, path: str, data: bytes, base: int, end: int, *, sealed: bool) -> None:
        self.torn_bytes += len(data) - end


class DamageTakenForTornTail(Journal):
    """R-B8: damage in the middle of the log is cut off like a torn tail, with all that was acknowledged behind it (Protocol-Aware Recovery, FAST 2018; NATS #7556)."""

    log = _CutsAnywhere


class AppliedBehindCommitRefused(Raft):
    """R-B12: a node refuses to start when its store is ahead of its log's commit index, which a crash makes normal (etcd #20426; TiKV raft-engine #142)."""

    def _restore(self, restored: Restored) -> None:
        super()._restore(restored)
        if restored.applied > restored.hard_state.commit:
            what = f"applied {restored.applied} is above commit {restored.hard_state.commit}"
            raise RaftInvariantBroken(self.id, what)


_PACE: dict[str, Any] = {"interval_s": 0.2}


def _at(time_s: float, f: str, targets: list[str], **value: Any) -> dict[str, Any]:
    return {"f": f, "targets": targets, "value": value, "when": {"kind": "at", "time_s": time_s}}


BUGS = (
    bug_of(
        GoesOnAfterFailedSync,
        shows="EIO at an fsync of the log",
        caught_by=("durability", "raft", "set"),
        way=Way(workload="set", nemesis=("disk",), options=_PACE),
        replica=GoesOnAfterFailedSync,
    ),
    bug_of(
        HalfWrites,
        shows="a disk that fills up under the log, and a restart",
        caught_by=("durability", "raft", "set", "errors"),
        way=Way(workload="set", nemesis=("disk",), options=_PACE, seeds=80),
        replica=HalfWrites,
    ),
    bug_of(
        SegmentNameNotSynced,
        shows="a power loss after a new segment was begun; the ledger sees it without one",
        caught_by=("durability", "raft", "set", "errors"),
        way=Way(workload="set", nemesis=("power",), options=_PACE),
        replica=SegmentNameNotSynced,
    ),
    bug_of(
        TornTailKept,
        shows="a torn frame, and two restarts",
        caught_by=("errors", "raft", "restart loop"),
        way=Way(workload="set", nemesis=("crash-replay", "power"), options=_PACE, seeds=80),
        journal=TornTailKept,
    ),
    bug_of(
        DamageTakenForTornTail,
        shows="a rotten byte in the middle of the log of a cluster that has no other copy",
        caught_by=("set", "durability"),
        way=Way(
            workload="set",
            nodes=1,
            options={"durability": "snapshot", "snapshot_threshold": 100_000},
            faults=(
                _at(3.0, "kill", ["n1"]),
                _at(3.1, "bitflip", ["n1"], path="g0/wal", count=1),
                _at(3.2, "start", ["n1"]),
            ),
        ),
        replay="snapshot",
        journal=DamageTakenForTornTail,
    ),
    bug_of(
        AppliedBehindCommitRefused,
        shows="any restart that comes before the commit index is written",
        caught_by=("errors",),
        way=Way(workload="set", nemesis=("kill",)),
        raft=AppliedBehindCommitRefused,
    ),
)
