"""The `Disk`: the few file operations that a node may use, and what POSIX promises about them.

Everything a node stores goes through this protocol, so that the same code runs on real files
(`real_disk`), on simulated ones that can lose power (`sim_disk`), and under a recorder (`ledger`).
Here stand the protocol and its errors only.

The promises, and no more than these:

* `write` and `truncate` are visible to every later `read` at once, and durable only after `fsync` of
  that file; before it a power loss may keep any subset of the written 512-byte sectors.
* a name created, renamed or unlinked is durable only after `fsync_dir` of its directory; a rename is
  atomic: after a power loss one sees the old state or the new one, never neither.
* a killed process loses nothing that `write` returned for;
* un-synced entries of one directory are lost or kept one by one, in the order they were made.

Paths are relative, ``/``-separated, without ``..``; ``""`` is the root of the disk.
"""

from __future__ import annotations

from typing import Protocol

__all__ = [
    "SECTOR_BYTES",
    "Disk",
    "DiskFault",
    "DiskFull",
    "File",
    "Lines",
    "Lock",
    "LockHeld",
]

SECTOR_BYTES = 512

Lines = list[str]
"""Plain words, one finding each. (Inside `Disk` the word `list` is a method.)"""


class DiskFault(OSError):
    """The device failed (EIO). Nothing is known about the bytes concerned; the caller must stop using them.

    `args` are (errno, text, path). An `fsync` that raised this is never retried: the kernel may have
    dropped the pages (fsyncgate), so the log or store built on the file is finished.
    """


class DiskFull(OSError):
    """No space (ENOSPC). A prefix of the bytes may have been written."""


class LockHeld(OSError):
    """Another process (or another opener in this one) holds the lock."""


class Lock(Protocol):
    """An exclusive lock that its holder can give back; it dies with the process."""

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""


class File(Protocol):
    """An open file. Offsets and sizes are in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes at `offset`; fewer only at the end of the file."""

    def write(self, offset: int, data: bytes) -> None:
        """Write all of `data` at `offset`; a gap before it reads as zeros. No bytes change nothing.

        Raises DiskFull, DiskFault.
        """

    def truncate(self, size: int) -> None:
        """Make the file exactly `size` bytes long."""

    def size(self) -> int:
        """Return the length in bytes."""

    def fsync(self) -> None:
        """Return when content and length are on stable storage. Raises DiskFault, which is final."""

    def close(self) -> None:
        """Close the file; syncs nothing. A second call does nothing."""


class Disk(Protocol):
    """A node's disk: a small tree of directories and files."""

    def open(
        self, path: str, *, create: bool = False, exclusive: bool = False, mode: int = 0o644
    ) -> File:
        """Open for reading and writing.

        `create` makes a missing file with permission bits `mode`; `exclusive` (with `create`) raises
        FileExistsError for an existing one. Without `create` a missing file raises FileNotFoundError.
        """

    def exists(self, path: str) -> bool:
        """Whether a file or directory of that name is visible now."""

    def rename(self, source: str, target: str) -> None:
        """Move a file over `target` (replacing a file), or a directory to a free name. Atomic.

        Both names lie in one directory; otherwise OSError (EXDEV): no order of two directory fsyncs
        could make the move atomic.
        """

    def unlink(self, path: str) -> None:
        """Remove a file's name. Raises FileNotFoundError."""

    def mkdir(self, path: str) -> None:
        """Create a directory; its parent must exist. Raises FileExistsError."""

    def rmdir(self, path: str) -> None:
        """Remove an empty directory. Raises OSError (ENOTEMPTY) otherwise."""

    def list(self, path: str) -> Lines:
        """Return the names in a directory, sorted."""

    def fsync_dir(self, path: str) -> None:
        """Return when the directory's entries are on stable storage."""

    def lock(self, path: str) -> Lock:
        """Take the exclusive lock file at `path`, creating it. Raises LockHeld at once if it is taken.

        A lock file is no data: its entry counts as durable and is never reported by `unsynced`.
        """

    def unsynced(self, path: str) -> Lines:
        """Say in words what of `path` would not survive a power loss now (empty list: all would).

        `path` is a directory (everything below it) or one file. The entries that lead to it count: a
        file whose name is not on stable storage does not survive, however well its bytes are synced.

        One line per file with un-synced bytes (``"n1/store/db-wal: bytes 4096..8192 not fsynced"``) or
        directory with un-synced entries (``"raft: entry 000002.wal not fsynced"``), sorted. A disk that
        does not keep a ledger returns an empty list.
        """
