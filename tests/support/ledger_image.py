"""What a power loss must leave of a mounted disk, worked out from its ledger alone: names and sizes, by POSIX' rules and no more.

An oracle beside the disk's own bookkeeping: it shares the records with it and nothing else. Contents are not in a ledger, so sizes stand
for them; a disk that keeps un-synced bytes or drops synced ones has another size, unless a file is overwritten in place.
"""

from __future__ import annotations

from collections.abc import Iterable

from cluster.storage.ledger import LedgerRecord

__all__ = ["surviving"]

DIRECTORY = -1
"""Stands for a directory where a file has its number."""


class _Image:
    def __init__(self) -> None:
        self.now: dict[str, int] = {}
        """Name -> number of its file, as programs see it."""
        self.durable: dict[str, int] = {}
        self.size: dict[int, int] = {}
        self.durable_size: dict[int, int] = {}

    def take(self, record: LedgerRecord) -> None:
        path, number = record.path, record.file
        end = record.offset + record.length
        match record.operation:
            case "create" | "mkdir":
                self.now[path] = number or DIRECTORY
            case "write":
                self.size[number] = max(self.size.get(number, 0), end)
            case "truncate":
                self.size[number] = record.offset if self.size.get(number, 0) >= end else end
            case "fsync":
                self.durable_size[number] = self.size.get(number, 0)
            case "rename":
                for name in _at_or_below(self.now, path):
                    del self.now[name]
                for name in _at_or_below(self.now, record.source):
                    self.now[path + name.removeprefix(record.source)] = self.now.pop(name)
            case "unlink" | "rmdir":
                del self.now[path]
            case "fsync_dir":
                self._synced(path)
            case "power_off" | "power_loss":
                self.now, self.size = dict(self.durable), dict(self.durable_size)

    def _synced(self, directory: str) -> None:
        """The names in `directory` are durable as they are."""
        kept = {name: one for name, one in self.durable.items() if _parent(name) != directory}
        self.durable = kept | {
            name: one for name, one in self.now.items() if _parent(name) == directory
        }


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _at_or_below(names: Iterable[str], path: str) -> list[str]:
    return [name for name in names if name == path or name.startswith(f"{path}/")]


def surviving(records: Iterable[LedgerRecord]) -> dict[str, int]:
    """Return name -> size in bytes of every file that is there after a power loss which leaves nothing un-synced.

    Directories must not be renamed: theirs is a longer story, told by the contract of disks.
    """
    image = _Image()
    for record in records:
        image.take(record)
    found = {}
    for name, number in image.durable.items():
        above = [name.rsplit("/", count)[0] for count in range(1, name.count("/") + 1)]
        if number != DIRECTORY and all(image.durable.get(one) == DIRECTORY for one in above):
            found[name] = image.durable_size.get(number, 0)
    return found
