"""The snapshot stream, byte for byte: a header with the clock ceiling and the cutover, then all rows.

Codecs only. Files, checksums and tokens around the stream are the storage's business. Layout (design §2.10):

* header v1, 16 bytes: ``EKVTHLC1 ‖ ceiling_ms u64be``, written while the cutover is 0;
* header v2, 26 bytes: ``EKVTHLC2 ‖ length u16be ‖ ceiling_ms u64be ‖ cutover u64be``; a reader skips what a longer
  one adds;
* no header at all: a stream of before there were headers, ceiling and cutover are 0;
* dump: ``EKVPBBL1 ‖ last_commit_ts u64le ‖ repeat(key length u64le, key, value length u64le, value)``.

A stream that cannot be read is never taken for one without a header: an `OSError` of the reader passes
through (an original bug, P48, started with an empty store instead).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator

import msgspec

__all__ = [
    "SnapshotDumpMalformed",
    "SnapshotError",
    "SnapshotHeader",
    "SnapshotHeaderInvalidLength",
    "SnapshotHeaderUnknownMagic",
    "encode_dump",
    "encode_header",
    "restore_pairs",
]

HEADER_LENGTH_MIN = 16
HEADER_LENGTH_MAX = 1024
CHUNK_BYTES = 64 * 1024

_MAGIC_FAMILY = b"EKVTHLC"
_MAGIC_V1 = b"EKVTHLC1"
_MAGIC_V2 = b"EKVTHLC2"
_MAGIC_DUMP = b"EKVPBBL1"
_MAGIC_BYTES = 8

_V1 = struct.Struct(">Q")
_V2_LENGTH = struct.Struct(">H")
_V2 = struct.Struct(">QQ")
_U64LE = struct.Struct("<Q")

Read = Callable[[int], bytes]
"""Returns up to that many bytes, fewer at will, none only at the end. Raises OSError."""


class SnapshotError(Exception):
    """The stream is no snapshot; it must not be restored."""


class SnapshotHeaderInvalidLength(SnapshotError):
    """The header ends early, or says a length outside [`HEADER_LENGTH_MIN`, `HEADER_LENGTH_MAX`]."""


class SnapshotHeaderUnknownMagic(SnapshotError):
    """A header of a version that this binary does not know."""


class SnapshotDumpMalformed(SnapshotError):
    """The dump behind the header has another magic, or ends inside a row."""


class SnapshotHeader(msgspec.Struct, frozen=True):
    """`hlc_ceiling_ms`: no timestamp above it was issued. `raft_cutover_index`: 0 while raft is in cleartext."""

    hlc_ceiling_ms: int = 0
    raft_cutover_index: int = 0


def encode_header(header: SnapshotHeader) -> bytes:
    """Return the header's bytes, v1 while the cutover is 0."""
    if header.raft_cutover_index == 0:
        return _MAGIC_V1 + _V1.pack(header.hlc_ceiling_ms)
    body = _V2.pack(header.hlc_ceiling_ms, header.raft_cutover_index)
    return _MAGIC_V2 + _V2_LENGTH.pack(len(body)) + body


def encode_dump(pairs: Iterable[tuple[bytes, bytes]], last_commit_ts: int = 0) -> Iterator[bytes]:
    """Yield the dump of `pairs` in chunks of about `CHUNK_BYTES`."""
    pack = _U64LE.pack
    pieces = [_MAGIC_DUMP, pack(last_commit_ts)]
    size = 0
    for key, value in pairs:
        pieces += (pack(len(key)), key, pack(len(value)), value)
        size += len(key) + len(value)
        if size >= CHUNK_BYTES:
            yield b"".join(pieces)
            pieces.clear()
            size = 0
    if pieces:
        yield b"".join(pieces)


def restore_pairs(read: Read) -> tuple[SnapshotHeader, Iterator[tuple[bytes, bytes]]]:
    """Return the header and the rows, which are read as they are taken.

    Raises SnapshotHeaderInvalidLength, SnapshotHeaderUnknownMagic, SnapshotDumpMalformed (also while rows are
    taken) and whatever OSError `read` raises.
    """
    source = _Source(read)
    header, dump_magic = _read_header(source)
    if dump_magic != _MAGIC_DUMP:
        raise SnapshotDumpMalformed(f"no snapshot dump: it begins with {dump_magic!r}")
    source.u64("the commit timestamp")
    return header, _rows(source)


def _read_header(source: _Source) -> tuple[SnapshotHeader, bytes]:
    """Return the header and the 8 bytes behind it, which are the first ones if there is no header."""
    magic = source.up_to(_MAGIC_BYTES)
    if magic == _MAGIC_V1:
        (ceiling_ms,) = _V1.unpack(_header_bytes(source, _V1.size))
        return SnapshotHeader(ceiling_ms), source.up_to(_MAGIC_BYTES)
    if magic == _MAGIC_V2:
        (length,) = _V2_LENGTH.unpack(_header_bytes(source, _V2_LENGTH.size))
        if not HEADER_LENGTH_MIN <= length <= HEADER_LENGTH_MAX:
            raise SnapshotHeaderInvalidLength(
                f"snapshot header says {length} bytes; "
                f"{HEADER_LENGTH_MIN} to {HEADER_LENGTH_MAX} are allowed"
            )
        ceiling_ms, cutover = _V2.unpack_from(_header_bytes(source, length))
        return SnapshotHeader(ceiling_ms, cutover), source.up_to(_MAGIC_BYTES)
    if len(magic) == _MAGIC_BYTES and magic.startswith(_MAGIC_FAMILY):
        raise SnapshotHeaderUnknownMagic(f"snapshot header {magic!r} is of an unknown version")
    return SnapshotHeader(), magic


def _header_bytes(source: _Source, length: int) -> bytes:
    data = source.up_to(length)
    if len(data) < length:
        raise SnapshotHeaderInvalidLength(
            f"snapshot header ends {length - len(data)} bytes too early"
        )
    return data


def _rows(source: _Source) -> Iterator[tuple[bytes, bytes]]:
    while True:
        head = source.up_to(_U64LE.size)
        if not head:
            return
        if len(head) < _U64LE.size:
            raise SnapshotDumpMalformed("snapshot dump ends inside a key's length")
        (key_bytes,) = _U64LE.unpack(head)
        key = source.exactly(key_bytes, "a key")
        yield key, source.exactly(source.u64("a value's length"), "a value")


class _Source:
    """Reads whole fields from a reader that may give less than was asked for."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def up_to(self, length: int) -> bytes:
        """Return `length` bytes, fewer only at the end."""
        data = self._read(length)
        while 0 < len(data) < length:
            more = self._read(length - len(data))
            if not more:
                break
            data += more
        return data

    def exactly(self, length: int, what: str) -> bytes:
        data = self.up_to(length) if length else b""
        if len(data) < length:
            raise SnapshotDumpMalformed(
                f"snapshot dump ends inside {what}: {len(data)} of {length} bytes"
            )
        return data

    def u64(self, what: str) -> int:
        value: int = _U64LE.unpack(self.exactly(_U64LE.size, what))[0]
        return value
