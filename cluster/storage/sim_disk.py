"""`SimDisk`: a disk in memory that forgets at a power loss exactly what POSIX allows it to forget.

Here lives the model of what is visible and what is durable, and nothing about any file format.
Nothing here draws randomness: `power_loss` is handed `below(n)`, a draw from [0, n).

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
from collections.abc import Callable
from dataclasses import dataclass

from cluster.storage.disk import SECTOR_BYTES, DiskFault, DiskFull, Lines, Lock, LockHeld

__all__ = ["SimDisk"]

_Undo = tuple[int, int, int, bytearray]
"""One write: first byte, end, the file's length before, the bytes that stood there before."""

_NOTHING = bytearray()


class _Node:
    """A file or directory; `parent` is None once its name is gone."""

    __slots__ = ("name", "parent")

    def __init__(self, parent: _Directory | None, name: str) -> None:
        self.parent = parent
        self.name = name

    def path(self) -> str | None:
        """The present path, or None when no name leads here."""
        if self.parent is None:
            return "" if self.name == "" else None
        above = self.parent.path()
        if above is None:
            return None
        return f"{above}/{self.name}" if above else self.name


class _Inode(_Node):
    __slots__ = ("content", "doomed", "undo")

    def __init__(self, parent: _Directory | None, name: str) -> None:
        super().__init__(parent, name)
        self.content = bytearray()
        self.undo: list[_Undo] = []
        self.doomed = False

    def missing(self, path: str) -> list[str]:
        """Say which bytes are not durable, in one line (or none)."""
        if not self.undo:
            return []
        first = min(record[0] for record in self.undo)
        end = max(record[1] for record in self.undo)
        return [f"{path}: bytes {first}..{end} not fsynced"]

    def lose_power(self, below: Callable[[int], int], *, drop_all: bool) -> None:
        """Put back the durable content, with a drawn part of what was written since."""
        written = self.content
        self.content = durable = bytearray(written)
        shortest = len(written)
        for first, _, length, old in reversed(self.undo):
            shortest = min(shortest, length)
            if len(durable) < length:
                durable.extend(bytes(length - len(durable)))
            durable[first : first + len(old)] = old
            del durable[length:]
        if not drop_all:
            self._keep_some(written, shortest, below)
        self.undo.clear()
        self.doomed = False

    def _keep_some(self, written: bytearray, shortest: int, below: Callable[[int], int]) -> None:
        """Bring back drawn sectors of `written` over the durable content.

        Three ways to lose power, drawn: nothing arrived, the first sectors in the order of writing
        did (a torn tail), or any sector may have. Draw 0 is the plainest outcome.
        """
        content = self.content
        shorter = min(shortest, len(written))
        if shorter < len(content) and below(2):
            del content[shorter:]
        sectors = self._written_sectors(len(written))
        way = below(3)
        if way == 0:
            return
        if way == 1:
            kept = sectors[: below(len(sectors) + 1)]
        else:
            kept = [sector for sector in sectors if below(2)]
        for sector in kept:
            first = sector * SECTOR_BYTES
            piece = written[first : first + SECTOR_BYTES]
            if len(content) < first:
                content.extend(bytes(first - len(content)))
            content[first : first + len(piece)] = piece

    def _written_sectors(self, size: int) -> list[int]:
        """Numbers of the un-synced sectors below `size`, each once, in the order of writing."""
        order: dict[int, None] = {}
        for first, end, length, _ in self.undo:
            start = min(first, length)
            for sector in range(start // SECTOR_BYTES, -(-min(end, size) // SECTOR_BYTES)):
                order[sector] = None
        return list(order)


_Operation = tuple[str, str, "_Node | None"]
"""One change of a directory: the name that goes (or ""), the name that comes (or ""), what it leads to."""


def _apply(entries: dict[str, _Node], operation: _Operation) -> None:
    """Carry `operation` out on `entries`; what it leads to never has two names."""
    gone, come, node = operation
    if gone:
        entries.pop(gone, None)
    if come and node is not None:
        for name in [name for name, other in entries.items() if other is node]:
            del entries[name]
        entries[come] = node


class _Directory(_Node):
    __slots__ = ("durable", "entries", "operations")

    def __init__(self, parent: _Directory | None, name: str) -> None:
        super().__init__(parent, name)
        self.entries: dict[str, _Node] = {}
        self.durable: dict[str, _Node] = {}
        self.operations: list[_Operation] = []

    def missing(self, path: str, only: str = "") -> list[str]:
        """Say which entries are not durable, one line each; `only` asks for one name."""
        names: dict[str, None] = {}
        for gone, come, _ in self.operations:
            for name in (gone, come):
                if name and (not only or name == only):
                    names[name] = None
        return [f"{path or '.'}: entry {name} not fsynced" for name in names]

    def lose_power(self, below: Callable[[int], int], *, drop_all: bool) -> None:
        """Put back the durable entries, with a drawn part of the operations since, in their order."""
        for node in self.entries.values():
            node.parent = None
        if not drop_all:
            for operation in self.operations:
                if below(2):
                    _apply(self.durable, operation)
        self.operations.clear()
        self.entries = dict(self.durable)
        for name, node in self.entries.items():
            node.parent, node.name = self, name


@dataclass(slots=True)
class _Rule:
    """One fault that is switched on for all paths beginning with `prefix`."""

    kind: str
    prefix: str
    amount: int = 0
    once: bool = False


class _SimFile:
    """An open file of a `SimDisk`; dead after `kill` and `power_loss`."""

    __slots__ = ("_disk", "_generation", "_inode")

    def __init__(self, disk: SimDisk, inode: _Inode) -> None:
        self._disk = disk
        self._inode = inode
        self._generation = disk.generation

    def read(self, offset: int, length: int) -> bytes:
        disk = self._disk
        if self._generation != disk.generation:
            raise _dead(self._inode)
        if disk.rules:
            length = disk.shortened(self._inode, length)
        disk.elapsed_ns += disk.read_ns
        return bytes(self._inode.content[offset : offset + length])

    def write(self, offset: int, data: bytes) -> None:
        disk = self._disk
        inode = self._inode
        if self._generation != disk.generation:
            raise _dead(inode)
        full = False
        if disk.rules:
            data, full = disk.fitting(inode, data)
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
            raise DiskFull(errno.ENOSPC, "no space left on the disk", inode.path() or inode.name)

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
            try:
                disk.syncing(inode.path() or inode.name)
            except DiskFault:
                inode.doomed = True
                raise
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
        self.rules: list[_Rule] = []
        self.locks: dict[str, None] = {}
        self.dirty: dict[_Inode | _Directory, None] = {}
        """Invariant: exactly the files with undo records and the directories with operations."""
        self._root = _Directory(None, "")

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
            node = _Inode(directory, name)
            self._change(directory, ("", name, node))
        elif create and exclusive:
            raise FileExistsError(errno.EEXIST, "the file exists", path)
        if not isinstance(node, _Inode):
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
            if isinstance(replaced, _Directory) or isinstance(node, _Directory):
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
        if isinstance(node, _Directory):
            raise IsADirectoryError(errno.EISDIR, "a directory", path)
        node.parent = None
        self._change(directory, (name, "", None))
        self.elapsed_ns += self.entry_ns

    def mkdir(self, path: str) -> None:
        """See `Disk.mkdir`."""
        directory, name = self._parent(path)
        if name in directory.entries or not name:
            raise FileExistsError(errno.EEXIST, "the name is taken", path)
        self._change(directory, ("", name, _Directory(directory, name)))
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
            self.syncing(path)
        if node.operations:
            for operation in node.operations:
                _apply(node.durable, operation)
            node.operations.clear()
            del self.dirty[node]

    def lock(self, path: str) -> Lock:
        """See `Disk.lock`."""
        directory, name = self._parent(path)
        if path in self.locks:
            raise LockHeld(errno.EWOULDBLOCK, "the lock is held", path)
        if name not in directory.entries:
            directory.entries[name] = directory.durable[name] = _Inode(directory, name)
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
            if not path or at == path or at.startswith(f"{path}/"):
                found += node.missing(at)
            elif isinstance(node, _Directory) and (not at or path.startswith(f"{at}/")):
                next_name = path[len(at) + 1 if at else 0 :].split("/", 1)[0]
                found += node.missing(at, next_name)
        return sorted(found)

    # -- what happens to it ---------------------------------------------------------------------

    def kill(self) -> None:
        """The process is gone: handles and locks die, everything written stays."""
        self.generation += 1
        self.locks.clear()

    def power_loss(self, below: Callable[[int], int], *, drop_all: bool = False) -> None:
        """The machine is gone: like `kill`, and of what was not fsynced only a drawn part stays.

        `drop_all` keeps nothing un-synced and draws nothing.
        """
        self.kill()
        dirty, self.dirty = self.dirty, {}
        for node in dirty:
            node.lose_power(below, drop_all=drop_all)

    def image(self) -> SimDisk:
        """Return a deep copy of the disk as it is now, without handles, locks and faults."""
        copy = SimDisk(
            read_ns=self.read_ns,
            write_ns=self.write_ns,
            fsync_ns=self.fsync_ns,
            entry_ns=self.entry_ns,
        )
        copies: dict[_Node, _Node] = {self._root: copy._root}
        _copy_directory(self._root, copies)
        for node in self.dirty:
            twin = copies.get(node)
            if isinstance(twin, (_Inode, _Directory)):
                copy.dirty[twin] = None
        return copy

    def fail_fsync(self, prefix: str, *, once: bool = False) -> None:
        """Answer EIO to the next fsync (`once`) or every fsync from now on below `prefix`."""
        self.rules.append(_Rule("fsync", prefix, once=once))

    def fill_up(self, prefix: str, *, kept_bytes: int = 0) -> None:
        """Answer ENOSPC to every write below `prefix`, after the first `kept_bytes` of it are written."""
        self.rules.append(_Rule("full", prefix, kept_bytes))

    def shorten_reads(self, prefix: str, *, bytes_max: int) -> None:
        """Let reads below `prefix` return `bytes_max` bytes at most, as a failing device may."""
        self.rules.append(_Rule("read", prefix, bytes_max))

    def slow_fsync(self, prefix: str, *, extra_ns: int) -> None:
        """Let every fsync below `prefix` take `extra_ns` more."""
        self.rules.append(_Rule("slow", prefix, extra_ns))

    def heal(self) -> None:
        """Switch every fault off; files doomed by a failed fsync stay doomed until the power goes."""
        self.rules.clear()

    def flip_bit(self, path: str, offset: int, bit: int = 0) -> None:
        """Rot: invert one bit of the byte at `offset`, on the medium as well as for readers."""
        node = self._find(path)
        if not isinstance(node, _Inode) or offset >= len(node.content):
            raise FileNotFoundError(errno.ENOENT, f"no byte {offset} in the file", path)
        node.content[offset] ^= 1 << bit
        for first, _, _, old in node.undo:
            if first <= offset < first + len(old):
                old[offset - first] ^= 1 << bit

    # -- faults, asked by open files while any is switched on -------------------------------------

    def syncing(self, path: str) -> None:
        """Charge for slow fsyncs of `path`; raise DiskFault when one fails."""
        for rule in list(self.rules):
            if not path.startswith(rule.prefix):
                continue
            if rule.kind == "slow":
                self.elapsed_ns += rule.amount
            elif rule.kind == "fsync":
                if rule.once:
                    self.rules.remove(rule)
                raise DiskFault(errno.EIO, "fsync failed", path)

    def fitting(self, inode: _Inode, data: bytes) -> tuple[bytes, bool]:
        """Return the part of `data` that has room, and whether the disk is full then."""
        path = inode.path() or inode.name
        for rule in self.rules:
            if rule.kind == "full" and path.startswith(rule.prefix):
                return data[: rule.amount], True
        return data, False

    def shortened(self, inode: _Inode, length: int) -> int:
        """Return how many of `length` bytes a read delivers."""
        path = inode.path() or inode.name
        for rule in self.rules:
            if rule.kind == "read" and path.startswith(rule.prefix):
                length = min(length, rule.amount)
        return length

    # -- the tree ---------------------------------------------------------------------------------

    def _change(self, directory: _Directory, operation: _Operation) -> None:
        _apply(directory.entries, operation)
        if not directory.operations:
            self.dirty[directory] = None
        directory.operations.append(operation)

    def _find(self, path: str) -> _Node | None:
        node: _Node = self._root
        if not path:
            return node
        for name in path.split("/"):
            if not isinstance(node, _Directory):
                return None
            found = node.entries.get(name)
            if found is None:
                return None
            node = found
        return node

    def _directory(self, path: str) -> _Directory:
        node = self._find(path)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, "no such directory", path)
        if not isinstance(node, _Directory):
            raise NotADirectoryError(errno.ENOTDIR, "not a directory", path)
        return node

    def _parent(self, path: str) -> tuple[_Directory, str]:
        above, _, name = path.rpartition("/")
        return self._directory(above), name


