"""`SnapshotFiles`: the snapshot files of one raft group, in one directory.

Here live file names, the order of writes, checksums and the token. Not here: what a snapshot stream
contains (the machine's codec) and what the meta bytes mean (raft's).

Files, formats as in spec §2.10 (integers big-endian):

* ``<index, 16 hex digits>.fsm``: stream, CRC-32C u32 of the stream;
* ``<index>.snap``: the raft snapshot record: the 17-byte token ``EKVT``, 0x01, index u64, CRC-32C u32 of the
  stream; then meta length u32, meta, CRC-32C u32 of everything before. It is written last and makes
  the ``.fsm`` count: a pair is usable when both are whole and the token fits the stream;
* ``*.tmp`` and ``*.spool``: unfinished, removed at opening.

Every file is written under another name, synced, renamed, and its directory synced (D6, D7). An I/O
error while looking for a snapshot is raised: "could not read" never means "is not there".
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass

from crc32c import crc32c

from cluster.probe import Probe
from cluster.storage.directories import make_directories
from cluster.storage.disk import Disk, File

__all__ = [
    "TOKEN_BYTES",
    "Search",
    "SnapshotCorrupt",
    "SnapshotFiles",
    "SnapshotMissing",
    "SnapshotPair",
    "SnapshotTokenMismatch",
    "SnapshotTooSmall",
    "SnapshotUnusable",
    "SnapshotWriter",
    "decode_token",
    "encode_token",
]

_TOKEN = struct.Struct(">4sBQI")
_WORD = struct.Struct(">I")
_TOKEN_MAGIC = b"EKVT"
_TOKEN_VERSION = 1
TOKEN_BYTES = _TOKEN.size
_FOOTER_BYTES = _WORD.size
_READ_BYTES = 1 << 20


class SnapshotUnusable(Exception):
    """A snapshot is there in part or damaged; the message names the file. Older ones may be whole."""


class SnapshotMissing(SnapshotUnusable):
    """There is no snapshot file of that index."""


class SnapshotTooSmall(SnapshotUnusable):
    """The file is too short to hold its own checksum."""


class SnapshotCorrupt(SnapshotUnusable):
    """The stream does not fit the checksum at its end."""


class SnapshotTokenMismatch(SnapshotUnusable):
    """The raft snapshot record is damaged, or it speaks of another stream."""


def encode_token(index: int, checksum: int) -> bytes:
    """The 17 bytes that stand for the snapshot at `index` whose stream has the CRC-32C `checksum`."""
    return _TOKEN.pack(_TOKEN_MAGIC, _TOKEN_VERSION, index, checksum)


def decode_token(token: bytes) -> tuple[int, int]:
    """Return (index, checksum). Raises SnapshotTokenMismatch when these bytes are no token."""
    if len(token) != TOKEN_BYTES or token[:5] != _TOKEN_MAGIC + bytes([_TOKEN_VERSION]):
        raise SnapshotTokenMismatch(f"not a snapshot token: {token.hex()}")
    _, _, index, checksum = _TOKEN.unpack(token)
    return index, checksum


@dataclass(frozen=True, slots=True)
class SnapshotPair:
    """A usable snapshot: both files are whole and belong together."""

    index: int
    token: bytes
    meta: bytes


@dataclass(frozen=True, slots=True)
class Search:
    """The newest usable pair, if any, and why each newer one was skipped (index, error)."""

    found: SnapshotPair | None
    skipped: tuple[tuple[int, SnapshotUnusable], ...]


class SnapshotWriter:
    """A local snapshot being written, in as many pieces as its owner likes. From `SnapshotFiles.create`."""

    def __init__(self, files: SnapshotFiles, index: int, file: File) -> None:
        self.index = index
        self._files = files
        self._file = file
        self._size = 0
        self._checksum = 0

    def write(self, chunk: bytes) -> None:
        """Append `chunk` to the stream."""
        self._file.write(self._size, chunk)
        self._size += len(chunk)
        self._checksum = crc32c(chunk, self._checksum)
        self._files.probe.reach("snap.tmp_partial")

    def finish(self) -> bytes:
        """Make the file complete and durable under its name (D6); return its token."""
        files = self._files
        probe = files.probe
        path = files.stream_path(self.index)
        self._file.write(self._size, _WORD.pack(self._checksum))
        self._file.fsync()
        self._file.close()
        probe.reach("snap.tmp_fsynced")
        files.disk.rename(f"{path}.tmp", path)
        probe.reach("snap.renamed")
        files.disk.fsync_dir(files.directory)
        probe.reach("snap.dirsynced")
        probe.claim("D6", path)
        return encode_token(self.index, self._checksum)

    def close(self) -> None:
        """Let go of the file; an unfinished one is removed at the next opening."""
        self._file.close()


class SnapshotFiles:
    """See the module. Every method passes the disk's OSError on; after DiskFault the node must stop."""

    def __init__(self, disk: Disk, directory: str, probe: Probe) -> None:
        self.disk = disk
        self.directory = directory
        self.probe = probe
        self._spool: File | None = None
        self._spool_index = 0
        make_directories(disk, directory)
        for name in disk.list(directory):
            if name.endswith((".tmp", ".spool")):
                disk.unlink(f"{directory}/{name}")
        disk.fsync_dir(directory)

    def stream_path(self, index: int) -> str:
        """The path of the stream file at `index`."""
        return f"{self.directory}/{index:016x}.fsm"

    def record_path(self, index: int) -> str:
        """The path of the raft snapshot record at `index`."""
        return f"{self.directory}/{index:016x}.snap"

    def indexes(self) -> list[int]:
        """The indexes of all stream files, ascending, usable or not."""
        return self._indexes(".fsm")

    # -- writing ------------------------------------------------------------------------------------

    def create(self, index: int) -> SnapshotWriter:
        """Begin to write the local snapshot at `index`."""
        file = self.disk.open(f"{self.stream_path(index)}.tmp", create=True)
        file.truncate(0)
        return SnapshotWriter(self, index, file)

    def save_record(self, token: bytes, meta: bytes) -> None:
        """Write the raft snapshot record of the stream file that `token` stands for, durably (D7)."""
        index, _ = decode_token(token)
        path = self.record_path(index)
        body = token + _WORD.pack(len(meta)) + meta
        with closing(self.disk.open(f"{path}.tmp", create=True)) as file:
            file.truncate(0)
            file.write(0, body + _WORD.pack(crc32c(body)))
            file.fsync()
        self.disk.rename(f"{path}.tmp", path)
        self.disk.fsync_dir(self.directory)
        self.probe.claim("D7", path)

    def spool_write(self, index: int, offset: int, data: bytes) -> None:
        """Take bytes of the snapshot file at `index` that is being received.

        Bytes for another index, or for offset 0, start a new spool; the old one is forgotten.
        """
        if self._spool is None or self._spool_index != index or offset == 0:
            self.spool_cancel()
            self._spool = self.disk.open(self._spool_path(index), create=True)
            self._spool_index = index
        self._spool.write(offset, data)
        self.probe.reach("inst.spooling")

    def spool_finish(self) -> bytes:
        """The spool is complete: verify it and make it a durable stream file; return its token.

        Raises SnapshotTooSmall, SnapshotCorrupt (the spool is gone then: receive it again),
        SnapshotMissing when nothing was spooled.
        """
        spool, index = self._spool, self._spool_index
        if spool is None:
            raise SnapshotMissing(f"{self.directory}: no snapshot is being received")
        path = self.stream_path(index)
        try:
            checksum = _verify(spool, self._spool_path(index))
        except SnapshotUnusable:
            self.spool_cancel()
            raise
        spool.fsync()
        spool.close()
        self._spool = None
        self.probe.reach("inst.spooled_fsynced")
        self.disk.rename(self._spool_path(index), path)
        self.probe.reach("inst.fsm_renamed")
        self.disk.fsync_dir(self.directory)
        self.probe.claim("D6", path)
        return encode_token(index, checksum)

    def spool_cancel(self) -> None:
        """Forget what was received so far."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None
            self.disk.unlink(self._spool_path(self._spool_index))

    def close(self) -> None:
        """Let go of the spool; it is removed at the next opening."""
        if self._spool is not None:
            self._spool.close()

    # -- reading ------------------------------------------------------------------------------------

    def newest(self, *, at_most: int) -> Search:
        """Find the newest usable pair at or below `at_most`; reads and verifies whole files."""
        skipped: list[tuple[int, SnapshotUnusable]] = []
        for index in reversed(self._indexes(".snap")):
            if index > at_most:
                continue
            try:
                return Search(self.check(index), tuple(skipped))
            except SnapshotUnusable as error:
                skipped.append((index, error))
        return Search(None, tuple(skipped))

    def check(self, index: int) -> SnapshotPair:
        """Verify the pair at `index` and return it. Raises the four kinds of SnapshotUnusable."""
        token, meta = self._read_record(index)
        _, expected = decode_token(token)
        path = self.stream_path(index)
        with closing(self._open_stream(index)) as file:
            checksum = _verify(file, path)
        if checksum != expected:
            raise SnapshotTokenMismatch(
                f"{path}: the record speaks of stream {expected:08x}, the file holds {checksum:08x}"
            )
        return SnapshotPair(index, token, meta)

    def load(self, index: int) -> bytes:
        """Return the whole stream at `index`, verified. Raises SnapshotMissing, -TooSmall, -Corrupt."""
        path = self.stream_path(index)
        with closing(self._open_stream(index)) as file:
            data = _read_exactly(file, path, 0, file.size())
        if len(data) < _FOOTER_BYTES:
            raise SnapshotTooSmall(f"{path}: {len(data)} bytes")
        stream = data[:-_FOOTER_BYTES]
        if crc32c(stream) != _WORD.unpack(data[-_FOOTER_BYTES:])[0]:
            raise SnapshotCorrupt(f"{path}: the stream does not fit its checksum")
        return stream

    def size(self, index: int) -> int:
        """Length in bytes of the stream file, checksum included. Raises SnapshotMissing."""
        with closing(self._open_stream(index)) as file:
            return file.size()

    def read(self, index: int, offset: int, length: int) -> bytes:
        """Up to `length` bytes of the stream file, checksum included. Raises SnapshotMissing."""
        with closing(self._open_stream(index)) as file:
            return file.read(offset, length)

    def purge(self, *, recorded: int, keep: int = 3, protected: Collection[int] = ()) -> list[int]:
        """Remove all but the newest `keep` snapshots and leftovers older than them; return what went.

        `recorded` is the newest snapshot that the log knows of. A pair above it is as if it were not there: a crash
        came between the pair and the log, and counting it would cost the one that the next start needs. Indexes in
        `protected` stay, and so does the newest usable pair. A stream goes after its record, so no record is ever
        left without a stream.
        """
        search = self.newest(at_most=recorded)
        if search.found is None:
            return []
        usable = search.found.index
        all_indexes = sorted({*self._indexes(".snap"), *self._indexes(".fsm")})
        below = [index for index in all_indexes if index < usable]
        kept = below[-(keep - 1) :] if keep > 1 else []
        gone = [index for index in below if index not in kept and index not in protected]
        for index in gone:
            for path in (self.record_path(index), self.stream_path(index)):
                if self.disk.exists(path):
                    self.disk.unlink(path)
                    self.disk.fsync_dir(self.directory)
        return gone

    def _indexes(self, suffix: str) -> list[int]:
        names = [name for name in self.disk.list(self.directory) if name.endswith(suffix)]
        return [int(name.removesuffix(suffix), 16) for name in names]

    def _spool_path(self, index: int) -> str:
        return f"{self.directory}/{index:016x}.spool"

    def _open_stream(self, index: int) -> File:
        try:
            return self.disk.open(self.stream_path(index))
        except FileNotFoundError as error:
            raise SnapshotMissing(f"{self.stream_path(index)}: no such file") from error

    def _read_record(self, index: int) -> tuple[bytes, bytes]:
        """Return (token, meta) of the raft snapshot record at `index`."""
        path = self.record_path(index)
        try:
            file = self.disk.open(path)
        except FileNotFoundError as error:
            raise SnapshotMissing(f"{path}: no such file") from error
        with closing(file):
            data = _read_exactly(file, path, 0, file.size())
        body = data[: -_WORD.size]
        meta = body[TOKEN_BYTES + _WORD.size :]
        whole = len(body) >= TOKEN_BYTES + _WORD.size and data[len(body) :] == _WORD.pack(
            crc32c(body)
        )
        if not whole or _WORD.unpack_from(body, TOKEN_BYTES)[0] != len(meta):
            raise SnapshotTokenMismatch(f"{path}: the raft snapshot record is damaged")
        token = body[:TOKEN_BYTES]
        if decode_token(token)[0] != index:
            raise SnapshotTokenMismatch(f"{path}: the token is that of another index")
        return token, meta


def _verify(file: File, path: str) -> int:
    """Return the CRC-32C of the stream in `file`. Raises SnapshotTooSmall, SnapshotCorrupt."""
    size = file.size() - _FOOTER_BYTES
    if size < 0:
        raise SnapshotTooSmall(f"{path}: {size + _FOOTER_BYTES} bytes")
    checksum = 0
    for offset in range(0, size, _READ_BYTES):
        length = min(_READ_BYTES, size - offset)
        checksum = crc32c(_read_exactly(file, path, offset, length), checksum)
    footer = _read_exactly(file, path, size, _FOOTER_BYTES)
    if _WORD.unpack(footer)[0] != checksum:
        raise SnapshotCorrupt(f"{path}: the stream does not fit its checksum")
    return checksum


def _read_exactly(file: File, path: str, offset: int, length: int) -> bytes:
    """Read `length` bytes that must be there; fewer are an error of the device."""
    data = file.read(offset, length)
    if len(data) < length:
        raise OSError(errno.EIO, f"read {len(data)} of {length} bytes at {offset}", path)
    return data
