"""`RecordingDisk`: a `Disk` that keeps the ledger: every change and every sync, in order.

It wraps any disk. Here live the two questions that its records answer: what is not durable now
(`unsynced`), and which fsync made a piece of a file durable (`durable_by`). A checker asks the second
to name the fsync behind an acknowledged operation, or to say that there is none.

Reads are not recorded: they change nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from cluster.ledger import LedgerRecord
from cluster.storage.disk import Disk, File, Lines, Lock
from cluster.storage.unsynced import TrackedFile, Unsynced

__all__ = ["Durability", "RecordingDisk"]

_RECORDS_MAX = 1_000_000
"""Older records are forgotten."""


@dataclass(frozen=True, slots=True)
class Durability:
    """Which operations made a piece of a file durable; 0: it is not (or no longer on record).

    `written` is the last write into the piece, `fsync` the first fsync of the file behind it, `named` the
    last change of the file's entry and `fsync_dir` the first sync of its directory behind that. Where
    nothing was recorded at all (the file is older than the ledger) both pairs are 0.
    """

    written: int
    fsync: int
    named: int
    fsync_dir: int

    @property
    def durable(self) -> bool:
        """Whether a power loss now would leave the piece."""
        bytes_safe = not self.written or self.fsync > 0
        name_safe = not self.named or self.fsync_dir > 0
        return bytes_safe and name_safe


class RecordingDisk:
    """See the module. Take the `inner` disk's faults and power losses to the inner disk, and a new recorder."""

    def __init__(self, inner: Disk) -> None:
        self.inner = inner
        self.records: deque[LedgerRecord] = deque(maxlen=_RECORDS_MAX)
        self._unsynced = Unsynced()
        self._sequence = 0
        self._files: dict[TrackedFile, int] = {}

    def durable_by(self, path: str, first: int, end: int) -> Durability:
        """Say what made bytes `first` to `end` of the file now called `path` durable."""
        file = self._number(self._unsynced.file(path))
        directory = path.rpartition("/")[0]
        written = fsync = named = fsync_dir = 0
        for record in self.records:
            if record.operation == "fsync_dir":
                if record.path == directory and named and not fsync_dir:
                    fsync_dir = record.sequence
            elif record.operation in ("create", "rename") and record.path == path:
                named, fsync_dir = record.sequence, 0
            if record.file != file:
                continue
            if record.operation == "fsync":
                if written and not fsync:
                    fsync = record.sequence
            elif _touches(record, first, end):
                written, fsync = record.sequence, 0
        return Durability(written, fsync, named, fsync_dir)

    def operations(self, path: str) -> Iterator[LedgerRecord]:
        """The records that concern `path` by name, oldest first."""
        return (record for record in self.records if path in (record.path, record.source))

    # -- the protocol -----------------------------------------------------------------------------

    def open(
        self, path: str, *, create: bool = False, exclusive: bool = False, mode: int = 0o644
    ) -> File:
        """See `Disk.open`."""
        fresh = create and not self.inner.exists(path)
        file = self.inner.open(path, create=create, exclusive=exclusive, mode=mode)
        tracked = self._unsynced.file(path)
        if fresh:
            self._unsynced.changed(path)
            self._record("create", path, file=self._number(tracked))
        return _RecordedFile(self, file, tracked)

    def exists(self, path: str) -> bool:
        """See `Disk.exists`."""
        return self.inner.exists(path)

    def rename(self, source: str, target: str) -> None:
        """See `Disk.rename`."""
        self.inner.rename(source, target)
        if source == target:
            return
        self._unsynced.moved(source, target)
        self._record("rename", target, source=source)

    def unlink(self, path: str) -> None:
        """See `Disk.unlink`."""
        self.inner.unlink(path)
        self._unsynced.removed(path)
        self._record("unlink", path)

    def mkdir(self, path: str) -> None:
        """See `Disk.mkdir`."""
        self.inner.mkdir(path)
        self._unsynced.changed(path)
        self._record("mkdir", path)

    def rmdir(self, path: str) -> None:
        """See `Disk.rmdir`."""
        self.inner.rmdir(path)
        self._unsynced.removed(path)
        self._record("rmdir", path)

    def list(self, path: str) -> Lines:
        """See `Disk.list`."""
        return self.inner.list(path)

    def fsync_dir(self, path: str) -> None:
        """See `Disk.fsync_dir`."""
        self.inner.fsync_dir(path)
        self._unsynced.directory_synced(path)
        self._record("fsync_dir", path)

    def lock(self, path: str) -> Lock:
        """See `Disk.lock`."""
        return self.inner.lock(path)

    def unsynced(self, path: str) -> Lines:
        """See `Disk.unsynced`; counts what happened since the recorder was put in place."""
        return self._unsynced.lines(path)

    # -- told by open files -----------------------------------------------------------------------

    def writing(self, operation: str, tracked: TrackedFile, first: int, end: int) -> None:
        """A write or truncate begins; even if it fails, bytes `first` to `end` may change."""
        self._unsynced.wrote(tracked, first, end)
        self._record(
            operation,
            tracked.path or "",
            file=self._number(tracked),
            offset=first,
            length=end - first,
        )

    def synced(self, tracked: TrackedFile) -> None:
        """An fsync succeeded."""
        self._unsynced.synced(tracked)
        self._record("fsync", tracked.path or "", file=self._number(tracked))

    def _number(self, tracked: TrackedFile) -> int:
        return self._files.setdefault(tracked, len(self._files) + 1)

    def _record(
        self,
        operation: str,
        path: str,
        *,
        file: int = 0,
        offset: int = 0,
        length: int = 0,
        source: str = "",
    ) -> None:
        self._sequence += 1
        self.records.append(
            LedgerRecord(self._sequence, operation, path, file, offset, length, source)
        )


class _RecordedFile:
    def __init__(self, disk: RecordingDisk, file: File, tracked: TrackedFile) -> None:
        self._disk = disk
        self._file = file
        self._tracked = tracked

    def read(self, offset: int, length: int) -> bytes:
        return self._file.read(offset, length)

    def write(self, offset: int, data: bytes) -> None:
        if data:
            first = min(offset, self._file.size())
            self._disk.writing("write", self._tracked, first, offset + len(data))
            self._file.write(offset, data)

    def truncate(self, size: int) -> None:
        length = self._file.size()
        if size != length:
            first, end = min(size, length), max(size, length)
            self._disk.writing("truncate", self._tracked, first, end)
            self._file.truncate(size)

    def size(self) -> int:
        return self._file.size()

    def fsync(self) -> None:
        self._file.fsync()
        self._disk.synced(self._tracked)

    def close(self) -> None:
        self._file.close()


def _touches(record: LedgerRecord, first: int, end: int) -> bool:
    """Whether `record` changed any byte of the piece."""
    if record.operation not in ("write", "truncate"):
        return False
    return record.offset < end and record.offset + record.length > first
