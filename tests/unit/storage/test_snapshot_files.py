"""Snapshot files: formats, order of writes, crash points, the search for a usable pair, purging, spooling."""

from __future__ import annotations

import pytest
from crc32c import crc32c

from cluster.probe import Crash, SilentProbe
from cluster.storage.sim_disk import SimDisk
from cluster.storage.snapshot_files import (
    SnapshotCorrupt,
    SnapshotFiles,
    SnapshotMissing,
    SnapshotTokenMismatch,
    SnapshotTooSmall,
    decode_token,
    encode_token,
)

STREAM = b"EKVTHLC1" + bytes(range(256)) * 5
EVER = 1 << 63


def open_files(disk, probe=None):
    return SnapshotFiles(disk, "snap", probe or SilentProbe())


def write(files, index, stream=STREAM):
    writer = files.create(index)
    for at in range(0, len(stream), 500):
        writer.write(stream[at : at + 500])
    return writer.finish()


def save(files, index, stream=STREAM, meta=b"meta"):
    files.save_record(write(files, index, stream), meta)


def content(disk, path):
    file = disk.open(path)
    return file.read(0, file.size())


# -- formats --------------------------------------------------------------------------------------------


def test_the_token_is_the_golden_one():
    """17 bytes: magic, version, index and checksum, big-endian."""
    token = bytes.fromhex("454b565401" + "0000000000000064" + "8c12b471")

    assert encode_token(100, 0x8C12B471) == token
    assert decode_token(token) == (100, 0x8C12B471)


@pytest.mark.parametrize(
    "token", [b"", b"EKVT\x02" + bytes(12), b"EKVX\x01" + bytes(12), bytes(18)]
)
def test_other_bytes_are_no_token(token):
    """Wrong length, magic or version: SnapshotTokenMismatch."""
    with pytest.raises(SnapshotTokenMismatch):
        decode_token(token)


def test_the_checksum_is_crc32c():
    """The check value of the polynomial: the footer is CRC-32C, not CRC-32."""
    assert crc32c(b"123456789") == 0xE3069283


def test_a_stream_file_is_the_stream_and_its_checksum():
    """The name is the index in 16 hex digits, the footer the checksum, big-endian; the token fits both."""
    disk = SimDisk()
    files = open_files(disk)
    token = write(files, 0xAB)
    path = "snap/00000000000000ab.fsm"

    assert content(disk, path) == STREAM + crc32c(STREAM).to_bytes(4, "big")
    assert decode_token(token) == (0xAB, crc32c(STREAM))
    assert files.size(0xAB) == len(STREAM) + 4
    assert files.read(0xAB, 8, 4) == STREAM[8:12]
    assert files.load(0xAB) == STREAM
    assert files.indexes() == [0xAB]


# -- writing --------------------------------------------------------------------------------------------


def test_claims_are_true(striking):
    """D6 for the stream file and D7 for the record are claimed when nothing of them is un-synced."""
    disk = SimDisk()
    probe = striking(disk)
    files = open_files(disk, probe)
    save(files, 7)

    assert probe.claims == [
        ("D6", "snap/0000000000000007.fsm"),
        ("D7", "snap/0000000000000007.snap"),
    ]
    assert probe.false_claims == []
    assert disk.unsynced("") == []


@pytest.mark.parametrize(
    ("point", "after_kill", "after_power"),
    [
        ("snap.tmp_partial", [], []),
        ("snap.tmp_fsynced", [], []),
        ("snap.renamed", [7], []),
        ("snap.dirsynced", [7], [7]),
    ],
)
def test_a_crash_leaves_a_whole_stream_file_or_none(
    striking, strike, point, after_kill, after_power
):
    """Temporary files are cleaned up; the file has its name only when its content is durable."""
    for kind, expected in (("kill", after_kill), ("lost", after_power)):
        disk = SimDisk()
        files = open_files(disk, striking(disk, point))
        with pytest.raises(Crash, match=point):
            write(files, 7)
        strike(disk, kind)
        files = open_files(disk)

        assert files.indexes() == expected
        assert all(files.load(index) == STREAM for index in expected)
        assert disk.list("snap") == [f"{index:016x}.fsm" for index in expected]
        assert disk.unsynced("") == []


def test_a_snapshot_given_up_leaves_nothing():
    """A later attempt at the same index starts anew, and what nobody tried again is gone at the next opening."""
    disk = SimDisk()
    files = open_files(disk)
    for index in (7, 8):
        writer = files.create(index)
        writer.write(STREAM + b"half of something longer")
        writer.close()
    write(files, 7)
    assert files.load(7) == STREAM
    open_files(disk)

    assert disk.list("snap") == [f"{7:016x}.fsm"]


