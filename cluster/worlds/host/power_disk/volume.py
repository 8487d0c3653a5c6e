"""What the operations of a file system mean on a disk that can lose its power. No FUSE here.

Every operation goes to the real files at once and is remembered until the sync that makes it durable. Paths are relative to
the mount point (``""``: its root). Operations raise OSError with the errno that the program is to see.

An open file whose name goes keeps a *last name* (libfuse hides it under one, because FUSE has no other way to say "the file
that has no name"): for us that is the removal of the name, and the last name is only another word for the kept file.

After `power_off` every operation fails with EIO until `power_on`; a handle opened before a power loss stays dead.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from cluster.storage.power_loss import Below
from cluster.worlds.host.power_disk.backing import Backing
from cluster.worlds.host.power_disk.device import Device
from cluster.worlds.host.power_disk.recorder import Recorder
from cluster.worlds.host.power_disk.unsynced_bytes import UnsyncedBytes
from cluster.worlds.host.power_disk.unsynced_names import Link, UnsyncedNames

__all__ = ["Handle", "Owner", "Volume"]

Owner = tuple[int, int] | None
"""User and group that own what is made; None: the daemon's own."""

_ZEROS = bytes(1 << 16)
_KEEP_SIZE, _PUNCH_HOLE, _ZERO_RANGE = 0x01, 0x02, 0x10


class Handle:
    """An open file. `inode` is 0 once the file is gone for good, `synchronous` when each write is a sync (O_SYNC, O_DSYNC)."""

    __slots__ = ("descriptor", "inode", "synchronous")

    def __init__(self, descriptor: int, flags: int) -> None:
        self.descriptor = descriptor
        self.inode = os.fstat(descriptor).st_ino
        self.synchronous = bool(flags & os.O_DSYNC)


