"""The write-ahead log: order of writes and fsyncs, crash points, segments, recovery and refusal."""

from __future__ import annotations

import errno

import pytest

from cluster.probe import Crash, SilentProbe
from cluster.storage.disk import DiskFault
from cluster.storage.sim_disk import SimDisk
from cluster.storage.wal import LogDamaged, LogFailed, WriteAheadLog
from cluster.storage.wal_frames import (
    FRAME_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    encode_frame,
    read_frames,
    witness_behind,
)

FIRST = "raft/00000001.wal"


def open_log(disk, probe=None, segment_bytes=1 << 20):
    return WriteAheadLog.open(disk, "raft", probe or SilentProbe(), segment_bytes)


def size_of(disk, path):
    file = disk.open(path)
    size = file.size()
    file.close()
    return size


def log_of(disk, *frames, sync=True):
    log, _ = open_log(disk)
    for records in frames:
        log.append(records, sync=sync)
    return log


# -- the plain life -----------------------------------------------------------------------------------


def test_a_new_log_is_empty_and_durable():
    """Opening an empty directory makes the directory and one durable segment without records."""
    disk = SimDisk()
    log, records = open_log(disk)

    assert records == []
    assert log.segments == (1,)
    assert log.current_segment == 1
    assert disk.unsynced("") == []


def test_records_come_back_in_order():
    """Kinds and bytes of all frames are returned, empty frames and empty records included."""
    disk = SimDisk()
    log_of(disk, [(1, b"a"), (255, b"")], [], [(0, b"b" * 1000)]).close()

    assert open_log(disk)[1] == [(1, b"a"), (255, b""), (0, b"b" * 1000)]


def test_a_synced_append_is_claimed_and_true(striking):
    """After a synced append D5 is claimed for the directory, and nothing below it is un-synced."""
    disk = SimDisk()
    probe = striking(disk)
    log, _ = open_log(disk, probe)
    log.append([(1, b"a")], sync=True)
    log.append([(1, b"b")], sync=False)
    log.sync()

    assert probe.claims == [("D5", "raft"), ("D5", "raft")]
    assert probe.false_claims == []


def test_an_unsynced_append_claims_nothing(striking):
    """Without sync the bytes are written, reported as un-synced, and not claimed."""
    disk = SimDisk()
    probe = striking(disk)
    log, _ = open_log(disk, probe)
    log.append([(1, b"a")], sync=False)

    assert probe.claims == []
    assert len(disk.unsynced("raft")) == 1
    assert probe.reached == ["wal.before_append", "wal.after_write_before_fsync"]


def test_what_a_kill_left_is_durable_after_opening():
    """Records that recovery shows are synced by it: no later power loss takes them away."""
    disk = SimDisk()
    log_of(disk, [(1, b"a")], sync=False)
    disk.kill()
    assert open_log(disk)[1] == [(1, b"a")]
    assert disk.unsynced("") == []
    disk.power_loss(None)

    assert open_log(disk)[1] == [(1, b"a")]


def test_the_log_goes_on_after_recovery():
    """Appends after a reopening stand behind the old records."""
    disk = SimDisk()
    log_of(disk, [(1, b"a")])
    disk.kill()
    log, _ = open_log(disk)
    log.append([(1, b"b")], sync=True)

    assert open_log(disk)[1] == [(1, b"a"), (1, b"b")]


# -- crash points -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "kind", "kept"),
    [
        ("wal.before_append", "kill", False),
        ("wal.before_append", "lost", False),
        ("wal.torn_tail", "kill", False),
        ("wal.torn_tail", "lost", False),
        ("wal.after_write_before_fsync", "kill", True),
        ("wal.after_write_before_fsync", "lost", False),
        ("wal.after_fsync", "kill", True),
        ("wal.after_fsync", "lost", True),
    ],
)
def test_a_crash_point_leaves_what_its_name_says(striking, strike, point, kind, kept):
    """The record in hand is there after the restart exactly when the specification says so."""
    disk = SimDisk()
    log_of(disk, [(1, b"first")])
    disk.kill()
    log, _ = open_log(disk, striking(disk, point))
    with pytest.raises(Crash, match=point):
        log.append([(1, b"in hand" * 20)], sync=True)
    strike(disk, kind)
    log, records = open_log(disk)

    assert records == [(1, b"first")] + [(1, b"in hand" * 20)] * kept
    assert (log.torn_bytes > 0) == (point == "wal.torn_tail" and kind == "kill")


