"""`SqliteStore`: the `StateStore` of a real node, SQLite in WAL mode on a `Disk`.

Here live the one table, its statements, and the rule of durability. The files and their checksums
are `vfs`'s, swapping whole stores `store_directory`'s.

How a batch becomes durable: SQLite runs with ``synchronous=NORMAL``, so a commit only writes frames
to its log; a synced batch then fsyncs that log here. That is exactly what ``synchronous=FULL`` does
inside the commit, without switching a pragma per batch, and the crash point between write and fsync
is reached in plain code. The sync covers every earlier batch. Checkpoints are run here too, because
SQLite's automatic ones ignore their errors.

Rules learnt from measurement:

* A database file is created whole under another name, synced and renamed: it is absent or complete.
* What a killed process left in the page cache is visible after the restart but not durable. Opening
  syncs it, or a row could be taken for durable that a power loss then takes away.
* After a failed fsync nothing is known, so the store is finished: the connection is closed behind
  its fence and every further call raises `StoreFailed`.
"""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Any, NoReturn

import apsw

from cluster.probe import Probe
from cluster.storage.disk import Disk
from cluster.storage.state_store import APPLIED_INDEX_KEY, StoreFailed, StoreRefused
from cluster.storage.vfs import (
    PAGE_BYTES,
    RESERVED_BYTES,
    VFS_NAME,
    Opening,
    PageDamaged,
    install_vfs,
    seal_page,
)

__all__ = ["CHECKPOINT_LOG_BYTES", "DATABASE_NAME", "SqliteStore"]

DATABASE_NAME = "db"
CHECKPOINT_LOG_BYTES = 64 * (PAGE_BYTES + 24)
"""A log of this size is copied into the main file: few enough frames to open quickly after a crash."""

_CREATE = "CREATE TABLE kv (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
_PUT = "INSERT INTO kv VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_ROWS_MAX = 8
"""A batch of up to so many puts is one statement: a transaction of its own costs half as much again."""
_PUTS = tuple(_PUT.replace("(?, ?)", ", ".join(["(?, ?)"] * rows)) for rows in range(_ROWS_MAX + 1))
_DELETE = "DELETE FROM kv WHERE key = ?"
_GET = "SELECT value FROM kv WHERE key = ?"
_SCAN_ALL = "SELECT key, value FROM kv ORDER BY key"
_SCAN_FROM = "SELECT key, value FROM kv WHERE key >= ? ORDER BY key"
_SCAN_RANGE = "SELECT key, value FROM kv WHERE key >= ? AND key < ? ORDER BY key"

_DISK_ERRORS = (apsw.Error, OSError, PageDamaged)
_DAMAGE = (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, PageDamaged)

_live: weakref.WeakValueDictionary[int, SqliteStore] = weakref.WeakValueDictionary()
_template: list[bytes] = []