# -- searching ------------------------------------------------------------------------------------------


def test_no_snapshot_is_not_an_error():
    """An empty directory has no usable pair, and nothing was skipped."""
    search = open_files(SimDisk()).newest(at_most=EVER)

    assert (search.found, search.skipped) == (None, ())


def test_the_newest_pair_is_found():
    """Token and meta come back; a stream file without a record does not count."""
    files = open_files(SimDisk())
    save(files, 5, meta=b"five")
    save(files, 0x10, meta=b"sixteen")
    write(files, 0x20)
    search = files.newest(at_most=EVER)

    assert search.found is not None
    assert (search.found.index, search.found.meta) == (0x10, b"sixteen")
    assert search.found.token == encode_token(0x10, crc32c(STREAM))
    assert search.skipped == ()


def truncate(disk, path, size):
    disk.open(path).truncate(size)


FSM, SNAP = "snap/0000000000000009.fsm", "snap/0000000000000009.snap"


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda disk: disk.unlink(FSM), SnapshotMissing),
        (lambda disk: truncate(disk, FSM, 3), SnapshotTooSmall),
        (lambda disk: truncate(disk, FSM, 0), SnapshotTooSmall),
        (lambda disk: truncate(disk, FSM, 100), SnapshotCorrupt),
        (lambda disk: disk.flip_bit(FSM, 50), SnapshotCorrupt),
        (lambda disk: disk.flip_bit(FSM, len(STREAM)), SnapshotCorrupt),
        (lambda disk: truncate(disk, SNAP, 0), SnapshotTokenMismatch),
        (lambda disk: truncate(disk, SNAP, 20), SnapshotTokenMismatch),
        (lambda disk: disk.flip_bit(SNAP, 10), SnapshotTokenMismatch),
        (lambda disk: disk.flip_bit(SNAP, 22), SnapshotTokenMismatch),
        (lambda disk: write(open_files(disk), 9, b"another"), SnapshotTokenMismatch),
        (lambda disk: disk.rename(SNAP.replace("9.", "5."), SNAP), SnapshotTokenMismatch),
    ],
)
def test_an_unusable_pair_is_skipped_and_reported(damage, error):
    """Each kind of damage has its error, and the next older pair is used."""
    disk = SimDisk()
    files = open_files(disk)
    for index in (3, 5, 9):
        save(files, index)
    damage(disk)
    search = files.newest(at_most=EVER)

    assert search.found is not None
    assert search.found.index in (3, 5)
    assert [(index, type(found)) for index, found in search.skipped] == [(9, error)]


def test_an_io_error_is_not_an_absence():
    """A device that cannot be read raises; it never makes the search fall back to an older pair."""
    disk = SimDisk()
    files = open_files(disk)
    save(files, 3)
    save(files, 9)
    disk.faults.shorten_reads("snap/0000000000000009", bytes_max=10)

    with pytest.raises(OSError, match="read 10 of"):
        files.newest(at_most=EVER)


def test_reading_what_is_not_there():
    """size, read and load of an absent index raise SnapshotMissing; load verifies."""
    disk = SimDisk()
    files = open_files(disk)
    for call in (files.size, files.load, lambda index: files.read(index, 0, 1), files.check):
        with pytest.raises(SnapshotMissing):
            call(1)
    write(files, 9)
    disk.flip_bit(FSM, 0)

    with pytest.raises(SnapshotCorrupt):
        files.load(9)


# -- purging --------------------------------------------------------------------------------------------


def test_purge_keeps_the_newest():
    """Three snapshots stay by default, with their records; orphans among the old ones go too."""
    disk = SimDisk()
    files = open_files(disk)
    for index in range(1, 7):
        save(files, index)
    write(files, 0)

    assert files.purge(recorded=6) == [0, 1, 2, 3]
    assert disk.list("snap") == [f"{n:016x}.{kind}" for n in (4, 5, 6) for kind in ("fsm", "snap")]
    assert disk.unsynced("") == []


def test_purge_spares_protected_ones_and_unfinished_business():
    """Protected indexes stay, and so does a stream file above the newest pair."""
    files = open_files(SimDisk())
    for index in (1, 2, 3):
        save(files, index)
    write(files, 8)

    assert files.purge(recorded=3, keep=1, protected=[2]) == [1]
    assert files.indexes() == [2, 3, 8]


