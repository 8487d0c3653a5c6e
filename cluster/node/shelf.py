"""The shelf: the snapshots of one group as raft's leader reads them.

Adapts `SnapshotFiles` to `SnapshotSource`: which snapshot is newest is kept in memory, so that a leader asks the
disk only for bytes.
"""

from __future__ import annotations

from cluster.raft.messages import SnapshotMeta
from cluster.storage.snapshot_files import SnapshotFiles, SnapshotMissing

__all__ = ["Shelf"]


class Shelf:
    """See the module and `cluster.raft.config.SnapshotSource`."""

    def __init__(self, files: SnapshotFiles) -> None:
        self.files = files
        self._latest: SnapshotMeta | None = None

    def put(self, meta: SnapshotMeta) -> None:
        """`meta` is complete now, and the newest one; index 0 is no snapshot."""
        if meta.index:
            self._latest = meta

    def latest(self) -> SnapshotMeta | None:
        """See `SnapshotSource`."""
        return self._latest

    def size(self, index: int) -> int:
        """See `SnapshotSource`."""
        try:
            return self.files.size(index)
        except SnapshotMissing as error:
            raise KeyError(index) from error

    def read(self, index: int, offset: int, length: int) -> bytes:
        """See `SnapshotSource`."""
        try:
            return self.files.read(index, offset, length)
        except SnapshotMissing as error:
            raise KeyError(index) from error
