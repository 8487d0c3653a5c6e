"""`RealDisk`: the `Disk` protocol on real files below one directory.

Here live the system calls, and nothing that decides. With an undo log it can also lose its power: it
records what it would take to undo every un-synced write and rename (`undo_file`), so that a killed
process's files can be brought back to what was fsynced, by itself (`roll_back`) or by anybody else
(`recover_power_loss`). Without one it is as fast as the system calls are, and `unsynced` is empty.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import NoReturn

from cluster.storage.disk import DiskFault, DiskFull, File, Lines, Lock, LockHeld
from cluster.storage.power_loss import Below
from cluster.storage.undo_file import (
    UNDO_DIRECTORY,
    DirectoryChange,
    UndoFile,
    inodes_below,
    roll_back,
)
from cluster.storage.unsynced import TrackedFile, Unsynced

__all__ = ["RealDisk"]


class _RealFile:
    """An open file: plain system calls."""

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor = descriptor
        self._path = path

    def read(self, offset: int, length: int) -> bytes:
        try:
            data = os.pread(self._descriptor, length, offset)
            while 0 < len(data) < length:
                more = os.pread(self._descriptor, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            _translate(error, self._path)
        return data

    def write(self, offset: int, data: bytes) -> None:
        try:
            written = os.pwrite(self._descriptor, data, offset)
            while written < len(data):
                written += os.pwrite(self._descriptor, data[written:], offset + written)
        except OSError as error:
            _translate(error, self._path)

    def truncate(self, size: int) -> None:
        try:
            os.ftruncate(self._descriptor, size)
        except OSError as error:
            _translate(error, self._path)

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def fsync(self) -> None:
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            _translate(error, self._path)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class _UndoableFile(_RealFile):
    """An open file whose un-synced writes can be undone."""

    def __init__(self, descriptor: int, path: str, disk: RealDisk, undo: UndoFile) -> None:
        super().__init__(descriptor, path)
        self._disk = disk
        self._undo = undo
        self._inode = os.fstat(descriptor).st_ino
        self._tracked: TrackedFile = disk.ledger.file(path)

    def write(self, offset: int, data: bytes) -> None:
        if not data:
            return
        size = self.size()
        end = offset + len(data)
        old = self.read(offset, min(end, size) - offset) if offset < size else b""
        first = min(offset, size)
        self._undo.write(self._inode, (first, end, size, old))
        self._disk.ledger.wrote(self._tracked, first, end)
        super().write(offset, data)

    def truncate(self, size: int) -> None:
        length = self.size()
        if size == length:
            return
        old = self.read(size, length - size) if size < length else b""
        first, end = min(size, length), max(size, length)
        self._undo.write(self._inode, (first, end, length, old))
        self._disk.ledger.wrote(self._tracked, first, end)
        super().truncate(size)

    def fsync(self) -> None:
        super().fsync()
        self._disk.ledger.synced(self._tracked)
        if not self._disk.settled():
            self._undo.synced(self._inode)


class _RealLock:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class RealDisk:
    """See the module. `root` is made when missing; nobody else may write below it."""

    def __init__(self, root: str | Path, *, undo_log: bool = False) -> None:
        self._root = Path(root)
        self._root.mkdir(parents=True, exist_ok=True)
        self.ledger = Unsynced()
        self._undo = UndoFile(self._root) if undo_log else None
        self._kept: dict[int, list[int]] = {}
        """Directory inode -> inodes kept until that directory is fsynced."""
        if self._undo is not None:
            self._remember(self._undo)

    def open(
        self, path: str, *, create: bool = False, exclusive: bool = False, mode: int = 0o644
    ) -> File:
        """See `Disk.open`."""
        if self._undo is None:
            flags = os.O_RDWR | os.O_CLOEXEC
            flags |= os.O_CREAT if create else 0
            flags |= os.O_EXCL if create and exclusive else 0
            return _RealFile(self._open(path, flags, mode), path)
        if create:
            try:
                descriptor = self._open(
                    path, os.O_RDWR | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL, mode
                )
            except FileExistsError:
                if exclusive:
                    raise
            else:
                inode = os.fstat(descriptor).st_ino
                self._changed(self._undo, path, DirectoryChange("", _name(path), inode))
                self.ledger.changed(path)
                return _UndoableFile(descriptor, path, self, self._undo)
        descriptor = self._open(path, os.O_RDWR | os.O_CLOEXEC, mode)
        return _UndoableFile(descriptor, path, self, self._undo)

    def exists(self, path: str) -> bool:
        """See `Disk.exists`."""
        return self._at(path).exists()

    def rename(self, source: str, target: str) -> None:
        """See `Disk.rename`."""
        old, new = self._at(source), self._at(target)
        if old.parent != new.parent:
            raise OSError(errno.EXDEV, "rename between two directories", source, None, target)
        if not old.exists():
            raise FileNotFoundError(errno.ENOENT, "no such file or directory", source)
        if new.exists() and (new.is_dir() or old.is_dir()):
            raise FileExistsError(errno.EEXIST, "the name is taken", target)
        if self._undo is None:
            self._call(os.rename, old, new, path=source)
            return
        inode = old.stat().st_ino
        replaced = 0
        if new.exists():
            replaced = new.stat().st_ino
            if replaced == inode:
                return
            kept = self._undo.keep_path(replaced)
            kept.unlink(missing_ok=True)
            kept.hardlink_to(new)
        self._call(os.rename, old, new, path=source)
        change = DirectoryChange(_name(source), _name(target), inode, replaced)
        self._changed(self._undo, source, change)
        self.ledger.moved(source, target)

    def unlink(self, path: str) -> None:
        """See `Disk.unlink`."""
        if self._undo is None:
            self._call(os.unlink, self._at(path), path=path)
            return
        if self._at(path).is_dir():
            raise IsADirectoryError(errno.EISDIR, "a directory", path)
        self._remove(self._undo, path)

    def mkdir(self, path: str) -> None:
        """See `Disk.mkdir`."""
        self._call(os.mkdir, self._at(path), path=path)
        if self._undo is not None:
            inode = self._at(path).stat().st_ino
            self._changed(self._undo, path, DirectoryChange("", _name(path), inode))
            self.ledger.changed(path)

    def rmdir(self, path: str) -> None:
        """See `Disk.rmdir`."""
        if self._undo is None:
            self._call(os.rmdir, self._at(path), path=path)
            return
        if self.list(path):
            raise OSError(errno.ENOTEMPTY, "the directory is not empty", path)
        self._remove(self._undo, path)

    def list(self, path: str) -> Lines:
        """See `Disk.list`."""
        names = [at.name for at in self._at(path).iterdir()]
        return sorted(name for name in names if name != UNDO_DIRECTORY)

    def fsync_dir(self, path: str) -> None:
        """See `Disk.fsync_dir`."""
        descriptor = self._open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, 0)
        try:
            os.fsync(descriptor)
            inode = os.fstat(descriptor).st_ino
        except OSError as error:
            _translate(error, path)
        finally:
            os.close(descriptor)
        if self._undo is not None:
            self.ledger.directory_synced(path)
            if not self.settled():
                self._undo.directory_synced(inode)
            self._let_go(self._undo, inode)

    def lock(self, path: str) -> Lock:
        """See `Disk.lock`."""
        descriptor = self._open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise LockHeld(errno.EWOULDBLOCK, "the lock is held", path) from error
        return _RealLock(descriptor)

    def unsynced(self, path: str) -> Lines:
        """See `Disk.unsynced`; empty without an undo log."""
        return self.ledger.lines(path)

    # -- power ----------------------------------------------------------------------------------------

    def roll_back(self, below: Below | None) -> None:
        """Lose the power: take back what was not fsynced, but for a part drawn by `below` (None: all).

        The process must end right after it. Only with an undo log.
        """
        assert self._undo is not None, "a real disk without an undo log cannot lose its power"
        self._undo.close()
        roll_back(self._root, below)

    @staticmethod
    def recover_power_loss(root: str | Path, below: Below | None) -> None:
        """Do the same to the directory of a process that is dead already."""
        if (Path(root) / UNDO_DIRECTORY).exists():
            roll_back(Path(root), below)

    def settled(self) -> bool:
        """Forget the whole undo log if nothing is un-synced any more; say whether that is so."""
        if self._undo is not None and self.ledger.clean:
            self._undo.clear()
            return True
        return False

    # -- inside ---------------------------------------------------------------------------------------

    def _remember(self, undo: UndoFile) -> None:
        """Take over what an earlier process, killed, has left un-synced in the page cache."""
        pending = undo.pending()
        if not pending.writes and not pending.changes:
            return
        paths = {
            inode: path.relative_to(self._root) for inode, path in inodes_below(self._root).items()
        }
        names = {
            inode: path.as_posix()
            for inode, path in paths.items()
            if UNDO_DIRECTORY not in path.parts
        }
        for inode, records in pending.writes.items():
            if inode in names:
                first = min(record[0] for record in records)
                end = max(record[1] for record in records)
                self.ledger.wrote(self.ledger.file(names[inode]), first, end)
        for directory, changes in pending.changes.items():
            if directory not in names:
                continue
            at = "" if names[directory] == "." else f"{names[directory]}/"
            for change in changes:
                for name in filter(None, (change.gone, change.come)):
                    self.ledger.changed(at + name)
                gone_for_good = change.replaced if change.come else change.inode
                if gone_for_good:
                    self._kept.setdefault(directory, []).append(gone_for_good)

    def _remove(self, undo: UndoFile, path: str) -> None:
        """Take a name away, keeping what it led to until that is fsynced."""
        at = self._at(path)
        inode = at.stat().st_ino
        self._call(os.rename, at, undo.keep_path(inode), path=path)
        self._changed(undo, path, DirectoryChange(_name(path), "", inode))
        self.ledger.removed(path)

    def _changed(self, undo: UndoFile, path: str, change: DirectoryChange) -> None:
        directory = self._at(path).parent.stat().st_ino
        undo.change(directory, change)
        gone_for_good = change.replaced if change.come else change.inode
        if gone_for_good:
            self._kept.setdefault(directory, []).append(gone_for_good)

    def _let_go(self, undo: UndoFile, directory: int) -> None:
        """A directory was fsynced, or is gone for good: what its changes removed never comes back.

        The records go before the inode does: its number may be given to another file at once.
        """
        for inode in self._kept.pop(directory, ()):
            if not self.ledger.clean:
                undo.synced(inode)
                undo.directory_synced(inode)
            self._let_go(undo, inode)
            kept = undo.keep_path(inode)
            if kept.is_dir():
                kept.rmdir()
            else:
                kept.unlink(missing_ok=True)

    def _at(self, path: str) -> Path:
        return self._root / path

    def _open(self, path: str, flags: int, mode: int) -> int:
        try:
            return os.open(self._at(path), flags, mode)
        except OSError as error:
            _translate(error, path)

    def _call(self, function: object, *arguments: Path, path: str) -> None:
        assert callable(function)
        try:
            function(*arguments)
        except OSError as error:
            _translate(error, path)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _translate(error: OSError, path: str) -> NoReturn:
    """Raise `error` again as the protocol's kind, naming the path on this disk."""
    kinds = {errno.EIO: DiskFault, errno.ENOSPC: DiskFull, errno.EDQUOT: DiskFull}
    kind = kinds.get(error.errno or 0, type(error))
    raise kind(error.errno, error.strerror, path) from error
