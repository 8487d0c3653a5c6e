"""The undo file: how a directory of real files is brought back to what was fsynced.

Here live the records of un-synced work on a real disk and the rollback; the disk that writes them is
`real_disk`. The file is ordinary and never fsynced: the page cache outlives a killed process, so
after SIGKILL another process can still carry out the power loss.

Everything is named by inode number, because names change: that is what un-synced renames are about.
``ROOT/.undo/log`` holds the records; ``ROOT/.undo/<inode>`` keeps files and directories whose last name was
removed or replaced, until that is fsynced, so that it can be undone.

    record:    length u32 of what follows, kind u8, fields (little-endian)
    WRITE      inode u64, first u64, end u64, length before u64, the bytes that stood there
    SYNCED     inode u64: the file was fsynced, or is gone for good
    CHANGE     directory inode u64, inode that moves u64, inode replaced u64, length of the name
               that goes u16, both names: one change of a directory
    DIR_SYNCED directory inode u64

A WRITE stands in the file before the write happens, a CHANGE after the change: a process killed in
between leaves a write undone that never was, or a change that looks durable. Both are allowed.
"""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cluster.storage.power_loss import Below, Change, Undo, surviving_content, surviving_entries

__all__ = ["UNDO_DIRECTORY", "DirectoryChange", "Pending", "UndoFile", "inodes_below", "roll_back"]

UNDO_DIRECTORY = ".undo"
_LOG_BYTES_MAX = 8 << 20
"""A longer log is written anew without the records that no longer matter."""

_WRITE, _SYNCED, _CHANGE, _DIR_SYNCED = 1, 2, 3, 4
_HEAD = struct.Struct("<IB")
_WRITE_FIELDS = struct.Struct("<QQQQ")
_CHANGE_FIELDS = struct.Struct("<QQQH")
_INODE = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class DirectoryChange:
    """One change of a directory; inode 0 stands for nothing.

    `gone` goes and `come` comes (either may be ``""``); `inode` is what they lead to, `replaced` what
    `come` led to before.
    """

    gone: str
    come: str
    inode: int
    replaced: int = 0


@dataclass(slots=True)
class Pending:
    """What is un-synced: per file its writes, per directory its changes, oldest first."""

    writes: dict[int, list[Undo]] = field(default_factory=dict)
    changes: dict[int, list[DirectoryChange]] = field(default_factory=dict)


class UndoFile:
    """Appends records to ``ROOT/.undo/log``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        directory = root / UNDO_DIRECTORY
        directory.mkdir(exist_ok=True)
        self._path = directory / "log"
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._descriptor).st_size
        self._bound = _LOG_BYTES_MAX

    def pending(self) -> Pending:
        """What an earlier process left un-synced."""
        return _read_pending(self._path)

    def write(self, inode: int, undo: Undo) -> None:
        """Before a write or truncate."""
        first, end, length, old = undo
        self._append(_write_record(inode, first, end, length, old))

    def synced(self, inode: int) -> None:
        """After an fsync of a file."""
        self._append(_record(_SYNCED, _INODE.pack(inode)))

    def change(self, directory: int, change: DirectoryChange) -> None:
        """After a change of a directory."""
        self._append(_change_record(directory, change))

    def directory_synced(self, directory: int) -> None:
        """After an fsync of a directory."""
        self._append(_record(_DIR_SYNCED, _INODE.pack(directory)))

    def clear(self) -> None:
        """Nothing is un-synced."""
        if self._size:
            os.ftruncate(self._descriptor, 0)
            self._size = 0

    def keep_path(self, inode: int) -> Path:
        """Where a file or directory waits whose last name goes."""
        return self._root / UNDO_DIRECTORY / str(inode)

    def close(self) -> None:
        """Close the log; it stays for `roll_back`."""
        os.close(self._descriptor)

    def _append(self, record: bytes) -> None:
        _write_all(self._descriptor, record)
        self._size += len(record)
        if self._size > self._bound:
            self._compact()

    def _compact(self) -> None:
        pending = _read_pending(self._path)
        records = [
            _write_record(inode, *undo) for inode, undos in pending.writes.items() for undo in undos
        ]
        records += [
            _change_record(directory, change)
            for directory, changes in pending.changes.items()
            for change in changes
        ]
        data = b"".join(records)
        fresh = self._path.with_name("log.new")
        fresh.write_bytes(data)
        fresh.rename(self._path)
        os.close(self._descriptor)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND)
        self._size = len(data)
        self._bound = max(_LOG_BYTES_MAX, 2 * self._size)


def _record(kind: int, body: bytes) -> bytes:
    return _HEAD.pack(1 + len(body), kind) + body


def _write_record(inode: int, first: int, end: int, length: int, old: bytes | bytearray) -> bytes:
    return _record(_WRITE, _WRITE_FIELDS.pack(inode, first, end, length) + old)


def _change_record(directory: int, change: DirectoryChange) -> bytes:
    gone, come = change.gone.encode(), change.come.encode()
    fields = _CHANGE_FIELDS.pack(directory, change.inode, change.replaced, len(gone))
    return _record(_CHANGE, fields + gone + come)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The whole records of an undo file; a half one at the end belongs to a write that never was."""
    offset = 0
    while offset + _HEAD.size <= len(data):
        length, kind = _HEAD.unpack_from(data, offset)
        end = offset + 4 + length
        if end > len(data):
            return
        yield kind, data[offset + _HEAD.size : end]
        offset = end


