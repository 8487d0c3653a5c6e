"""`StoreDirectory`: the place of a state store, and the swap of a whole store for a received one.

Here live the names of the three directories, the order of the swap, and the repair of an interrupted
one. What is inside a store is `sqlite_store`'s business.

A swap (spec §3.8.8, D9): fill ``<path>.tmp`` and sync it; rename the live directory to
``<path>.backup``; rename the new one to ``<path>``; sync the parent; remove the backup. Whatever the
moment of a crash, one of live and backup is a whole store, and opening finds out which.
"""

from __future__ import annotations

from collections.abc import Iterable

from cluster.probe import Probe
from cluster.storage.directories import make_directories, parent_of
from cluster.storage.disk import Disk
from cluster.storage.sqlite_store import SqliteStore
from cluster.storage.state_store import StoreFailed, StoreRefused

__all__ = ["StoreDirectory"]


class StoreDirectory:
    """See the module. At most one store of it is open at a time, and only the newest may be used."""

    def __init__(self, disk: Disk, path: str, probe: Probe) -> None:
        self._disk = disk
        self._path = path
        self._parent = parent_of(path)
        self._temporary = f"{path}.tmp"
        self._backup = f"{path}.backup"
        self._probe = probe
        self._store: SqliteStore | None = None

    def open(self) -> SqliteStore:
        """Open the store, repairing an interrupted swap first and making the directory if missing.

        Raises StoreRefused (damage, or more than one backup: an operator must say which one is right),
        StoreFailed (the disk).
        """
        try:
            if self._parent:
                make_directories(self._disk, self._parent)
            self._repair()
            make_directories(self._disk, self._path)
        except OSError as error:
            raise StoreFailed(f"{self._path}: {error}") from error
        return self._open_live()

    def replace(self, pairs: Iterable[tuple[bytes, bytes]]) -> SqliteStore:
        """Swap the store for one that holds exactly `pairs`; the old store is closed.

        Raises StoreFailed; then the node must stop, and the next `open` finds the old store or the new.
        """
        probe = self._probe
        probe.reach("inst.before_restore")
        try:
            self._fill_temporary(pairs)
            probe.reach("inst.temp_store_filled")
            if self._store is not None:
                self._store.close()
            self._disk.rename(self._path, self._backup)
            probe.reach("inst.live_renamed_to_backup")
            self._disk.rename(self._temporary, self._path)
            probe.reach("inst.temp_renamed_to_live")
            self._disk.fsync_dir(self._parent)
            self._remove(self._backup)
            self._disk.fsync_dir(self._parent)
        except OSError as error:
            raise StoreFailed(f"{self._path}: swapping the store failed: {error}") from error
        store = self._open_live()
        probe.claim("D9", self._path)
        return store

    def abandon(self) -> None:
        """The node died: see `SqliteStore.abandon`."""
        if self._store is not None:
            self._store.abandon()

    def _open_live(self) -> SqliteStore:
        self._store = SqliteStore.open(self._disk, self._path, self._probe)
        return self._store

    def _fill_temporary(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._remove(self._temporary)
        make_directories(self._disk, self._temporary)
        store = SqliteStore.open(self._disk, self._temporary, self._probe)
        try:
            store.load(pairs)
        except BaseException:
            store.abandon()
            raise
        store.close()

    def _repair(self) -> None:
        """Bring the directories back to one live store, or none at all."""
        disk = self._disk
        stem = self._path.rpartition("/")[2] + ".backup"
        names = [name for name in disk.list(self._parent) if name.startswith(stem)]
        backups = [f"{self._parent}/{name}" if self._parent else name for name in names]
        if len(backups) > 1:
            raise StoreRefused(f"{self._path}: more than one backup: {', '.join(backups)}")
        if backups:
            if disk.exists(self._path):
                disk.fsync_dir(self._parent)
                self._remove(backups[0])
            else:
                disk.rename(backups[0], self._path)
        self._remove(self._temporary)
        disk.fsync_dir(self._parent)

    def _remove(self, path: str) -> None:
        """Remove a directory of files, if it exists."""
        if self._disk.exists(path):
            for name in self._disk.list(path):
                self._disk.unlink(f"{path}/{name}")
            self._disk.rmdir(path)