def _copy_directory(source: _Directory, copies: dict[_Node, _Node]) -> None:
    """Fill the twin of `source` in `copies`; nodes that only the durable side knows are copied too."""
    twin = copies[source]
    assert isinstance(twin, _Directory)
    mentioned = [node for _, _, node in source.operations if node is not None]
    for node in [*source.entries.values(), *source.durable.values(), *mentioned]:
        if node in copies:
            continue
        if isinstance(node, _Inode):
            inode = _Inode(None, node.name)
            inode.content = bytearray(node.content)
            inode.undo = [(a, b, c, bytearray(old)) for a, b, c, old in node.undo]
            inode.doomed = node.doomed
            copies[node] = inode
        elif isinstance(node, _Directory):
            copies[node] = _Directory(None, node.name)
            _copy_directory(node, copies)
    twin.entries = {name: copies[node] for name, node in source.entries.items()}
    twin.durable = {name: copies[node] for name, node in source.durable.items()}
    twin.operations = [
        (gone, come, None if node is None else copies[node])
        for gone, come, node in source.operations
    ]
    for name, node in twin.entries.items():
        node.parent, node.name = twin, name


def _dead(inode: _Inode) -> OSError:
    """The error of using a file of an earlier life: whoever kept it is at fault."""
    return OSError(errno.EBADF, "the file was closed, or its process died", inode.name)
