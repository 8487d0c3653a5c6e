"""`SimDisk`: a disk in memory that forgets at a power loss exactly what POSIX allows it to forget.

Here lives the model of what is visible and what is durable, and nothing about any file format.
What a power loss makes of it is decided in `power_loss`.

How it works:

* A file's bytes are what a reader sees. Beside them stands an undo list: one record per write or
  truncate since the last fsync, holding the bytes and the length that it replaced. fsync forgets the
  list; the durable content is the visible one with the list undone. A write costs one small slice
  and an fsync one `clear`, whatever the size of the file.
* A directory has visible entries, durable entries, and the ordered list of operations between them;
  `fsync_dir` replays the list on the durable ones.
* Files and directories with something un-synced stand in one dict, so that `unsynced` costs nothing
  on a clean disk and little on a dirty one.
* After a failed fsync the file is *doomed*: later ones answer success and make nothing durable, as
  Linux did to PostgreSQL ("fsyncgate", 2018).

The model of the faults follows LazyFS and TigerBeetle's `testing/storage.zig`.
"""

from __future__ import annotations

import errno

from cluster.storage.disk import DiskFault, DiskFull, Lines, Lock, LockHeld
from cluster.storage.power_loss import Below, Change, change_entries
from cluster.storage.sim_faults import DiskFaults
from cluster.storage.sim_nodes import Directory, Inode, Node, copy_directory
from cluster.storage.unsynced import below_or_at, step_towards

__all__ = ["SimDisk"]

_NOTHING = bytearray()


class _SimFile:
    """An open file of a `SimDisk`; dead after `kill` and `power_loss`."""

    __slots__ = ("_disk", "_generation", "_inode")

    def __init__(self, disk: SimDisk, inode: Inode) -> None:
        self._disk = disk
        self._inode = inode
        self._generation = disk.generation

    def read(self, offset: int, length: int) -> bytes:
        disk = self._disk
        if self._generation != disk.generation:
            raise _dead(self._inode)
        if disk.rules:
            length = disk.faults.readable(self._inode.called, length)
        disk.elapsed_ns += disk.read_ns
        return bytes(self._inode.content[offset : offset + length])

    def write(self, offset: int, data: bytes) -> None:
        disk = self._disk
        inode = self._inode
        if self._generation != disk.generation:
            raise _dead(inode)
        if not data:
            return
        full = False
        if disk.rules:
            data, full = disk.faults.fitting(inode.called, data)
        content = inode.content
        size = len(content)
        end = offset + len(data)
        undo = inode.undo
        if not undo:
            disk.dirty[inode] = None
        if offset == size:
            undo.append((offset, end, size, _NOTHING))
            content += data
        elif offset < size:
            undo.append((offset, end, size, content[offset:end]))
            content[offset:end] = data
        else:
            undo.append((size, end, size, _NOTHING))
            content.extend(bytes(offset - size))
            content += data
        disk.elapsed_ns += disk.write_ns
        if full:
            raise DiskFull(errno.ENOSPC, "no space left on the disk", inode.called)

    def truncate(self, size: int) -> None:
        inode = self._inode
        if self._generation != self._disk.generation:
            raise _dead(inode)
        content = inode.content
        length = len(content)
        if size == length:
            return
        if not inode.undo:
            self._disk.dirty[inode] = None
        if size < length:
            inode.undo.append((size, length, length, content[size:]))
            del content[size:]
        else:
            inode.undo.append((length, size, length, _NOTHING))
            content.extend(bytes(size - length))
        self._disk.elapsed_ns += self._disk.write_ns

    def size(self) -> int:
        if self._generation != self._disk.generation:
            raise _dead(self._inode)
        return len(self._inode.content)

    def fsync(self) -> None:
        disk = self._disk
        inode = self._inode
        if self._generation != disk.generation:
            raise _dead(inode)
        disk.elapsed_ns += disk.fsync_ns
        if disk.rules:
            disk.charge_fsync(inode)
        if inode.undo and not inode.doomed:
            inode.undo.clear()
            del disk.dirty[inode]

    def close(self) -> None:
        self._generation = -1