class Volume:
    """See the module."""

    def __init__(self, backing: Backing, recorder: Recorder, device: Device) -> None:
        self.recorder = recorder
        self.device = device
        self.off = False
        self.losses = 0
        self._backing = backing
        self._bytes = UnsyncedBytes()
        self._names = UnsyncedNames()
        self._handles: dict[int, Handle] = {}
        self._opened = 0
        self._kept: dict[int, int] = {}
        """Inode -> how many kept names it has: they do not count as links."""
        self._last_names: dict[str, Link] = {}
        self._gone: dict[Link, None] = {}
        """Gone for good, but open: the file goes with its last name."""
        self._hidden: tuple[str, int] | None = None
        """Name and change of a file hidden by the operation just before this one."""

    # -- files ------------------------------------------------------------------------------------

    def create(self, path: str, flags: int, mode: int, owner: Owner) -> int:
        """Make a file and open it; returns the handle."""
        real = self._backing.at(path)
        made = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = Handle(os.open(real, made, mode), flags)
        self._made("create", path, handle.inode, owner)
        return self._open(handle)

    def open(self, path: str, flags: int) -> int:
        """Open a file; returns the handle. O_TRUNC is a truncate like any other; where O_APPEND writes, the kernel knows.

        Opened for writing it is opened for reading too: what a write replaces must be read.
        """
        real = self._real(path)
        access = flags & os.O_ACCMODE
        if access == os.O_RDONLY and not flags & os.O_TRUNC:
            return self._open(
                Handle(os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), flags)
            )
        handle = Handle(os.open(real, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC), flags)
        if flags & os.O_TRUNC:
            try:
                self._truncate(path, handle, 0)
            except OSError:
                os.close(handle.descriptor)
                raise
        return self._open(handle)

    def read(self, handle: int, size: int, offset: int) -> bytes:
        """Up to `size` bytes at `offset`."""
        return os.pread(self._handle(handle).descriptor, size, offset)

    def write(self, path: str, handle: int, data: bytes, offset: int) -> int:
        """Write; returns how much of `data` was taken."""
        file = self._handle(handle)
        if self.device.faults:
            data = data[: self.device.accepted(path, len(data))]
        if self.device.room_bytes:
            growth = offset + len(data) - os.fstat(file.descriptor).st_size
            if growth > 0:
                fits = self.device.fitting(path, self._backing.used_bytes(), growth)
                data = data[: max(0, len(data) - growth + fits)]
                if not data:
                    raise OSError(errno.ENOSPC, "no space left on the disk", path)
        self._change(path, file, (offset, offset + len(data)), "write", data)
        written = os.pwrite(file.descriptor, data, offset)
        if file.synchronous:
            self.fsync(path, handle)
        return written

    def truncate(self, path: str, size: int) -> None:
        """Make the file `size` bytes long."""
        handle = Handle(os.open(self._real(path), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC), 0)
        try:
            self._truncate(path, handle, size)
        finally:
            os.close(handle.descriptor)

    def allocate(self, path: str, handle: int, mode: int, offset: int, length: int) -> None:
        """As fallocate(2): reserve, punch and zero; other modes are EOPNOTSUPP."""
        file = self._handle(handle)
        if self.device.faults:
            self.device.accepted(path, length)
        size = os.fstat(file.descriptor).st_size
        end = offset + length
        if mode in (_PUNCH_HOLE | _KEEP_SIZE, _ZERO_RANGE, _ZERO_RANGE | _KEEP_SIZE):
            until = min(end, size)
            if offset < until:
                self._change(path, file, (offset, until), "write")
                for at in range(offset, until, len(_ZEROS)):
                    os.pwrite(file.descriptor, _ZEROS[: until - at], at)
        elif mode not in (0, _KEEP_SIZE):
            raise OSError(errno.EOPNOTSUPP, "this way of fallocate is not supported", path)
        if not mode & _KEEP_SIZE and end > size:
            self._change(path, file, (size, end), "truncate")
            os.posix_fallocate(file.descriptor, offset, length)

    def fsync(self, path: str, handle: int) -> None:
        """Make the file's bytes and length durable."""
        inode = self._handle(handle).inode
        if self.device.faults and self.device.fsync_fails(path):
            self._bytes.doom(inode)
            self.recorder.record("fsync_failed", self._called(path), inode=inode)
            raise OSError(errno.EIO, "fsync failed", path)
        self._bytes.synced(inode)
        self.recorder.record("fsync", self._called(path), inode=inode)

    def release(self, handle: int) -> None:
        """Close a handle; one from before a power loss is closed already."""
        file = self._handles.pop(handle, None)
        if file is not None:
            os.close(file.descriptor)

    # -- names ------------------------------------------------------------------------------------

    def make_node(self, path: str, mode: int, device: int, owner: Owner) -> None:
        """As mknod(2)."""
        os.mknod(self._backing.at(path), mode, device)
        self._made("create", path, os.lstat(self._backing.at(path)).st_ino, owner)

    def make_directory(self, path: str, mode: int, owner: Owner) -> None:
        """As mkdir(2)."""
        real = self._backing.at(path)
        os.mkdir(real, mode)
        self._made("mkdir", path, os.stat(real).st_ino, owner)

    def make_symlink(self, path: str, leads_to: str, owner: Owner) -> None:
        """As symlink(2)."""
        os.symlink(leads_to, self._backing.at(path))
        self._made("create", path, os.lstat(self._backing.at(path)).st_ino, owner)

    def link(self, source: str, path: str) -> None:
        """Give a file one more name."""
        os.link(self._real(source), self._backing.at(path), follow_symlinks=False)
        inode = os.lstat(self._backing.at(path)).st_ino
        self._names.created(*self._place(path), inode)
        self.recorder.record("link", path, inode=inode, source=self._called(source))

    def unlink(self, path: str) -> None:
        """Remove a name; what it led to is kept until that is durable."""
        last = self._last_names.pop(path, None)
        if last is not None:
            if last in self._gone:
                del self._gone[last]
                self._discard(last)
            return
        self._remove("unlink", path)

    def remove_directory(self, path: str) -> None:
        """As rmdir(2)."""
        with os.scandir(self._backing.at(path)) as entries:
            if any(True for _ in entries):
                raise OSError(errno.ENOTEMPTY, "the directory is not empty", path)
        self._remove("rmdir", path)

    def hide(self, path: str, last_name: str) -> None:
        """Remove the name of an open file; `last_name` leads to it until it is closed."""
        number, link = self._remove("unlink", path)
        self._last_names[last_name] = link
        self._hidden = (path, number)

    def rename(self, source: str, path: str) -> None:
        """Give a file another name, atomically, over whatever had it."""
        hidden, self._hidden = self._hidden, None
        old, new = self._backing.at(source), self._backing.at(path)
        inode = os.lstat(old).st_ino
        replaced: Link | None = None
        if hidden is not None and hidden[0] == path:
            replaced = self._names.take_back(hidden[1])
            self.recorder.take_back()
        else:
            try:
                found = os.lstat(new)
            except FileNotFoundError:
                pass
            else:
                if found.st_ino == inode:
                    return
                replaced = self._keep_replaced(path, found)
        try:
            os.rename(old, new)
        except OSError:
            if replaced is not None:
                self._put_back(path, replaced)
            raise
        self._names.moved(self._place(source), self._place(path), inode, replaced)
        self.recorder.record("rename", path, source=source)

    def fsync_directory(self, path: str) -> None:
        """Make the names in a directory durable."""
        inode = os.stat(self._backing.at(path)).st_ino
        if self.device.faults and self.device.fsync_fails(path):
            self._names.doom(inode)
            self.recorder.record("fsync_dir_failed", path)
            raise OSError(errno.EIO, "fsync failed", path)
        for link in self._names.synced(inode):
            self._let_go(link)
        self.recorder.record("fsync_dir", path)

    def no_data(self, path: str) -> None:
        """The file is no data (a lock): its name counts as durable."""
        self._names.no_data(*self._place(path))
        self.recorder.record("no_data", path)

    def names(self, path: str) -> list[tuple[str, int]]:
        """The names in a directory, each with its inode."""
        with os.scandir(self._backing.at(path)) as entries:
            return [(entry.name, entry.inode()) for entry in entries]

    # -- attributes, durable at once ------------------------------------------------------------------

    def attributes(self, path: str) -> os.stat_result:
        """As lstat(2); for the number of links see `links`."""
        return os.lstat(self._real(path))

    def links(self, found: os.stat_result) -> int:
        """How many names a file has, kept ones not counted."""
        return found.st_nlink - self._kept.get(found.st_ino, 0)

    def set_attribute(self, change: Callable[[str], None], path: str) -> None:
        """Let `change` set mode, owner or times of the file that it is given."""
        change(self._real(path))

    def read_link(self, path: str) -> str:
        """As readlink(2)."""
        return os.readlink(self._backing.at(path))

    def space(self) -> os.statvfs_result:
        """As statvfs(2)."""
        return os.statvfs(self._backing.files)

    # -- power ----------------------------------------------------------------------------------------

    def mark(self, words: str) -> None:
        """A program passed a crash point: `words` are its name and, behind a space, what the program had in hand."""
        name, _, in_hand = words.partition(" ")
        self.recorder.record("mark", name, source=in_hand)

    def power_off(self, name: str) -> None:
        """The power goes at the crash point `name`: nothing un-synced stays, nothing works until `power_on`."""
        self.recorder.record("power_off", name)
        self._lose_power(None)
        self.off = True

    def power_loss(self, below: Below | None) -> None:
        """The power goes and comes back. Where it is off already nothing more is lost."""
        if not self.off:
            self.recorder.record("power_loss", "", source="" if below is None else "drawn")
            self._lose_power(below)
        self.off = False

    def power_on(self) -> None:
        """Let the disk work again."""
        self.off = False

    @property
    def written_back(self) -> int:
        """How often un-synced work was too much to be remembered. See `unsynced_bytes`."""
        return self._bytes.written_back

    def unsynced(self) -> tuple[list[tuple[str, int, int]], list[tuple[str, str]]]:
        """What would not survive: (path, first byte, end) of files, (directory, name) of entries."""
        if self._bytes.clean and self._names.clean:
            return [], []
        paths = self._backing.paths()
        files = [
            (paths[inode], *self._bytes.range(inode))
            for inode in self._bytes.files()
            if inode in paths
        ]
        entries = [
            (paths[directory], name)
            for directory, names in self._names.entries().items()
            if directory in paths
            for name in names
        ]
        return files, entries

    def next_operation(self) -> None:
        """Another operation than the one that hid a file begins: the two do not belong together."""
        self._hidden = None

    # -- inside ---------------------------------------------------------------------------------------

    def _open(self, handle: Handle) -> int:
        self._opened += 1
        self._handles[self._opened] = handle
        return self._opened

    def _handle(self, handle: int) -> Handle:
        file = self._handles.get(handle)
        if file is None:
            raise OSError(errno.EIO, "the file was open when the power went")
        return file

    def _real(self, path: str) -> str:
        last = self._last_names.get(path) if self._last_names else None
        return self._backing.at(path) if last is None else self._backing.kept(last)

    def _called(self, path: str) -> str:
        """The name for the ledger; ``""`` for a file that has none."""
        return "" if path in self._last_names else path

    def _place(self, path: str) -> tuple[int, str]:
        directory, _, name = path.rpartition("/")
        return os.stat(self._backing.at(directory)).st_ino, name

    def _made(self, operation: str, path: str, inode: int, owner: Owner) -> None:
        above, _, name = path.rpartition("/")
        directory = os.stat(self._backing.at(above))
        if owner is not None:
            user, group = owner
            group = -1 if directory.st_mode & stat.S_ISGID else group
            os.chown(self._backing.at(path), user, group, follow_symlinks=False)
        self._names.created(directory.st_ino, name, inode)
        self.recorder.fresh(inode)
        self.recorder.record(operation, path, inode=inode if operation == "create" else 0)

    def _truncate(self, path: str, file: Handle, size: int) -> None:
        length = os.fstat(file.descriptor).st_size
        if size != length:
            self._change(path, file, (min(size, length), max(size, length)), "truncate")
            os.ftruncate(file.descriptor, size)

    def _change(
        self, path: str, file: Handle, piece: tuple[int, int], operation: str, data: bytes = b""
    ) -> None:
        """Remember what stands in `piece` (first byte, end) before it changes; `data` is what a write puts there."""
        offset, end = piece
        size = os.fstat(file.descriptor).st_size
        first = min(offset, size)
        written_back = self._bytes.written_back
        if file.inode:
            old = os.pread(file.descriptor, min(end, size) - first, first) if first < size else b""
            self._bytes.changing(file.inode, (first, end, size, old))
        called = self._called(path)
        self.recorder.record(
            operation, called, inode=file.inode, offset=first, length=end - first, data=data
        )
        if self._bytes.written_back > written_back:
            self.recorder.record("written_back", called, inode=file.inode)

    def _remove(self, operation: str, path: str) -> tuple[int, Link]:
        real = self._backing.at(path)
        inode = os.lstat(real).st_ino
        directory, name = self._place(path)
        link = self._names.link(directory, name, inode)
        self._keep(link, real)
        number = self._names.removed(directory, name, inode)
        self.recorder.record(operation, path)
        return number, link

    def _keep(self, link: Link, real: str) -> None:
        os.rename(real, self._backing.kept(link))
        self._kept[link.inode] = self._kept.get(link.inode, 0) + 1

    def _keep_replaced(self, path: str, found: os.stat_result) -> Link:
        """Keep what a rename replaces: a file by a second name, so that the rename stays atomic; a directory moves."""
        link = self._names.link(*self._place(path), found.st_ino)
        real = self._backing.at(path)
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(real) as entries:
                if any(True for _ in entries):
                    raise OSError(errno.ENOTEMPTY, "the directory is not empty", path)
            self._keep(link, real)
        else:
            os.link(real, self._backing.kept(link), follow_symlinks=False)
            self._kept[link.inode] = self._kept.get(link.inode, 0) + 1
        return link

    def _put_back(self, path: str, link: Link) -> None:
        """A rename failed: what it would have replaced has its name as before."""
        os.rename(self._backing.kept(link), self._backing.at(path))
        self._unkeep(link)

    def _unkeep(self, link: Link) -> None:
        left = self._kept.pop(link.inode, 0) - 1
        if left > 0:
            self._kept[link.inode] = left

    def _let_go(self, link: Link) -> None:
        """A name is gone for good; what it led to goes too, unless somebody has it open."""
        if link in self._last_names.values():
            self._gone[link] = None
        else:
            self._discard(link)

    def _discard(self, link: Link) -> None:
        """The records go before the inode does: its number may be given to another file at once."""
        real = self._backing.kept(link)
        try:
            found = os.lstat(real)
        except FileNotFoundError:
            return  # it has a name in another directory
        self._unkeep(link)
        if stat.S_ISDIR(found.st_mode):
            for lost in self._names.directory_gone(link.inode):
                self._let_go(lost)
            os.rmdir(real)
            return
        if found.st_nlink == 1:
            self._bytes.gone(link.inode)
            for handle in self._handles.values():
                if handle.inode == link.inode:
                    handle.inode = 0
        os.unlink(real)

    def _lose_power(self, below: Below | None) -> None:
        self.losses += 1
        for handle in self._handles.values():
            os.close(handle.descriptor)
        self._handles.clear()
        self._kept.clear()
        self._last_names.clear()
        self._gone.clear()
        self._hidden = None
        self._backing.roll_back(self._bytes, self._names, below)
