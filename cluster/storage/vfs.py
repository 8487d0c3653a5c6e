"""The SQLite VFS over a `Disk`: how the real database engine comes to live on a simulated disk.

Here lives the translation of SQLite's file calls into `File` calls, the page checksums of the main
database file, and the fence. Not here: SQL, and what a store promises (`sqlite_store`).

* One VFS for the whole process, registered as SQLite's *default*: only the default one is asked for
  randomness, and the salts of the write-ahead log come from there. `seed_sqlite_randomness` makes
  them a function of a seed; without it they come from the operating system.
* Every opening gets a number, and SQLite sees ``/<number>/db``. A connection that was forgotten and
  is collected later deletes and truncates by that name, so it cannot reach the files of a later life.
* The *fence*: the first exception in a callback, a simulated crash above all, closes it. From then on
  SQLite may write, sync and delete as much as it likes while it unwinds: every call succeeds and
  nothing happens. A fence that raised again would give unraisable exceptions in C code.
* Checksums: each 4096-byte page of the main file ends in its number and its CRC-32C (SQLite leaves
  eight bytes free for this, as in its own `cksumvfs`). A page of zeros was never written. SQLite's
  log has checksums of its own; a flip there looks to SQLite like the end of the log, so rot of that
  one file is outside of what this module detects.
* SQLite's directory fsync is part of its unix VFS and not of its core, so the first sync of a file
  created here syncs the directory too.
"""

# ruff: noqa: N802  (apsw asks for SQLite's own names of the methods)

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import struct
import weakref

import apsw
from crc32c import crc32c

from cluster.storage.disk import SECTOR_BYTES, Disk, File

__all__ = [
    "PAGE_BYTES",
    "RESERVED_BYTES",
    "VFS_NAME",
    "Opening",
    "PageDamaged",
    "install_vfs",
    "seal_page",
    "seed_sqlite_randomness",
]

PAGE_BYTES = 4096
RESERVED_BYTES = 8
VFS_NAME = "reprise"

_BODY_BYTES = PAGE_BYTES - 4
_SUM = struct.Struct(">I")
_NUMBER_OFFSET = PAGE_BYTES - RESERVED_BYTES
_NEVER_WRITTEN = bytes(PAGE_BYTES)


class PageDamaged(Exception):
    """A page of the main database file is not what was written there: rot, or a misdirected write."""


def seal_page(page: bytes, number: int) -> bytes:
    """Return `page` (PAGE_BYTES long) with its number and checksum in the reserved bytes."""
    body = page[:_NUMBER_OFFSET] + _SUM.pack(number)
    return body + _SUM.pack(crc32c(body))


def _check_page(page: bytes, number: int, path: str) -> None:
    body = page[:_BODY_BYTES]
    if _SUM.unpack_from(page, _BODY_BYTES)[0] == crc32c(body):
        if _SUM.unpack_from(page, _NUMBER_OFFSET)[0] == number:
            return
        raise PageDamaged(f"{path}: page {number} holds another page")
    if page != _NEVER_WRITTEN:
        raise PageDamaged(f"{path}: page {number} fails its checksum")


class Opening:
    """One opening of one database: its files, its fence, and the name that SQLite knows it by."""

    def __init__(self, disk: Disk, directory: str) -> None:
        self.disk = disk
        self.directory = directory
        self.fenced = False
        self.failure: BaseException | None = None
        """What closed the fence; None while it is open, or when `fence` was called from outside."""
        self.log: _LogFile | None = None
        """SQLite's write-ahead log, once SQLite has opened it."""
        self.number = next(_numbers)
        self.name = f"/{self.number}/db"
        _openings[self.number] = self

    def path(self, file_name: str) -> str:
        """The path on the disk of a file that SQLite names."""
        return f"{self.directory}/{file_name}"

    def fence(self, failure: BaseException | None = None) -> None:
        """From now on no callback touches the disk."""
        if not self.fenced:
            self.fenced = True
            self.failure = failure

    def forget(self) -> None:
        """The connection is closed: SQLite has no more use for the name."""
        self.fence()
        _openings.pop(self.number, None)


_numbers = itertools.count(1)
_openings: weakref.WeakValueDictionary[int, Opening] = weakref.WeakValueDictionary()


def _opening_of(name: str) -> tuple[Opening | None, str]:
    _, number, file_name = name.split("/", 2)
    return _openings.get(int(number)), file_name


