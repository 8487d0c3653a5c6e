"""The real files behind a mounted disk: what is visible, what waits to come back, and the rollback.

::

    SOURCE/files/           the tree as programs see it
    SOURCE/kept/<link>      a name that was removed or replaced, until that is durable

A file keeps its inode in all of this, so that whoever has it open goes on with it. Which names and bytes survive a
power loss is decided elsewhere (`unsynced_names`, `unsynced_bytes`); here it is carried out. What is found in ``kept`` at a
start was left by a daemon that died: what it knew of un-synced work died with it, so all of it counts as written back.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from cluster.storage.power_loss import Below, Undo, surviving_content
from cluster.worlds.host.power_disk.unsynced_bytes import UnsyncedBytes
from cluster.worlds.host.power_disk.unsynced_names import Link, UnsyncedNames

__all__ = ["Backing"]


class Backing:
    """See the module. Paths are relative to the mount point; ``""`` is its root."""

    def __init__(self, source: Path) -> None:
        """Make `source` and its two folders where they are missing."""
        self.files = str(source / "files")
        self._kept = source / "kept"
        Path(self.files).mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._kept, ignore_errors=True)
        self._kept.mkdir(mode=0o700)

    def at(self, path: str) -> str:
        """Where the file called `path` lies."""
        return f"{self.files}/{path}" if path else self.files

    def kept(self, link: Link) -> str:
        """Where a removed name waits."""
        return f"{self._kept}/{link.number}"

    def paths(self) -> dict[int, str]:
        """Inode -> the name it is found by, for everything visible (one name for each inode)."""
        return dict(_walk(self.files, ""))

    def used_bytes(self) -> int:
        """How long all visible files are together."""
        paths = (self.at(path) for path in self.paths().values())
        return sum(
            found.st_size for path in paths if stat.S_ISREG((found := os.lstat(path)).st_mode)
        )

    def roll_back(self, content: UnsyncedBytes, names: UnsyncedNames, below: Below | None) -> None:
        """Take back what was not synced, but for a part drawn by `below` (None: all of it)."""
        places = dict(_walk(str(self._kept), str(self._kept)))
        places |= {inode: self.at(path) for inode, path in self.paths().items()}
        for inode, undo in content.files().items():
            if inode in places:
                _restore(places[inode], undo, below)
        content.lost_power()
        self._restore_names(places, names, below)
        names.lost_power()
        shutil.rmtree(self._kept)
        self._kept.mkdir(mode=0o700)

    def _restore_names(
        self, places: dict[int, str], names: UnsyncedNames, below: Below | None
    ) -> None:
        """Stage everything that a change mentions, then give every survivor its name.

        Directories are held open by their inodes: staging and placing move them too.
        """
        now, then = names.now(), names.survivors(below)
        open_directories: dict[int, int] = {}
        try:
            for directory in now:
                flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
                open_directories[directory] = os.open(places[directory], flags)
            for directory, entries in now.items():
                for name, link in entries.items():
                    if link is not None:
                        _rename(name, open_directories[directory], self.kept(link), None)
            for directory, entries in then.items():
                for name, link in entries.items():
                    if link is not None:
                        _rename(self.kept(link), None, name, open_directories[directory])
        finally:
            for descriptor in open_directories.values():
                os.close(descriptor)


def _rename(old: str, old_directory: int | None, new: str, new_directory: int | None) -> None:
    os.rename(old, new, src_dir_fd=old_directory, dst_dir_fd=new_directory)


def _walk(folder: str, path: str) -> Iterator[tuple[int, str]]:
    """(inode, path) of a directory and everything below it; `path` is what it is called."""
    yield os.stat(folder).st_ino, path
    waiting = [(folder, path)]
    while waiting:
        folder, path = waiting.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                at = f"{path}/{entry.name}" if path else entry.name
                yield entry.inode(), at
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, at))


def _restore(path: str, undo: list[Undo], below: Below | None) -> None:
    """Put what survives of a file's content back into it."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if not mode & stat.S_IWUSR or not mode & stat.S_IRUSR:
        os.chmod(path, mode | stat.S_IRUSR | stat.S_IWUSR)
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "r+b", buffering=0) as file:
        written = bytearray(file.readall())
        left = surviving_content(written, undo, below)
        file.seek(0)
        view = memoryview(left)
        while view:
            view = view[file.write(view) or 0 :]
        file.truncate(len(left))
        os.fchmod(descriptor, mode)
