"""A data directory on this host as a `Tree` to be damaged: real files, with their owners and modes. A thin edge of `damage`.

Works on any directory that the harness can write: a local node's, one that is mounted into a container, a foreign database's.
Everything changed is fsynced. A directory of ours may hold an undo log (`cluster.storage.undo_file`); it is dropped first: what
was written counts as written.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import quote

from cluster.storage.undo_file import UNDO_DIRECTORY

__all__ = ["DirectoryTree", "swap_directories"]

_BETWEEN = ".reprise-swap"


class DirectoryTree:
    """The tree below `root`; copies that are kept lie below `shelf`, a directory outside of it that is made when needed."""

    def __init__(self, root: Path, shelf: Path) -> None:
        self._root = root
        self._shelf = shelf

    def files(self) -> dict[str, int]:
        """See `Tree`: regular files. What was un-synced is on the medium from now on."""
        shutil.rmtree(self._root / UNDO_DIRECTORY, ignore_errors=True)
        _sync_below(self._root)
        return {
            path.relative_to(self._root).as_posix(): path.stat().st_size
            for path in sorted(self._root.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }

    def flip(self, path: str, offset: int, bit: int) -> None:
        """See `Tree`."""
        with (self._root / path).open("r+b") as file:
            file.seek(offset)
            [byte] = file.read(1)
            file.seek(offset)
            file.write(bytes([byte ^ 1 << bit]))
            file.flush()
            os.fsync(file.fileno())

    def truncate(self, path: str, size: int) -> None:
        """See `Tree`."""
        with (self._root / path).open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())

    def keep(self, path: str) -> None:
        """See `Tree`."""
        copy = self._copy_of(path)
        _remove(copy)
        copy.parent.mkdir(parents=True, exist_ok=True)
        _copy(self._root / path, copy)

    def restore(self, path: str) -> None:
        """See `Tree`."""
        shutil.rmtree(self._root / UNDO_DIRECTORY, ignore_errors=True)
        self.remove(path)
        (self._root / path).parent.mkdir(parents=True, exist_ok=True)
        _copy(self._copy_of(path), self._root / path)
        _sync_below(self._root)

    def remove(self, path: str) -> None:
        """See `Tree`: the directory itself stays."""
        place = self._root / path
        if place.is_dir():
            for child in place.iterdir():
                _remove(child)
        else:
            _remove(place)
        _sync_below(self._root)

    def _copy_of(self, path: str) -> Path:
        return self._shelf / (quote(path, safe="") or "%")


def swap_directories(first: Path, second: Path) -> None:
    """Exchange what two directories hold; they themselves stay, for they may be mounted somewhere."""
    between = first / _BETWEEN
    between.mkdir()
    _move_children(first, between)
    _move_children(second, first)
    _move_children(between, second)
    between.rmdir()
    for directory in (first, second):
        shutil.rmtree(directory / UNDO_DIRECTORY, ignore_errors=True)
        _sync_below(directory)


def _move_children(source: Path, target: Path) -> None:
    for child in sorted(source.iterdir()):
        if child.name != _BETWEEN:
            shutil.move(child, target / child.name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a file or a directory over an existing or missing one, owners and modes included."""
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, copy_function=_copy_file)
        _own(source, target)
        for directory in (path for path in source.rglob("*") if path.is_dir()):
            _own(directory, target / directory.relative_to(source))
    else:
        _copy_file(str(source), str(target))


def _copy_file(source: str, target: str) -> None:
    shutil.copy2(source, target, follow_symlinks=False)
    _own(Path(source), Path(target))


def _own(source: Path, target: Path) -> None:
    """Give a copy the owner of what it is a copy of; only root may have files of others to copy."""
    of = source.stat(follow_symlinks=False)
    if os.geteuid() == 0:
        os.chown(target, of.st_uid, of.st_gid, follow_symlinks=False)


def _sync_below(root: Path) -> None:
    """Put files and names below `root` on stable storage."""
    for path in [root, *root.rglob("*")]:
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            continue
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