class _VfsFile:
    """One open file as SQLite sees it. Locks are nobody's business: the store is opened exclusively."""

    __slots__ = ("_created", "_file", "_opening", "path", "size")

    def __init__(self, opening: Opening, path: str, file: File, *, created: bool) -> None:
        self._opening = opening
        self._file = file
        self._created = created
        self.path = path
        self.size = file.size()

    def xRead(self, amount: int, offset: int) -> bytes:
        try:
            return self._file.read(offset, amount)
        except BaseException as error:
            self._opening.fence(error)
            raise

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._opening.fenced:
            return
        try:
            self._file.write(offset, data)
        except BaseException as error:
            self._opening.fence(error)
            raise
        self.size = max(self.size, offset + len(data))

    def xTruncate(self, size: int) -> None:
        if self._opening.fenced:
            return
        try:
            self._file.truncate(size)
        except BaseException as error:
            self._opening.fence(error)
            raise
        self.size = size

    def xSync(self, flags: int) -> None:
        if self._opening.fenced:
            return
        try:
            self._file.fsync()
            if self._created:
                self._opening.disk.fsync_dir(self._opening.directory)
                self._created = False
        except BaseException as error:
            self._opening.fence(error)
            raise

    def xFileSize(self) -> int:
        return self.size

    def xClose(self) -> None:
        self._file.close()

    def xDeviceCharacteristics(self) -> int:
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE

    def xSectorSize(self) -> int:
        return SECTOR_BYTES

    def xFileControl(self, operation: int, pointer: int) -> bool:
        return False

    def xLock(self, level: int) -> None:
        pass

    def xUnlock(self, level: int) -> None:
        pass

    def xCheckReservedLock(self) -> bool:
        return False


class _LogFile(_VfsFile):
    """SQLite's write-ahead log. It is written from the start again once it was copied whole."""

    __slots__ = ("waiting",)

    def __init__(self, opening: Opening, path: str, file: File, *, created: bool) -> None:
        super().__init__(opening, path, file, created=created)
        self.waiting = self.size
        """Bytes at most that the next checkpoint has to copy."""

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self.waiting = offset + len(data)


class _MainFile(_VfsFile):
    """The main database file: whole pages carry checksums."""

    __slots__ = ()

    def xRead(self, amount: int, offset: int) -> bytes:
        data = super().xRead(amount, offset)
        if len(data) == PAGE_BYTES and not self._opening.fenced:
            try:
                _check_page(data, offset // PAGE_BYTES + 1, self.path)
            except PageDamaged as error:
                self._opening.fence(error)
                raise
        return data

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(seal_page(data, offset // PAGE_BYTES + 1), offset)


def _vfs_file(opening: Opening, path: str, file: File, flags: int, *, created: bool) -> _VfsFile:
    """Return what SQLite gets for the open `file`, by what `flags` say it is for."""
    if flags & apsw.SQLITE_OPEN_WAL:
        opening.log = _LogFile(opening, path, file, created=created)
        return opening.log
    kind = _MainFile if flags & apsw.SQLITE_OPEN_MAIN_DB else _VfsFile
    return kind(opening, path, file, created=created)


class _Vfs(apsw.VFS):
    """See the module."""

    def __init__(self) -> None:
        super().__init__(VFS_NAME, None, makedefault=True)
        self.seed: bytes | None = None
        self.draws = 0

    def xFullPathname(self, name: str) -> str:
        return name

    def xAccess(self, pathname: str, flags: int) -> bool:
        opening, file_name = _opening_of(pathname)
        if opening is None or opening.fenced:
            return False
        try:
            return opening.disk.exists(opening.path(file_name))
        except BaseException as error:
            opening.fence(error)
            raise

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001 - apsw's signature
        opening, file_name = _opening_of(filename)
        if opening is None or opening.fenced:
            return
        try:
            opening.disk.unlink(opening.path(file_name))
            if syncdir:
                opening.disk.fsync_dir(opening.directory)
        except BaseException as error:
            opening.fence(error)
            raise

    def xOpen(  # type: ignore[override]  # apsw takes any object with the methods of a file
        self, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> _VfsFile:
        if name is None:
            raise apsw.CantOpenError("a store needs no temporary files")
        text = name.filename() if isinstance(name, apsw.URIFilename) else name
        opening, file_name = _opening_of(text)
        if opening is None or opening.fenced:
            raise apsw.CantOpenError(f"{text} belongs to a closed opening")
        path = opening.path(file_name)
        flags[1] = flags[0]
        try:
            created = not opening.disk.exists(path)
            create = bool(flags[0] & apsw.SQLITE_OPEN_CREATE)
            file = opening.disk.open(path, create=create)
            try:
                return _vfs_file(opening, path, file, flags[0], created=created)
            except BaseException:
                file.close()
                raise
        except BaseException as error:
            opening.fence(error)
            raise

    def xRandomness(self, numbytes: int) -> bytes:
        if self.seed is None:
            return os.urandom(numbytes)
        self.draws += 1
        return hashlib.shake_128(self.seed + self.draws.to_bytes(8, "big")).digest(numbytes)

    def xCurrentTimeInt64(self) -> int:
        return 0

    def xCurrentTime(self) -> float:
        return 0.0

    def xSleep(self, microseconds: int) -> int:
        return microseconds

    def xGetLastError(self) -> tuple[int, str | None]:
        return errno.EIO, None


_installed: list[_Vfs] = []


def install_vfs() -> _Vfs:
    """Register the VFS with SQLite, once for the process, and return it."""
    if not _installed:
        _installed.append(_Vfs())
    return _installed[0]


def seed_sqlite_randomness(seed: int) -> None:
    """Make every random byte inside SQLite a function of `seed` from now on.

    Call it at the start of each simulated run, not of each node's life: two lives that shared their
    salts could take frames of a lost log for their own.
    """
    vfs = install_vfs()
    vfs.seed = seed.to_bytes(16, "big", signed=True)
    vfs.draws = 0
    apsw.randomness(0)
