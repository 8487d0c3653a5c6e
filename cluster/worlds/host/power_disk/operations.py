"""The shell that FUSE calls: paths and numbers in, `Volume` does it, errors go out as errno.

One request at a time: libfuse's loop runs in one thread, and the control thread takes the same lock. So a slow fsync holds the
whole disk, as a device does that is busy flushing; power can be lost meanwhile, because nobody holds the lock while waiting.

Attributes and names are never cached by the kernel (timeouts 0), pages are dropped at each open: after a power loss
programs see what is left. Locks (flock, fcntl) are the kernel's own. There is no getxattr on purpose: the kernel would
ask for ``security.capability`` before every write; what is un-synced is read from a file that no listing shows.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import mfusepy  # type: ignore[import-untyped]  # it has no types
import msgspec

from cluster.storage.mounted_disk import MARK, NO_DATA, POWER_OFF, UNSYNCED_FILE, UnsyncedWork
from cluster.worlds.host.power_disk.recorder import legible
from cluster.worlds.host.power_disk.volume import Owner, Volume

__all__ = ["Operations", "serve"]

_HIDDEN = "/.fuse_hidden"
"""How libfuse calls a file that is open and has no name any more."""

_UTIME_NOW, _UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
_RENAME_EXCHANGE = 2
_EXTRA_HANDLE = 1 << 62

P = ParamSpec("P")
R = TypeVar("R")


def _operation(method: Callable[P, R]) -> Callable[P, R]:
    """Carry an operation out alone, and only while there is power; a mistake of ours is kept for the harness."""

    @wraps(method)
    def carried_out(*arguments: P.args, **keywords: P.kwargs) -> R:
        self = arguments[0]
        assert isinstance(self, Operations)
        with self.alone:
            if self.volume.off:
                raise OSError(errno.EIO, "the power is off")
            if method.__name__ != "rename":
                self.volume.next_operation()
            try:
                return method(*arguments, **keywords)
            except OSError:
                raise
            except Exception:
                self.mistake = self.mistake or traceback.format_exc()
                raise

    return carried_out


class Operations:
    """See the module. The names and arguments of the methods are those of mfusepy's ``Operations``."""

    use_ns = True

    def __init__(self, volume: Volume, begin: Callable[[], None]) -> None:
        """`begin` is called once, when the mount answers."""
        self.volume = volume
        self.alone = threading.Lock()
        self.mistake = ""
        """The traceback of the first error that is no program's business."""
        self.healed = threading.Event()
        """Set to end the waiting of slow fsyncs."""
        self._begin = begin
        self._reports: dict[int, bytes] = {}
        """Open handle of `UNSYNCED_FILE` -> what its reader sees."""

    def init(self, path: str) -> None:
        """FUSE is ready."""
        self._begin()

    # -- files ------------------------------------------------------------------------------------

    @_operation
    def create(self, path: str, mode: int, flags: int) -> int:
        return self.volume.create(path[1:], flags, mode & 0o7777, _caller())

    @_operation
    def open(self, path: str, flags: int) -> int:
        if path[1:] == UNSYNCED_FILE:
            return self._open_report()
        return self.volume.open(path[1:], flags)

    @_operation
    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        if fh >= _EXTRA_HANDLE:
            return self._reports[fh][offset : offset + size]
        return self.volume.read(fh, size, offset)

    @_operation
    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return self.volume.write(path[1:], fh, data, offset)

    @_operation
    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        self.volume.truncate(path[1:], length)

    @_operation
    def fallocate(self, path: str, mode: int, offset: int, size: int, fh: int) -> None:
        self.volume.allocate(path[1:], fh, mode, offset, size)

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        self._flush_slowly(path[1:])
        self._fsync(path, fh)

    def release(self, path: str, fh: int) -> None:
        with self.alone:
            if fh >= _EXTRA_HANDLE:
                self._reports.pop(fh, None)
            else:
                self.volume.release(fh)

    # -- names ------------------------------------------------------------------------------------

    @_operation
    def mknod(self, path: str, mode: int, dev: int) -> None:
        self.volume.make_node(path[1:], mode, dev, _caller())

    @_operation
    def mkdir(self, path: str, mode: int) -> None:
        self.volume.make_directory(path[1:], mode & 0o7777, _caller())

    @_operation
    def symlink(self, target: str, source: str) -> None:
        self.volume.make_symlink(target[1:], source, _caller())

    @_operation
    def link(self, target: str, source: str) -> None:
        self.volume.link(source[1:], target[1:])

    @_operation
    def unlink(self, path: str) -> None:
        self.volume.unlink(path[1:])

    @_operation
    def rmdir(self, path: str) -> None:
        self.volume.remove_directory(path[1:])

    @_operation
    def rename(self, old: str, new: str) -> None:
        if _HIDDEN in new:
            self.volume.hide(old[1:], new[1:])
        else:
            self.volume.rename(old[1:], new[1:])

    @_operation
    def readdir(self, path: str, fh: int) -> list[Any]:
        rows = [(name, {"st_ino": inode}, 0) for name, inode in self.volume.names(path[1:])]
        return [".", "..", *rows]

    def fsyncdir(self, path: str, datasync: int, fh: int) -> None:
        self._flush_slowly(path[1:])
        self._fsync_directory(path)

    # -- attributes -----------------------------------------------------------------------------------

    @_operation
    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        if path[1:] == UNSYNCED_FILE:
            return {"st_mode": stat.S_IFREG | 0o444, "st_nlink": 1}
        found = self.volume.attributes(path[1:])
        return {
            "st_ino": found.st_ino,
            "st_mode": found.st_mode,
            "st_nlink": self.volume.links(found),
            "st_uid": found.st_uid,
            "st_gid": found.st_gid,
            "st_rdev": found.st_rdev,
            "st_size": found.st_size,
            "st_blocks": found.st_blocks,
            "st_blksize": found.st_blksize,
            "st_atime": found.st_atime_ns,
            "st_mtime": found.st_mtime_ns,
            "st_ctime": found.st_ctime_ns,
        }

    @_operation
    def readlink(self, path: str) -> str:
        return self.volume.read_link(path[1:])

    @_operation
    def chmod(self, path: str, mode: int) -> None:
        self.volume.set_attribute(lambda real: os.chmod(real, mode & 0o7777), path[1:])

    @_operation
    def chown(self, path: str, uid: int, gid: int) -> None:
        self.volume.set_attribute(
            lambda real: os.chown(real, uid, gid, follow_symlinks=False), path[1:]
        )

    @_operation
    def utimens(self, path: str, times: tuple[tuple[int, int], tuple[int, int]]) -> None:
        """`times` are seconds and nanoseconds of access and change, with utimensat's two special numbers."""
        found = self.volume.attributes(path[1:])
        old = (found.st_atime_ns, found.st_mtime_ns)
        fresh = tuple(_time_ns(*new, before) for new, before in zip(times, old, strict=True))
        self.volume.set_attribute(
            lambda real: os.utime(real, ns=(fresh[0], fresh[1]), follow_symlinks=False), path[1:]
        )

    @_operation
    def statfs(self, path: str) -> dict[str, int]:
        found = self.volume.space()
        return {name: getattr(found, name) for name in dir(found) if name.startswith("f_")}

    @_operation
    def setxattr(self, path: str, name: str, value: bytes, options: int, position: int = 0) -> None:
        if name == MARK:
            self.volume.mark(value.decode())
        elif name == POWER_OFF:
            self.volume.power_off(value.decode())
        elif name == NO_DATA:
            self.volume.no_data(path[1:])
        else:
            raise OSError(errno.ENOTSUP, "extended attributes are not kept here", path)

    # -- inside ---------------------------------------------------------------------------------------

    @_operation
    def _fsync(self, path: str, fh: int) -> None:
        self.volume.fsync(path[1:], fh)

    @_operation
    def _fsync_directory(self, path: str) -> None:
        self.volume.fsync_directory(path[1:])

    def _flush_slowly(self, path: str) -> None:
        """Wait as long as a slow device takes, or until it is healed."""
        with self.alone:
            delay_ns = self.volume.device.fsync_delay_ns(path) if self.volume.device.faults else 0
        if delay_ns:
            self.healed.wait(delay_ns / 1e9)

    def _open_report(self) -> int:
        files, entries = self.volume.unsynced()
        handle = _EXTRA_HANDLE + time.monotonic_ns()
        self._reports[handle] = msgspec.json.encode(UnsyncedWork(_words(files), _words(entries)))
        return handle


