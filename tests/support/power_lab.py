"""A mounted disk that can lose its power, for tests: one daemon for many disks, one after the other."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from descriptors import closing_files_below

from cluster.storage.mounted_disk import MountedDisk
from cluster.worlds.host.power_disk.power_disk import PowerDisk

__all__ = ["MountedHost", "mounted_disk", "sync_directory"]


class MountedHost:
    """The shared mount, emptied: a host for the contract of `Disk`."""

    shared: PowerDisk | None = None

    def __init__(self, root: Path) -> None:
        assert self.shared is not None
        self.mount = self.shared.mount
        for path in self.mount.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        sync_directory(self.mount)
        self.disk = MountedDisk(self.mount)

    def kill(self):
        self.disk = MountedDisk(self.mount)
        return self.disk

    def power_loss(self, below):
        self.shared.power_loss(None if below is None else below(1 << 32))
        self.disk = MountedDisk(self.mount)
        return self.disk


@contextmanager
def mounted_disk(folder: Path) -> Iterator[PowerDisk]:
    """A started disk below `folder`; files of it that a test left open are closed at the end."""
    with PowerDisk(folder / "source", folder / "mount") as disk, closing_files_below(disk.mount):
        yield disk


def sync_directory(path: Path) -> None:
    """Sync a directory, by its name."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