def test_a_torn_tail_is_cut_once():
    """The first opening reports the torn bytes and cuts them off; the second finds a clean log."""
    disk = SimDisk()
    log_of(disk, [(1, b"a" * 100)], [(1, b"b" * 100)])
    file = disk.open(FIRST)
    file.truncate(file.size() - 30)
    file.fsync()
    first, records = open_log(disk)
    second, again = open_log(disk)

    assert records == again == [(1, b"a" * 100)]
    assert first.torn_bytes == FRAME_HEADER_BYTES + 5 + 100 - 30
    assert second.torn_bytes == 0


def test_lost_frames_before_kept_ones_are_a_torn_tail():
    """Of several un-synced frames the first may be lost and the last kept: all of them go."""
    disk = SimDisk()
    log = log_of(disk, [(1, b"synced")])
    start = size_of(disk, FIRST)
    log.append([(1, b"x" * 600)], sync=False)
    log.append([(1, b"y" * 600)], sync=False)
    disk.flip_bit(FIRST, start + 100)
    log, records = open_log(disk)

    assert records == [(1, b"synced")]
    assert log.torn_bytes == 2 * (FRAME_HEADER_BYTES + 5 + 600)


# -- damage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0, 4, 9, FRAME_HEADER_BYTES + 7])
def test_damage_under_later_synced_frames_is_refused(offset):
    """A flipped bit anywhere in a frame that a later frame knew as durable: the log is refused, untouched."""
    disk = SimDisk()
    log_of(disk, [(1, b"a" * 50)], [(1, b"b" * 50)], [(1, b"c" * 50)])
    at = SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + 55
    size = size_of(disk, FIRST)
    disk.flip_bit(FIRST, at + offset)

    with pytest.raises(LogDamaged, match=rf"{FIRST}: byte {at}: .*wipe"):
        open_log(disk)
    assert size_of(disk, FIRST) == size


def test_damage_in_the_last_synced_frame_has_no_witness():
    """The one damage that looks like a torn tail: nothing behind it shows that it was durable."""
    disk = SimDisk()
    log_of(disk, [(1, b"a")], [(1, b"b")])
    disk.flip_bit(FIRST, size_of(disk, FIRST) - 1)

    assert open_log(disk)[1] == [(1, b"a")]


def test_damage_before_a_later_segment_is_refused():
    """A sealed segment has no torn tail, not even in its last frame."""
    disk = SimDisk()
    log = log_of(disk, [(1, b"a")])
    end = size_of(disk, FIRST)
    log.roll([(2, b"state")])
    disk.flip_bit(FIRST, end - 1)

    with pytest.raises(LogDamaged, match="later segment"):
        open_log(disk)


def test_a_missing_middle_segment_is_refused():
    """A gap in the numbers names the missing file."""
    disk = SimDisk()
    log = log_of(disk, [(1, b"a")])
    log.roll([])
    log.roll([])
    disk.unlink("raft/00000002.wal")

    with pytest.raises(LogDamaged, match=r"00000002.wal: byte 0: the segment is missing"):
        open_log(disk)


@pytest.mark.parametrize("byte", [0, 9, 17, 27])
def test_a_damaged_segment_header_is_refused(byte):
    """Magic, sequence, base or checksum of a segment with records in it: refused."""
    disk = SimDisk()
    log_of(disk, [(1, b"a")])
    disk.flip_bit(FIRST, byte)

    with pytest.raises(LogDamaged, match="header"):
        open_log(disk)


def test_a_segment_in_the_wrong_place_is_refused():
    """A segment copied over another one is recognised by its number."""
    disk = SimDisk()
    log = log_of(disk, [(1, b"a")])
    log.roll([(1, b"b")])
    disk.rename("raft/00000002.wal", FIRST)

    with pytest.raises(LogDamaged, match="header"):
        open_log(disk)


def test_a_frame_inside_a_record_is_no_frame():
    """Bytes of a real frame, stored as a record, are not mistaken for a witness."""
    disk = SimDisk()
    log = log_of(disk, [(1, b"a")])
    start = size_of(disk, FIRST)
    copy = encode_frame([(1, b"trap")], position=0, horizon=1 << 40)
    log.append([(1, copy)], sync=False)
    disk.flip_bit(FIRST, start + FRAME_HEADER_BYTES)

    assert open_log(disk)[1] == [(1, b"a")]


def test_a_witness_must_know_the_bad_frame():
    """A valid frame behind a bad one proves damage only if its horizon lies above the bad one."""
    base = 1000
    bad = b"?" * 40
    position = base + SEGMENT_HEADER_BYTES + len(bad)
    head = bytes(SEGMENT_HEADER_BYTES)
    for horizon, found in ((base + SEGMENT_HEADER_BYTES, None), (position, position - base)):
        data = head + bad + encode_frame([], position, horizon)

        assert read_frames(data, base) == ([], SEGMENT_HEADER_BYTES)
        assert witness_behind(data, base, SEGMENT_HEADER_BYTES) == found


