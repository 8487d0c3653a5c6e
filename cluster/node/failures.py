"""What ends a node without anybody having made a mistake in its code: disks, ports, locks, damaged files, wrong plans.

Worlds turn these into one line and an exit code; everything else that a node raises is a defect of ours and must be seen.
"""

from __future__ import annotations

from cluster.encryption.errors import RegistryValueMalformed, UnsupportedStoreForWriterRegistry
from cluster.machine.snapshot_stream import SnapshotError
from cluster.node.peers import WrongDisk
from cluster.raft.errors import RaftInvariantBroken
from cluster.storage.snapshot_files import SnapshotUnusable
from cluster.storage.state_store import StoreFailed, StoreRefused
from cluster.storage.wal import LogDamaged, LogFailed

__all__ = ["REFUSALS"]

REFUSALS: tuple[type[Exception], ...] = (
    LogDamaged,
    LogFailed,
    OSError,
    RaftInvariantBroken,
    RegistryValueMalformed,
    SnapshotError,
    SnapshotUnusable,
    StoreFailed,
    StoreRefused,
    UnsupportedStoreForWriterRegistry,
    WrongDisk,
)
