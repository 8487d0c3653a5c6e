"""The bytes of the write-ahead log: segment headers, frames, and the search for the end of a log.

Here live encoding, decoding and the judgement "torn tail or damage"; nothing here opens a file.

A *position* counts bytes over all segments of a log: a segment says in its header at which position
it begins. All integers are little-endian.

    segment: header, frame, frame ...
    header:  "REPRWAL1", sequence u64, base position u64, CRC-32C u32 of what stands before it
    frame:   "wfrm", payload length u32, CRC-32C u32, horizon u64, payload
    payload: records, each: kind u8, length u32, bytes

The CRC covers horizon, payload and the frame's own position, so a frame copied elsewhere (inside a
record, say) is not a frame.

The *horizon* is the position up to which everything was known to be fsynced when the frame was
written. It is what tells a torn tail from damage: a bad frame at position X with a valid frame
behind it whose horizon lies above X was once durable, so the device has lost acknowledged bytes.
Without such a witness the bad frame and everything behind it are taken for never acknowledged. What
no witness can show is damage in the frames of the very last fsync, before anything is written behind
them; logs without horizons (RocksDB, SQLite) silently drop acknowledged records after any flipped byte.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from crc32c import crc32c

__all__ = [
    "FRAME_HEADER_BYTES",
    "SEGMENT_HEADER_BYTES",
    "Record",
    "decode_segment_header",
    "encode_frame",
    "encode_segment_header",
    "read_frames",
    "witness_behind",
]

Record = tuple[int, bytes]
"""Kind (0..255) and bytes; the log knows nothing about either."""

_MAGIC = b"REPRWAL1"
_HEADER = struct.Struct("<8sQQ")
_SUM = struct.Struct("<I")
SEGMENT_HEADER_BYTES = _HEADER.size + _SUM.size

_MARKER = b"wfrm"
_FRAME = struct.Struct("<4sIIQ")
FRAME_HEADER_BYTES = _FRAME.size
_WHERE = struct.Struct("<QQ")
_RECORD = struct.Struct("<BI")


def encode_segment_header(sequence: int, base: int) -> bytes:
    """The first bytes of segment `sequence`, which begins at position `base`."""
    head = _HEADER.pack(_MAGIC, sequence, base)
    return head + _SUM.pack(crc32c(head))


def decode_segment_header(data: bytes) -> tuple[int, int] | None:
    """Return (sequence, base), or None when `data` does not begin with a valid header."""
    if len(data) < SEGMENT_HEADER_BYTES:
        return None
    magic, sequence, base = _HEADER.unpack_from(data)
    if magic != _MAGIC or _SUM.unpack_from(data, _HEADER.size)[0] != crc32c(data[: _HEADER.size]):
        return None
    return sequence, base


def encode_frame(records: Sequence[Record], position: int, horizon: int) -> bytes:
    """One frame holding `records`, to be written at `position`."""
    pack = _RECORD.pack
    parts = [b""]
    for kind, data in records:
        parts.append(pack(kind, len(data)))
        parts.append(data)
    payload = b"".join(parts)
    checksum = crc32c(payload, crc32c(_WHERE.pack(position, horizon)))
    return _FRAME.pack(_MARKER, len(payload), checksum, horizon) + payload


def read_frames(data: bytes, base: int) -> tuple[list[Record], int]:
    """Return the records of all valid frames from the start of a segment, and where they end.

    `data` is the whole segment, its header valid, `base` its position. The end is an offset in
    `data`; it equals ``len(data)`` when nothing is torn.
    """
    records: list[Record] = []
    unpack, head = _RECORD.unpack_from, _RECORD.size
    offset = SEGMENT_HEADER_BYTES
    while (end := _frame_end(data, offset, base)) is not None:
        offset += FRAME_HEADER_BYTES
        while offset < end:
            kind, length = unpack(data, offset)
            start = offset + head
            offset = start + length
            records.append((kind, data[start:offset]))
    return records, offset


def witness_behind(data: bytes, base: int, offset: int) -> int | None:
    """Where behind the bad bytes at `offset` a valid frame proves that they were durable once.

    Returns the offset of that frame, or None: then what begins at `offset` is a torn tail.
    """
    at = data.find(_MARKER, offset + 1)
    while at >= 0:
        if _frame_end(data, at, base) is not None:
            horizon: int = _FRAME.unpack_from(data, at)[3]
            if horizon > base + offset:
                return at
        at = data.find(_MARKER, at + 1)
    return None


def _frame_end(data: bytes, offset: int, base: int) -> int | None:
    """The offset behind the frame at `offset`, or None when no valid frame stands there."""
    start = offset + FRAME_HEADER_BYTES
    if start > len(data):
        return None
    marker, length, checksum, horizon = _FRAME.unpack_from(data, offset)
    end: int = start + length
    if marker != _MARKER or end > len(data):
        return None
    if checksum != crc32c(data[start:end], crc32c(_WHERE.pack(base + offset, horizon))):
        return None
    return end
