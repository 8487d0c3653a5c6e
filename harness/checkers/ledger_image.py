"""What a disk must hold after a power loss, byte for byte, worked out from its ledger alone, by POSIX' rules and no more.

An oracle beside the disk's own bookkeeping, and made the other way round: the disk remembers what un-synced work replaced and takes it
back, here un-synced work waits, and is carried out when its sync comes. Its rules:

* bytes are durable after an fsync of their file, names after one of their directory, each sync for what came before it;
* a failed sync loses what it should have stored, and a later one does not bring it back before the power was lost;
* a file is there if every name on the way to it is durable.

It says so itself where it cannot know (`inexact`): records are missing, the disk counted un-synced work as written back, a drawn
part of it stayed, a name moved between directories.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from cluster.ledger import LedgerRecord

__all__ = ["LedgerImage", "compare"]


class _File:
    """`durable` is its content after a power loss; what waits for an fsync is in `waiting`, oldest first."""

    __slots__ = ("durable", "failed", "size", "waiting")

    def __init__(self) -> None:
        self.durable = bytearray()
        self.size = 0
        self.waiting: list[tuple[int, int, bytes | None]] = []
        """(first byte, end, data) of a write; data is None for a truncation to `end`, of which `first` is the smaller size."""
        self.failed = False

    def sync(self) -> None:
        if self.failed:
            return
        for first, end, data in self.waiting:
            if data is None:
                del self.durable[end:]
            self.durable.extend(bytes(max(0, end - len(self.durable))))
            if data is not None:
                self.durable[first:end] = bytes(end - first - len(data)) + data
        self.waiting.clear()

    def lose_power(self) -> None:
        self.waiting.clear()
        self.size = len(self.durable)
        self.failed = False


class _Directory:
    """Names as programs see them `now`, and those that a power loss leaves."""

    __slots__ = ("durable", "failed", "now")

    def __init__(self) -> None:
        self.now: dict[str, _File | _Directory] = {}
        self.durable: dict[str, _File | _Directory] = {}
        self.failed = False


class LedgerImage:
    """See the module. `take` the records of a disk that was empty at first; then ask."""

    def __init__(self) -> None:
        self.inexact = ""
        """Why the answers may be wrong from here on; ``""``: they are not."""
        self._root = _Directory()
        self._files: dict[int, _File] = {}
        self._taken = 0
        self._acts: dict[str, Callable[[LedgerRecord], None]] = {
            "create": self._create,
            "fsync": self._fsync,
            "fsync_dir": self._fsync_directory,
            "fsync_dir_failed": self._fsync_directory_failed,
            "fsync_failed": self._fsync_failed,
            "link": self._link,
            "mkdir": self._make_directory,
            "no_data": self._no_data,
            "power_loss": self._power_loss,
            "power_off": self._power_loss,
            "rename": self._rename,
            "rmdir": self._remove,
            "truncate": self._truncate,
            "unlink": self._remove,
            "write": self._write,
            "written_back": self._written_back,
        }

    def take(self, record: LedgerRecord) -> None:
        """Take the next record of the ledger. A mark changes nothing."""
        if record.sequence != self._taken + 1:
            self._doubt(f"records {self._taken + 1} to {record.sequence - 1} are missing")
        self._taken = record.sequence
        act = self._acts.get(record.operation)
        if act is None or self.inexact:
            return
        try:
            act(record)
        except KeyError:
            self._doubt(f"record {record.sequence} speaks of something that was never made")

    def surviving(self) -> dict[str, tuple[int, int]]:
        """What a power loss now would leave: path -> (size, zlib.crc32); directories end with ``/`` and have (0, 0)."""
        found: dict[str, tuple[int, int]] = {}
        for path, node in _walk(self._root, "", durable=True):
            if isinstance(node, _File):
                found[path] = (len(node.durable), zlib.crc32(node.durable))
            else:
                found[f"{path}/"] = (0, 0)
        return found

    def unsynced(self, path: str) -> list[str]:
        """Say of everything that is there at and below `path` what a power loss now would take, one line each, sorted."""
        lines: list[str] = []
        at = self._root
        *above, last = path.split("/")
        for name in above:
            if not isinstance(below := at.now.get(name), _Directory):
                return []
            at = below
        if (top := at.now.get(last)) is None:
            return []
        if at.durable.get(last) is not top:
            lines.append(_unsynced_name("/".join(above), last))
        for where, node in [(path, top), *_walk(top, path, durable=False)]:
            if isinstance(node, _Directory):
                lines += [
                    _unsynced_name(where, name)
                    for name, one in node.now.items()
                    if node.durable.get(name) is not one
                ]
            elif node.waiting:
                first = min(piece[0] for piece in node.waiting)
                end = max(piece[1] for piece in node.waiting)
                lines.append(f"{where}: bytes {first}..{end} not fsynced")
        return sorted(lines)

    # -- one operation each -----------------------------------------------------------------------------

    def _create(self, record: LedgerRecord) -> None:
        directory, name = self._place(record.path)
        directory.now[name] = self._files[record.file] = _File()

    def _make_directory(self, record: LedgerRecord) -> None:
        directory, name = self._place(record.path)
        directory.now[name] = _Directory()

    def _link(self, record: LedgerRecord) -> None:
        directory, name = self._place(record.path)
        directory.now[name] = self._files[record.file]

    def _remove(self, record: LedgerRecord) -> None:
        directory, name = self._place(record.path)
        del directory.now[name]

    def _rename(self, record: LedgerRecord) -> None:
        source, old = self._place(record.source)
        target, new = self._place(record.path)
        target.now[new] = source.now.pop(old)
        if source is not target:
            self._doubt(f"{record.source} moved to another directory")

    def _write(self, record: LedgerRecord) -> None:
        file = self._files[record.file]
        end = record.offset + record.length
        file.waiting.append((record.offset, end, record.data))
        file.size = max(file.size, end)

    def _truncate(self, record: LedgerRecord) -> None:
        """The record says which bytes changed; the size before says whether they came or went."""
        file = self._files[record.file]
        end = record.offset + record.length
        file.size = record.offset if file.size >= end else end
        file.waiting.append((record.offset, file.size, None))

    def _fsync(self, record: LedgerRecord) -> None:
        self._files[record.file].sync()

    def _fsync_failed(self, record: LedgerRecord) -> None:
        file = self._files[record.file]
        file.failed = file.failed or bool(file.waiting)

    def _fsync_directory(self, record: LedgerRecord) -> None:
        directory = self._directory(record.path)
        if not directory.failed:
            directory.durable = dict(directory.now)

    def _fsync_directory_failed(self, record: LedgerRecord) -> None:
        directory = self._directory(record.path)
        directory.failed = directory.failed or directory.durable != directory.now

    def _no_data(self, record: LedgerRecord) -> None:
        directory, name = self._place(record.path)
        directory.durable[name] = directory.now[name]

    def _written_back(self, record: LedgerRecord) -> None:
        self._doubt(f"some of {record.path} was written back without an fsync")

    def _power_loss(self, record: LedgerRecord) -> None:
        if record.source == "drawn":
            self._doubt("a drawn part of the un-synced work stayed")
        left: dict[_File | _Directory, None] = {self._root: None}
        left |= dict.fromkeys(node for _, node in _walk(self._root, "", durable=True))
        for node in left:
            if isinstance(node, _File):
                node.lose_power()
            else:
                node.now = dict(node.durable)
                node.failed = False
        self._files = {number: file for number, file in self._files.items() if file in left}

    # -- inside -------------------------------------------------------------------------------------------

    def _place(self, path: str) -> tuple[_Directory, str]:
        above, _, name = path.rpartition("/")
        return self._directory(above), name

    def _directory(self, path: str) -> _Directory:
        at = self._root
        for name in path.split("/") if path else ():
            below = at.now[name]
            if not isinstance(below, _Directory):
                raise KeyError(path)
            at = below
        return at

    def _doubt(self, why: str) -> None:
        self.inexact = self.inexact or why


def compare(found: dict[str, tuple[int, int]], owed: dict[str, tuple[int, int]]) -> list[str]:
    """Say how an image differs from what is owed, one line for each path, sorted."""
    lines = []
    for path in sorted(found.keys() | owed.keys()):
        have, due = found.get(path), owed.get(path)
        if have == due:
            continue
        if have is None or due is None:
            lines.append(f"{path}: {'is missing' if have is None else 'should not be there'}")
        elif have[0] != due[0]:
            lines.append(f"{path}: has {have[0]} bytes, not {due[0]}")
        else:
            lines.append(f"{path}: has other bytes than those that were synced")
    return lines


def _walk(
    top: _File | _Directory, path: str, *, durable: bool
) -> Iterator[tuple[str, _File | _Directory]]:
    """Everything below `top`, which is called `path`: as a power loss leaves it, or as it is now."""
    if isinstance(top, _File):
        return
    for name, node in (top.durable if durable else top.now).items():
        at = f"{path}/{name}" if path else name
        yield at, node
        yield from _walk(node, at, durable=durable)


def _unsynced_name(directory: str, name: str) -> str:
    return f"{directory or '.'}: entry {name} not fsynced"