class SqliteStore:
    """See the module and `StateStore`. Use `SqliteStore.open`."""

    durable_rows = True
    """Whether a synced batch survives a power loss (asked by `writer_registry_for`)."""

    def __init__(self, opening: Opening, connection: apsw.Connection, probe: Probe) -> None:
        self._opening = opening
        self._connection = connection
        self._execute: Callable[..., Any] = connection.execute
        self._probe = probe
        self._applied_index = 0
        _live[opening.number] = self

    @classmethod
    def open(cls, disk: Disk, directory: str, probe: Probe) -> SqliteStore:
        """Open the store in the existing `directory`, creating an empty one when there is none.

        Raises StoreRefused when the database is damaged, StoreFailed when the disk fails.
        """
        install_vfs()
        try:
            _create_missing(disk, directory)
        except OSError as error:
            raise StoreFailed(f"{directory}: creating the store failed: {error}") from error
        opening = Opening(disk, directory)
        connection: apsw.Connection | None = None
        try:
            connection = apsw.Connection(
                opening.name, flags=apsw.SQLITE_OPEN_READWRITE, vfs=VFS_NAME, statementcachesize=16
            )
            store = cls(opening, connection, probe)
            store._prepare()
        except BaseException as error:
            _close_quietly(opening, connection)
            if isinstance(error, _DAMAGE):
                raise StoreRefused(f"{directory}: {error}") from error
            if isinstance(error, _DISK_ERRORS):
                raise StoreFailed(f"{directory}: opening the store failed: {error}") from error
            raise
        return store

    def _prepare(self) -> None:
        """Take the database for ourselves, read it once, and make what it shows durable."""
        connection = self._connection
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.wal_autocheckpoint(0)
        self._execute("PRAGMA locking_mode = EXCLUSIVE")
        self._execute("PRAGMA synchronous = NORMAL")
        self._read_applied_index()
        opening = self._opening
        log = opening.log
        if log is None:
            raise apsw.NotADBError(f"{opening.path(DATABASE_NAME)} is not in WAL mode")
        log.xSync(0)
        with closing(opening.disk.open(opening.path(DATABASE_NAME))) as file:
            file.fsync()
        opening.disk.fsync_dir(opening.directory)

    def batch(
        self,
        puts: Sequence[tuple[bytes, bytes]],
        deletes: Sequence[bytes] = (),
        *,
        applied_index: int | None = None,
        sync: bool,
        crash_point: str = "",
    ) -> None:
        """See `StateStore.batch`."""
        opening = self._opening
        if opening.fenced:
            self._refuse()
        rows = puts
        if applied_index is not None and applied_index > self._applied_index:
            rows = [*puts, (APPLIED_INDEX_KEY, applied_index.to_bytes(8, "little"))]
        try:
            if deletes or len(rows) > _ROWS_MAX:
                self._transaction(rows, deletes)
            elif rows:
                self._execute(_PUTS[len(rows)], [part for row in rows for part in row])
            if opening.failure is not None:
                raise opening.failure
            if crash_point:
                self._probe.reach(crash_point)
            log = opening.log
            if sync and log is not None:
                log.xSync(0)
            if log is not None and log.waiting >= CHECKPOINT_LOG_BYTES:
                self._checkpoint()
        except _DISK_ERRORS as error:
            self._fail(error)
        if applied_index is not None:
            self._applied_index = max(self._applied_index, applied_index)

    def get(self, key: bytes) -> bytes | None:
        """See `StateStore.get`."""
        if self._opening.fenced:
            self._refuse()
        try:
            value: bytes | None = self._execute(_GET, (key,)).get
        except _DISK_ERRORS as error:
            self._fail(error)
        return value

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """See `StateStore.scan`. Reads everything at once: an open cursor would see later writes."""
        if self._opening.fenced:
            self._refuse()
        end = _after(prefix)
        try:
            if not prefix:
                rows: list[tuple[bytes, bytes]] = self._execute(_SCAN_ALL).fetchall()
            elif end is None:
                rows = self._execute(_SCAN_FROM, (prefix,)).fetchall()
            else:
                rows = self._execute(_SCAN_RANGE, (prefix, end)).fetchall()
        except _DISK_ERRORS as error:
            self._fail(error)
        return rows

    def applied_index(self) -> int:
        """See `StateStore.applied_index`."""
        if self._opening.fenced:
            self._refuse()
        return self._applied_index

    def load(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """See `StateStore.load`."""
        opening = self._opening
        if opening.fenced:
            self._refuse()
        try:
            self._execute("BEGIN")
            self._execute("DELETE FROM kv")
            self._connection.executemany(_PUT, pairs)
            self._execute("COMMIT")
            log = opening.log
            if log is not None:
                log.xSync(0)
                self._checkpoint(apsw.SQLITE_CHECKPOINT_TRUNCATE)
                log.xSync(0)
            self._read_applied_index()
        except _DISK_ERRORS as error:
            self._fail(error)

    def close(self) -> None:
        """See `StateStore.close`."""
        _live.pop(self._opening.number, None)
        self._connection.close()
        self._opening.forget()

    def abandon(self) -> None:
        """The node died: touch its disk no more, and let go of the connection. Never raises.

        May be called after the disk was killed or lost its power, and twice.
        """
        _close_quietly(self._opening, self._connection)

    def _transaction(self, puts: Sequence[tuple[bytes, bytes]], deletes: Sequence[bytes]) -> None:
        execute = self._execute
        execute("BEGIN")
        for key in deletes:
            execute(_DELETE, (key,))
        for pair in puts:
            execute(_PUT, pair)
        execute("COMMIT")

    def _checkpoint(self, mode: int = apsw.SQLITE_CHECKPOINT_PASSIVE) -> None:
        """Copy the log into the main file; SQLite syncs the log before and the file behind."""
        self._connection.wal_checkpoint("main", mode)
        if self._opening.log is not None:
            self._opening.log.waiting = 0

    def _read_applied_index(self) -> None:
        value = self._execute(_GET, (APPLIED_INDEX_KEY,)).get
        self._applied_index = 0 if value is None else int.from_bytes(value, "little")

    def _fail(self, error: BaseException) -> NoReturn:
        """The disk failed: finish the store and say so, now and for ever."""
        self._opening.fence(error)
        _close_quietly(self._opening, self._connection)
        raise StoreFailed(f"{self._opening.directory}: {error}") from error

    def _refuse(self) -> NoReturn:
        raise StoreFailed(f"{self._opening.directory}: the store is finished") from (
            self._opening.failure
        )


def _close_quietly(opening: Opening, connection: apsw.Connection | None) -> None:
    """Fence the opening and close its connection; what SQLite says to that interests nobody."""
    opening.fence()
    _live.pop(opening.number, None)
    if connection is not None:
        connection.close(True)
    opening.forget()


def _close_the_rest() -> None:
    """SQLite crashes the interpreter when a connection outlives it."""
    for store in list(_live.values()):
        store.abandon()


atexit.register(_close_the_rest)


def _after(prefix: bytes) -> bytes | None:
    """The smallest key above every key that starts with `prefix`; None when there is no such key."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None


def _create_missing(disk: Disk, directory: str) -> None:
    path = f"{directory}/{DATABASE_NAME}"
    if disk.exists(path):
        return
    if disk.exists(f"{path}-wal"):
        raise StoreRefused(f"{path}: the database file is missing beside its log")
    temporary = f"{path}.new"
    with closing(disk.open(temporary, create=True)) as file:
        file.truncate(0)
        file.write(0, _empty_database())
        file.fsync()
    disk.rename(temporary, path)
    disk.fsync_dir(directory)


def _empty_database() -> bytes:
    """The bytes of a database with the empty table, in WAL mode, its pages sealed."""
    if not _template:
        connection = apsw.Connection(":memory:")
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.reserve_bytes("main", RESERVED_BYTES)
        connection.execute(_CREATE)
        image = bytearray(connection.serialize("main"))
        connection.close()
        image[18:20] = b"\x02\x02"
        pages = [bytes(image[at : at + PAGE_BYTES]) for at in range(0, len(image), PAGE_BYTES)]
        _template.append(b"".join(seal_page(page, n) for n, page in enumerate(pages, 1)))
    return _template[0]
