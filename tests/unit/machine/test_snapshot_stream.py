"""The snapshot stream byte for byte, and every way in which it can be none."""

import errno

import pytest
from machine_lab import reader

from cluster.machine.snapshot_stream import (
    CHUNK_BYTES,
    SnapshotDumpMalformed,
    SnapshotHeader,
    SnapshotHeaderInvalidLength,
    SnapshotHeaderUnknownMagic,
    encode_dump,
    encode_header,
    restore_pairs,
)

V1 = bytes.fromhex("454b5654484c43310000018f00000000")
V2 = bytes.fromhex("454b5654484c433200100000018f00000000000000000000002a")
CEILING = 0x18F00000000
PAIRS = [(b"a", b"1"), (b"bb", b""), (b"", b"3")]
DUMP = (
    b"EKVPBBL1"
    + bytes(8)
    + (
        b"\x01\0\0\0\0\0\0\0a\x01\0\0\0\0\0\0\x001"
        b"\x02\0\0\0\0\0\0\0bb\0\0\0\0\0\0\0\0"
        b"\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x003"
    )
)


def restored(stream):
    header, pairs = restore_pairs(reader(stream))
    return header, list(pairs)


@pytest.mark.parametrize(("cutover", "expected"), [(0, V1), (42, V2)])
def test_golden_headers(cutover, expected):
    """Version 1 is written while the cutover is 0, version 2 afterwards, with the bytes of the specification."""
    assert encode_header(SnapshotHeader(CEILING, cutover)) == expected


@pytest.mark.parametrize(("stream", "cutover"), [(V1, 0), (V2, 42)])
def test_headers_are_read(stream, cutover):
    """Both versions come back, with the dump behind them."""
    assert restored(stream + DUMP) == (SnapshotHeader(CEILING, cutover), PAIRS)


def test_golden_dump():
    """The dump has little-endian lengths around each key and value."""
    assert b"".join(encode_dump(PAIRS)) == DUMP


def test_commit_timestamp_goes_in_front():
    """The commit timestamp is a little-endian u64 behind the magic."""
    assert b"".join(encode_dump([], 258)) == b"EKVPBBL1\x02\x01\0\0\0\0\0\0"


def test_dump_comes_in_chunks():
    """A large dump is cut into chunks not much above the bound, and reads back whole."""
    pairs = [(b"%d" % number, bytes(20_000)) for number in range(20)]

    chunks = list(encode_dump(pairs))

    assert len(chunks) > 3
    assert max(map(len, chunks)) < CHUNK_BYTES + 25_000
    assert restored(b"".join(chunks))[1] == pairs


def test_longer_header_is_skipped():
    """Bytes that a newer version 2 header adds are skipped."""
    longer = V2[:8] + (1024).to_bytes(2, "big") + V2[10:] + bytes(1024 - 16)

    assert restored(longer + DUMP) == (SnapshotHeader(CEILING, 42), PAIRS)


@pytest.mark.parametrize("length", [0, 15, 1025, 0xFFFF])
def test_header_of_impossible_length(length):
    """A version 2 header says a length from 16 to 1024."""
    with pytest.raises(SnapshotHeaderInvalidLength):
        restored(V2[:8] + length.to_bytes(2, "big") + bytes(2000))


@pytest.mark.parametrize("header", [V1, V2])
def test_header_that_ends_early(header):
    """A header that was cut off is an error, not a legacy stream."""
    for length in range(8, len(header)):
        with pytest.raises(SnapshotHeaderInvalidLength):
            restored(header[:length])


@pytest.mark.parametrize("last", [b"0", b"3", b"9", b"\xff"])
def test_unknown_header(last):
    """A header of an unknown version is an error, not a legacy stream."""
    with pytest.raises(SnapshotHeaderUnknownMagic):
        restored(b"EKVTHLC" + last + bytes(100))


def test_legacy_stream():
    """A stream that begins with the dump has ceiling and cutover 0."""
    assert restored(DUMP) == (SnapshotHeader(0, 0), PAIRS)


@pytest.mark.parametrize("stream", [b"", b"EKVTHLC", b"EKVPBBL"])
def test_short_stream(stream):
    """Fewer than 8 bytes are no header, and no dump either."""
    with pytest.raises(SnapshotDumpMalformed):
        restored(stream)


@pytest.mark.parametrize("stream", [b"SOMETHING ELSE", V1 + b"SOMETHING ELSE", V1])
def test_foreign_dump(stream):
    """What does not begin with the dump's magic is refused."""
    with pytest.raises(SnapshotDumpMalformed):
        restored(stream)


def test_dump_cut_inside_a_row():
    """A dump that ends anywhere but between two rows is refused."""
    between = {16, 34, 52, 69}
    for length in range(8, len(DUMP)):
        if length in between:
            restored(DUMP[:length])
        else:
            with pytest.raises(SnapshotDumpMalformed):
                restored(DUMP[:length])


def test_impossible_length_is_refused():
    """A key longer than the stream is refused, whatever it says."""
    with pytest.raises(SnapshotDumpMalformed):
        restored(DUMP[:16] + b"\xff" * 8)


@pytest.mark.parametrize("failing", range(1, 12))
def test_read_errors_pass_through(failing):
    """An I/O error at any read is reported, never taken for a legacy stream or an end."""
    read = reader(V1 + DUMP)
    calls = []

    def flaky(length):
        calls.append(length)
        if len(calls) == failing:
            raise OSError(errno.EIO, "EIO")
        return read(length)

    with pytest.raises(OSError, match="EIO"):
        list(restore_pairs(flaky)[1])


@pytest.mark.parametrize("most", [1, 3, 7])
def test_short_reads(most):
    """A reader that gives less than it was asked for changes nothing."""
    header, pairs = restore_pairs(reader(V2 + DUMP, most))

    assert (header, list(pairs)) == (SnapshotHeader(CEILING, 42), PAIRS)