# -- segments -----------------------------------------------------------------------------------------


def test_rolling_carries_records_into_the_new_segment():
    """The new segment begins with the caller's records; then the old ones can be released."""
    disk = SimDisk()
    log = log_of(disk, [(1, b"old")])
    assert log.roll([(2, b"state"), (3, b"snapshot")]) == 2
    log.append([(1, b"new")], sync=True)
    log.release(2)

    assert disk.list("raft") == ["00000002.wal"]
    assert log.segments == (2,)
    assert disk.unsynced("") == []
    assert open_log(disk)[1] == [(2, b"state"), (3, b"snapshot"), (1, b"new")]


def test_the_current_segment_is_never_released():
    """Releasing everything leaves the segment that is written."""
    disk = SimDisk()
    log = log_of(disk, [(1, b"a")])
    log.release(99)

    assert log.segments == (1,)


def test_full_says_when_to_roll():
    """A segment is full once it has reached the given size."""
    disk = SimDisk()
    log, _ = open_log(disk, segment_bytes=200)
    before = log.full
    log.append([(1, b"x" * 200)], sync=True)
    after = log.full
    log.roll([])

    assert [before, after, log.full] == [False, True, False]


def test_rolling_makes_the_old_segment_durable_first():
    """Un-synced records of the old segment are durable before the new segment exists."""
    disk = SimDisk()
    log = log_of(disk, [(1, b"a")], sync=False)
    log.roll([(1, b"b")])
    disk.power_loss(None)

    assert open_log(disk)[1] == [(1, b"a"), (1, b"b")]


@pytest.mark.parametrize("length", [0, 5, SEGMENT_HEADER_BYTES])
def test_a_segment_that_was_being_made_is_removed(length):
    """An empty or half header at the end of the log is what a power loss in `roll` leaves: it goes."""
    disk = SimDisk()
    log_of(disk, [(1, b"a")])
    file = disk.open("raft/00000002.wal", create=True)
    file.write(0, b"\0" * length)
    log, records = open_log(disk)

    assert records == [(1, b"a")]
    assert log.segments == (1,)
    assert log.torn_bytes == length
    assert log.roll([]) == 2


def test_damage_under_a_half_made_segment_is_refused():
    """The old segment was synced whole before the new one was begun, so a bad frame in it is damage."""
    disk = SimDisk()
    log_of(disk, [(1, b"a")])
    disk.flip_bit(FIRST, size_of(disk, FIRST) - 1)
    disk.open("raft/00000002.wal", create=True)

    with pytest.raises(LogDamaged, match="later segment"):
        open_log(disk)


# -- failing devices ----------------------------------------------------------------------------------


def test_a_failed_fsync_is_final():
    """After EIO every call raises LogFailed, also when the device works again."""
    disk = SimDisk()
    log = log_of(disk, [(1, b"a")])
    disk.faults.fail_fsync("raft", once=True)
    with pytest.raises(LogFailed) as caught:
        log.append([(1, b"b")], sync=True)
    assert isinstance(caught.value.__cause__, DiskFault)
    assert caught.value.__cause__.errno == errno.EIO

    for call in (
        lambda: log.append([], sync=False),
        log.sync,
        lambda: log.roll([]),
        lambda: log.release(1),
    ):
        with pytest.raises(LogFailed):
            call()


def test_a_full_disk_is_final_and_leaves_a_torn_tail():
    """ENOSPC in the middle of a frame: the log fails, and the next life cuts the half frame off."""
    disk = SimDisk()
    log = log_of(disk, [(1, b"a")])
    disk.faults.fill_up("raft", kept_bytes=10)
    with pytest.raises(LogFailed):
        log.append([(1, b"b" * 50)], sync=True)
    disk.faults.heal()
    disk.kill()
    log, records = open_log(disk)

    assert records == [(1, b"a")]
    assert log.torn_bytes == 10


def test_a_short_read_is_not_a_torn_tail():
    """A device that delivers too little must not shorten the log: opening fails and changes nothing."""
    disk = SimDisk()
    log_of(disk, [(1, b"a" * 1000)])
    disk.faults.shorten_reads("raft", bytes_max=100)
    with pytest.raises(LogFailed, match="read 100 of"):
        open_log(disk)
    disk.faults.heal()

    assert open_log(disk)[1] == [(1, b"a" * 1000)]