def test_purge_never_removes_the_last_usable_pair():
    """When the newer ones are damaged, the newest that can be loaded stays, however old it is."""
    disk = SimDisk()
    files = open_files(disk)
    for index in (1, 5, 6, 7):
        save(files, index)
    for index in (5, 6, 7):
        disk.flip_bit(f"snap/{index:016x}.fsm", 9)

    assert files.purge(recorded=7, keep=1) == []
    assert files.newest(at_most=EVER).found.index == 1


def test_purge_does_not_count_a_pair_that_the_log_does_not_know():
    """A crash left pairs above the newest recorded one: that one, and its elders, stay as if they were not there."""
    files = open_files(SimDisk())
    for index in (1, 2, 3, 7, 8, 9):
        save(files, index)

    assert files.purge(recorded=3, keep=2) == [1]
    assert files.indexes() == [2, 3, 7, 8, 9]


def test_purge_keeps_all_when_there_are_fewer_than_it_may_keep():
    """Two older ones are no reason to remove one of them when more may stay."""
    files = open_files(SimDisk())
    for index in (1, 2, 3):
        save(files, index)

    assert files.purge(recorded=3, keep=4) == []


def test_purge_of_nothing_usable_removes_nothing():
    """Without a usable pair everything stays: it may be all there is to repair from."""
    files = open_files(SimDisk())
    write(files, 1)

    assert files.purge(recorded=1, keep=1) == []
    assert files.indexes() == [1]


# -- receiving ------------------------------------------------------------------------------------------


def send(source, target, index, piece=300):
    for offset in range(0, source.size(index), piece):
        target.spool_write(index, offset, source.read(index, offset, piece))


def test_a_received_file_is_the_senders(striking):
    """Spooled in pieces, verified, renamed: the same bytes, the same token, D6 claimed and true."""
    source = open_files(SimDisk())
    token = write(source, 9)
    disk = SimDisk()
    probe = striking(disk)
    target = open_files(disk, probe)
    send(source, target, 9)

    assert target.spool_finish() == token
    assert target.load(9) == STREAM
    assert probe.claims == [("D6", FSM)]
    assert probe.false_claims == []
    assert probe.reached[-2:] == ["inst.spooled_fsynced", "inst.fsm_renamed"]
    assert disk.list("snap") == ["0000000000000009.fsm"]


@pytest.mark.parametrize("point", ["inst.spooling", "inst.spooled_fsynced", "inst.fsm_renamed"])
@pytest.mark.parametrize("kind", ["kill", "lost"])
def test_a_crash_while_receiving_leaves_a_whole_file_or_none(striking, strike, point, kind):
    """A partial spool is discarded at the next opening; a renamed file is whole."""
    source = open_files(SimDisk())
    write(source, 9)
    disk = SimDisk()
    target = open_files(disk, striking(disk, point, nth=2 if point == "inst.spooling" else 1))

    def receive():
        send(source, target, 9)
        target.spool_finish()

    with pytest.raises(Crash, match=point):
        receive()
    strike(disk, kind)
    target = open_files(disk)

    assert target.indexes() == ([9] if (point, kind) == ("inst.fsm_renamed", "kill") else [])
    assert disk.list("snap") == [f"{index:016x}.fsm" for index in target.indexes()]


@pytest.mark.parametrize(
    ("data", "error"), [(b"abc", SnapshotTooSmall), (b"abcdefgh", SnapshotCorrupt)]
)
def test_a_damaged_transfer_is_refused(data, error):
    """A spool that does not fit its checksum is thrown away and can be received again."""
    disk = SimDisk()
    files = open_files(disk)
    files.spool_write(9, 0, data)
    with pytest.raises(error):
        files.spool_finish()
    assert disk.list("snap") == []
    with pytest.raises(SnapshotMissing):
        files.spool_finish()


def test_another_snapshot_starts_another_spool():
    """Bytes of a newer snapshot, or a start from 0, forget what was spooled before."""
    source = open_files(SimDisk())
    write(source, 9)
    write(source, 10, b"short")
    disk = SimDisk()
    target = open_files(disk)
    send(source, target, 9)
    send(source, target, 10)
    assert disk.list("snap") == ["000000000000000a.spool"]
    send(source, target, 10)
    target.spool_finish()

    assert target.load(10) == b"short"


def test_a_transfer_may_start_again_with_other_bytes():
    """Another leader's file of the same index replaces the longer one that was half received."""
    long, short = open_files(SimDisk()), open_files(SimDisk())
    write(long, 9)
    write(short, 9, b"short")
    target = open_files(SimDisk())
    target.spool_write(9, 0, long.read(9, 0, 1000))
    send(short, target, 9)
    target.spool_finish()

    assert target.load(9) == b"short"