class _Fuse(mfusepy.FUSE):  # type: ignore[misc]  # it has no types
    """mfusepy's adapter, where it loses what we need: flags of rename, times as they were given, uncached handles."""

    def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> int:
        if flags & _RENAME_EXCHANGE:
            return -errno.EINVAL
        return super().rename_fuse_3(old, new, flags) or 0

    def utimens_fuse_3(self, path: bytes, buf: Any, fip: Any) -> None:
        times = buf.contents
        pairs = [(t.tv_sec, t.tv_nsec) for t in (times.actime, times.modtime)]
        self.operations.utimens(path.decode(self.encoding, self.errors), tuple(pairs))

    def open(self, path: bytes, fip: Any) -> int:
        answer = super().open(path, fip)
        if fip.contents.fh >= _EXTRA_HANDLE:
            fip.contents.direct_io = 1
        return answer or 0


def serve(operations: Operations, mount: str, label: str) -> None:
    """Mount and serve until somebody unmounts or SIGTERM comes. Raises RuntimeError when FUSE cannot mount."""
    as_root = os.geteuid() == 0
    _Fuse(
        operations,
        mount,
        foreground=True,
        nothreads=True,
        fsname=label,
        subtype="reprise-power",
        use_ino=True,
        default_permissions=True,
        allow_other=as_root,
        attr_timeout=0,
        entry_timeout=0,
        negative_timeout=0,
    )


def _caller() -> Owner:
    """Whom a new file belongs to: only root can give files away."""
    if os.geteuid() != 0:
        return None
    user, group, _ = mfusepy.fuse_get_context()
    return user, group


def _time_ns(seconds: int, nanoseconds: int, before_ns: int) -> int:
    if nanoseconds == _UTIME_OMIT:
        return before_ns
    return time.time_ns() if nanoseconds == _UTIME_NOW else seconds * 10**9 + nanoseconds


def _words(rows: list[Any]) -> list[Any]:
    """Names that are no UTF-8 as JSON can carry them."""
    return [tuple(legible(cell) if isinstance(cell, str) else cell for cell in row) for row in rows]