def _read_pending(path: Path) -> Pending:
    pending = Pending()
    for kind, body in _records(path.read_bytes() if path.exists() else b""):
        if kind == _WRITE:
            inode, first, end, length = _WRITE_FIELDS.unpack_from(body)
            undo = (first, end, length, body[_WRITE_FIELDS.size :])
            pending.writes.setdefault(inode, []).append(undo)
        elif kind == _SYNCED:
            pending.writes.pop(_INODE.unpack(body)[0], None)
        elif kind == _CHANGE:
            directory, inode, replaced, length = _CHANGE_FIELDS.unpack_from(body)
            names = body[_CHANGE_FIELDS.size :]
            change = DirectoryChange(
                names[:length].decode(), names[length:].decode(), inode, replaced
            )
            pending.changes.setdefault(directory, []).append(change)
        elif kind == _DIR_SYNCED:
            pending.changes.pop(_INODE.unpack(body)[0], None)
    return pending


# -- the power loss -------------------------------------------------------------------------------


def roll_back(root: Path, below: Below | None) -> None:
    """Take back what was not fsynced below `root`, but for a part drawn by `below` (None: all of it).

    Nobody may use the directory meanwhile, and open files of it are dead afterwards.
    """
    pending = _read_pending(root / UNDO_DIRECTORY / "log")
    paths = inodes_below(root)
    for inode, undo in pending.writes.items():
        if inode in paths:
            written = bytearray(paths[inode].read_bytes())
            paths[inode].write_bytes(surviving_content(written, undo, below))
    targets = {
        directory: _surviving_targets(changes, below)
        for directory, changes in pending.changes.items()
    }
    for directory, names in targets.items():
        _stage(root, directory, names)
    for directory, names in targets.items():
        _place(root, directory, names)
    shutil.rmtree(root / UNDO_DIRECTORY, ignore_errors=False)


def inodes_below(root: Path) -> dict[int, Path]:
    """Inode number -> path of everything below `root`, `root` itself and the kept files included."""
    found = {root.stat().st_ino: root}
    for path in sorted(root.rglob("*")):
        found[path.stat().st_ino] = path
    return found


def _surviving_targets(changes: list[DirectoryChange], below: Below | None) -> dict[str, int]:
    """For each name that `changes` touch: the inode it leads to after the power loss (0: none)."""
    durable: dict[str, int] = {}
    for change in changes:
        if change.gone and change.gone not in durable:
            durable[change.gone] = change.inode
        if change.come and change.come not in durable:
            durable[change.come] = change.replaced
    steps: list[Change[int]] = [(c.gone, c.come, c.inode if c.come else None) for c in changes]
    present = {name: inode for name, inode in durable.items() if inode}
    survived = surviving_entries(present, steps, below)
    return {name: survived.get(name, 0) for name in durable}


def _stage(root: Path, directory: int, names: dict[str, int]) -> None:
    """Move what the names lead to now into the undo directory, under its inode number."""
    at = inodes_below(root).get(directory)
    if at is None:
        return
    for name in names:
        path = at / name
        if path.exists():
            kept = root / UNDO_DIRECTORY / str(path.stat().st_ino)
            if kept.exists():
                path.unlink()
            else:
                path.rename(kept)


def _place(root: Path, directory: int, names: dict[str, int]) -> None:
    """Give every survivor of a directory its name.

    The directory is looked up anew, here as in `_stage`: staging and placing move directories too.
    """
    at = inodes_below(root).get(directory)
    if at is None:
        return
    for name, inode in names.items():
        kept = root / UNDO_DIRECTORY / str(inode)
        if inode and kept.exists():
            kept.rename(at / name)