class _SimLock:
    def __init__(self, disk: SimDisk, path: str) -> None:
        self._disk = disk
        self._path = path
        self._generation = disk.generation

    def release(self) -> None:
        if self._generation == self._disk.generation:
            self._disk.locks.pop(self._path, None)
        self._generation = -1


class SimDisk:
    """See the module. Every operation adds its cost to `elapsed_ns`, which its owner may set back.

    `entry_ns` is the cost of opening, creating, renaming or removing a name. A permission `mode` is
    accepted and forgotten: one simulated user owns everything.
    """

    def __init__(
        self, *, read_ns: int = 0, write_ns: int = 0, fsync_ns: int = 0, entry_ns: int = 0
    ) -> None:
        self.read_ns = read_ns
        self.write_ns = write_ns
        self.fsync_ns = fsync_ns
        self.entry_ns = entry_ns
        self.elapsed_ns = 0
        self.generation = 0
        self.faults = DiskFaults()
        self.rules = self.faults.rules
        """The same list as in `faults`: asked for at every operation."""
        self.locks: dict[str, None] = {}
        self.dirty: dict[Inode | Directory, None] = {}
        """Invariant: exactly the files with undo records and the directories with operations."""
        self._root = Directory(None, "")

    # -- what a node does ---------------------------------------------------------------------

    def open(
        self, path: str, *, create: bool = False, exclusive: bool = False, mode: int = 0o644
    ) -> _SimFile:
        """See `Disk.open`."""
        directory, name = self._parent(path)
        self.elapsed_ns += self.entry_ns
        node = directory.entries.get(name)
        if node is None:
            if not create:
                raise FileNotFoundError(errno.ENOENT, "no such file", path)
            node = Inode(directory, name)
            self._change(directory, ("", name, node))
        elif create and exclusive:
            raise FileExistsError(errno.EEXIST, "the file exists", path)
        if not isinstance(node, Inode):
            raise IsADirectoryError(errno.EISDIR, "a directory", path)
        return _SimFile(self, node)

    def exists(self, path: str) -> bool:
        """See `Disk.exists`."""
        return self._find(path) is not None

    def rename(self, source: str, target: str) -> None:
        """See `Disk.rename`."""
        directory, old = self._parent(source)
        other, new = self._parent(target)
        if directory is not other:
            raise OSError(errno.EXDEV, "rename between two directories", source, None, target)
        node = directory.entries.get(old)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, "no such file or directory", source)
        replaced = directory.entries.get(new)
        if replaced is node:
            return
        if replaced is not None:
            if isinstance(replaced, Directory) or isinstance(node, Directory):
                raise FileExistsError(errno.EEXIST, "the name is taken", target)
            replaced.parent = None
        node.name = new
        self._change(directory, (old, new, node))
        self.elapsed_ns += self.entry_ns

    def unlink(self, path: str) -> None:
        """See `Disk.unlink`."""
        directory, name = self._parent(path)
        node = directory.entries.get(name)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        if isinstance(node, Directory):
            raise IsADirectoryError(errno.EISDIR, "a directory", path)
        node.parent = None
        self._change(directory, (name, "", None))
        self.elapsed_ns += self.entry_ns

    def mkdir(self, path: str) -> None:
        """See `Disk.mkdir`."""
        directory, name = self._parent(path)
        if name in directory.entries or not name:
            raise FileExistsError(errno.EEXIST, "the name is taken", path)
        self._change(directory, ("", name, Directory(directory, name)))
        self.elapsed_ns += self.entry_ns

    def rmdir(self, path: str) -> None:
        """See `Disk.rmdir`."""
        node = self._directory(path)
        if node.entries:
            raise OSError(errno.ENOTEMPTY, "the directory is not empty", path)
        directory, name = self._parent(path)
        node.parent = None
        self._change(directory, (name, "", None))
        self.elapsed_ns += self.entry_ns

    def list(self, path: str) -> Lines:
        """See `Disk.list`."""
        return sorted(self._directory(path).entries)

    def fsync_dir(self, path: str) -> None:
        """See `Disk.fsync_dir`."""
        node = self._directory(path)
        self.elapsed_ns += self.fsync_ns
        if self.rules:
            self.charge_fsync(node)
        if node.operations and not node.doomed:
            for operation in node.operations:
                change_entries(node.durable, operation)
            node.operations.clear()
            del self.dirty[node]

    def lock(self, path: str) -> Lock:
        """See `Disk.lock`."""
        directory, name = self._parent(path)
        if path in self.locks:
            raise LockHeld(errno.EWOULDBLOCK, "the lock is held", path)
        if name not in directory.entries:
            directory.entries[name] = directory.durable[name] = Inode(directory, name)
        self.locks[path] = None
        return _SimLock(self, path)

    def unsynced(self, path: str) -> Lines:
        """See `Disk.unsynced`; exact, and free on a clean disk."""
        if not self.dirty:
            return []
        found: Lines = []
        for node in self.dirty:
            at = node.path()
            if at is None:
                continue
            if below_or_at(at, path):
                found += node.missing(at)
            elif isinstance(node, Directory) and (step := step_towards(at, path)):
                found += node.missing(at, step)
        return sorted(found)

    # -- what happens to it ---------------------------------------------------------------------

    def kill(self) -> None:
        """The process is gone: handles and locks die, everything written stays."""
        self.generation += 1
        self.locks.clear()

    def power_loss(self, below: Below | None) -> None:
        """The machine is gone: like `kill`, and of what was not fsynced only a drawn part stays.

        `below(n)` draws a number in [0, n); None keeps nothing un-synced and draws nothing.
        """
        self.kill()
        dirty, self.dirty = self.dirty, {}
        for node in dirty:
            node.lose_power(below)

    def image(self) -> SimDisk:
        """Return a deep copy of the disk as it is now, without handles, locks and faults."""
        copy = SimDisk(
            read_ns=self.read_ns,
            write_ns=self.write_ns,
            fsync_ns=self.fsync_ns,
            entry_ns=self.entry_ns,
        )
        copies: dict[Node, Node] = {self._root: copy._root}
        copy_directory(self._root, copies)
        for node in self.dirty:
            twin = copies.get(node)
            if isinstance(twin, (Inode, Directory)):
                copy.dirty[twin] = None
        return copy

    def charge_fsync(self, node: Node) -> None:
        """While a fault is on: let an fsync be slow, or fail and doom the file or directory."""
        try:
            self.elapsed_ns += self.faults.fsync_delay(node.called)
        except DiskFault:
            node.doomed = node in self.dirty
            raise

    def flip_bit(self, path: str, offset: int, bit: int = 0) -> None:
        """Rot: invert one bit of the byte at `offset`, on the medium as well as for readers."""
        node = self._find(path)
        if not isinstance(node, Inode) or offset >= len(node.content):
            raise FileNotFoundError(errno.ENOENT, f"no byte {offset} in the file", path)
        node.content[offset] ^= 1 << bit
        for number, (first, end, length, old) in enumerate(node.undo):
            if first <= offset < first + len(old):
                rotten = bytearray(old)
                rotten[offset - first] ^= 1 << bit
                node.undo[number] = (first, end, length, rotten)

    # -- the tree ---------------------------------------------------------------------------------

    def _change(self, directory: Directory, operation: Change[Node]) -> None:
        change_entries(directory.entries, operation)
        if not directory.operations:
            self.dirty[directory] = None
        directory.operations.append(operation)

    def _find(self, path: str) -> Node | None:
        node: Node = self._root
        if not path:
            return node
        for name in path.split("/"):
            if not isinstance(node, Directory):
                return None
            found = node.entries.get(name)
            if found is None:
                return None
            node = found
        return node

    def _directory(self, path: str) -> Directory:
        node = self._find(path)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, "no such directory", path)
        if not isinstance(node, Directory):
            raise NotADirectoryError(errno.ENOTDIR, "not a directory", path)
        return node

    def _parent(self, path: str) -> tuple[Directory, str]:
        above, _, name = path.rpartition("/")
        return self._directory(above), name


def _dead(inode: Inode) -> OSError:
    """The error of using a file of an earlier life: whoever kept it is at fault."""
    return OSError(errno.EBADF, "the file was closed, or its process died", inode.name)
