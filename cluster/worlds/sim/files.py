"""A simulated disk as a `Tree` to be damaged; see `cluster.worlds.damage`.

Damage is done to the medium: it takes no simulated time, and faults that are on for the node's own accesses do not hinder it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cluster.storage.sim_disk import SimDisk
from cluster.worlds.sim.place import Place

__all__ = ["SimTree"]


class SimTree:
    """The files of a node's place, whatever disk stands there now."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._kept: dict[str, dict[str, bytes | None]] = {}
        """Path -> what lay at and below it: content by path, None for a directory."""

    def files(self) -> dict[str, int]:
        """See `Tree`. What was un-synced is on the medium from now on."""
        with self._medium() as disk:
            found = _contents(disk, "")
            for path, content in {"": None, **found}.items():
                _sync(disk, path, is_file=content is not None)
        return {path: len(content) for path, content in found.items() if content is not None}

    def flip(self, path: str, offset: int, bit: int) -> None:
        """See `Tree`."""
        self._place.disk.flip_bit(path, offset, bit)

    def truncate(self, path: str, size: int) -> None:
        """See `Tree`."""
        with self._medium() as disk:
            file = disk.open(path)
            file.truncate(size)
            file.fsync()
            file.close()

    def keep(self, path: str) -> None:
        """See `Tree`."""
        with self._medium() as disk:
            self._kept[path] = _contents_of(disk, path)

    def restore(self, path: str) -> None:
        """See `Tree`."""
        with self._medium() as disk:
            if disk.exists(path):
                _remove(disk, path)
            for above in _parents(path):
                if not disk.exists(above):
                    disk.mkdir(above)
            for at, content in self._kept[path].items():
                _put(disk, at, content)
        self.files()

    def remove(self, path: str) -> None:
        """See `Tree`: a directory itself stays."""
        with self._medium() as disk:
            _remove(disk, path)
        self.files()

    @contextmanager
    def _medium(self) -> Iterator[SimDisk]:
        """The disk, with its faults and its clock set aside."""
        disk = self._place.disk
        rules, disk.rules[:] = disk.rules.copy(), []
        elapsed_ns = disk.elapsed_ns
        try:
            yield disk
        finally:
            disk.rules[:] = rules
            disk.elapsed_ns = elapsed_ns


def _contents(disk: SimDisk, path: str) -> dict[str, bytes | None]:
    """Everything below a directory, parents first; a directory stands with None."""
    found: dict[str, bytes | None] = {}
    for name in disk.list(path):
        child = f"{path}/{name}" if path else name
        found |= _contents_of(disk, child)
    return found


def _contents_of(disk: SimDisk, path: str) -> dict[str, bytes | None]:
    """A file, or a directory and everything below it."""
    if path:
        try:
            file = disk.open(path)
        except IsADirectoryError:
            return {path: None, **_contents(disk, path)}
        content = file.read(0, file.size())
        file.close()
        return {path: content}
    return _contents(disk, "")


def _sync(disk: SimDisk, path: str, *, is_file: bool) -> None:
    if not is_file:
        disk.fsync_dir(path)
        return
    file = disk.open(path)
    file.fsync()
    file.close()


def _put(disk: SimDisk, path: str, content: bytes | None) -> None:
    if content is None:
        if not disk.exists(path):
            disk.mkdir(path)
        return
    file = disk.open(path, create=True)
    file.write(0, content)
    file.close()


def _remove(disk: SimDisk, path: str) -> None:
    for at, content in reversed(_contents_of(disk, path).items()):
        if content is not None:
            disk.unlink(at)
        elif at != path:
            disk.rmdir(at)


def _parents(path: str) -> list[str]:
    names = path.split("/")[:-1]
    return ["/".join(names[: count + 1]) for count in range(len(names))]
