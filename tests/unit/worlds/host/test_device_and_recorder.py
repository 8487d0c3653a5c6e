"""Faults by path, and the ledger's numbers."""

from __future__ import annotations

import errno

import pytest

from cluster.worlds.host.power_disk.device import Device, DeviceFault
from cluster.worlds.host.power_disk.recorder import Recorder


def test_faults_hold_below_their_path():
    """Each fault is on for names that begin with its path, several add up, and none is on elsewhere."""
    device = Device()
    device.faults += [
        DeviceFault("eio", "wal"),
        DeviceFault("slow", "", 5),
        DeviceFault("slow", "wal/1", 7),
        DeviceFault("short", "db", 3),
    ]

    assert [device.fsync_fails(path) for path in ("wal/1", "db")] == [True, False]
    assert [device.fsync_delay_ns(path) for path in ("wal/1", "db")] == [12, 5]
    assert [device.accepted(path, 10) for path in ("wal/1", "db")] == [10, 3]


def test_a_full_device_takes_nothing():
    """ENOSPC, before any byte; a short write takes at least one, so that a program can get on."""
    device = Device()
    device.faults += [DeviceFault("full", "a"), DeviceFault("short", "b")]

    with pytest.raises(OSError, match="no space") as refusal:
        device.accepted("a", 10)
    assert refusal.value.errno == errno.ENOSPC
    assert device.accepted("b", 10) == 1


def test_a_small_device_takes_what_fits():
    """Growth up to the room that is left, ENOSPC where none is; without a limit, and without growth, everything."""
    device = Device()
    assert device.fitting("a", 1 << 40, 10) == 10
    device.room_bytes = 100
    assert device.fitting("a", 95, 10) == 5
    assert device.fitting("a", 200, 0) == 0
    with pytest.raises(OSError, match="no space") as refusal:
        device.fitting("a", 100, 1)
    assert refusal.value.errno == errno.ENOSPC


def test_a_file_keeps_its_number_through_renames_and_not_beyond_its_life():
    """Records name a file by a number of its own; an inode that comes back is another file."""
    recorder = Recorder()
    recorder.record("create", "a", inode=5)
    recorder.record("rename", "b", source="a")
    recorder.record("write", "b", inode=5, offset=0, length=3)
    recorder.fresh(5)
    recorder.record("create", "c", inode=5)

    assert [record.file for record in recorder.since(0)] == [1, 0, 1, 2]
    assert [record.sequence for record in recorder.since(2)] == [3, 4]


def test_an_old_ledger_says_what_it_forgot():
    """Beyond the bound the oldest records go; the first number left tells how many."""
    recorder = Recorder(records_max=3)
    for number in range(5):
        recorder.record("mark", f"point {number}")

    assert [record.sequence for record in recorder.since(0)] == [3, 4, 5]


def test_what_was_written_has_a_bound_too():
    """Records go from the oldest on until what the others wrote is within it."""
    recorder = Recorder(data_bytes_max=5)
    for data in (b"abc", b"de", b"f"):
        recorder.record("write", "a", inode=1, length=len(data), data=data)

    assert [record.data for record in recorder.since(0)] == [b"de", b"f"]
