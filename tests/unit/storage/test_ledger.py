"""The ledger: which operations were recorded, and which fsync made what durable."""

from __future__ import annotations

import pytest

from cluster.storage.disk import DiskFull
from cluster.storage.ledger import RecordingDisk
from cluster.storage.sim_disk import SimDisk


@pytest.fixture
def disk():
    return RecordingDisk(SimDisk())


def test_operations_are_recorded_in_order(disk):
    """Every change and every sync stands in the ledger once, numbered from 1; reads do not."""
    disk.mkdir("d")
    file = disk.open("d/a.tmp", create=True)
    file.write(0, b"abc")
    file.read(0, 3)
    file.truncate(1)
    file.fsync()
    disk.rename("d/a.tmp", "d/a")
    disk.fsync_dir("d")
    disk.unlink("d/a")
    disk.rmdir("d")

    assert [(r.sequence, r.operation, r.path) for r in disk.records] == [
        (1, "mkdir", "d"),
        (2, "create", "d/a.tmp"),
        (3, "write", "d/a.tmp"),
        (4, "truncate", "d/a.tmp"),
        (5, "fsync", "d/a.tmp"),
        (6, "rename", "d/a"),
        (7, "fsync_dir", "d"),
        (8, "unlink", "d/a"),
        (9, "rmdir", "d"),
    ]
    assert [(r.offset, r.length) for r in disk.records][2:4] == [(0, 3), (1, 2)]
    assert [r.operation for r in disk.operations("d/a.tmp")][-1] == "rename"


def test_the_fsync_behind_a_write_is_named(disk):
    """The first fsync after the last write into the piece, and the first directory sync after the name."""
    file = disk.open("a", create=True)  # 1
    file.write(0, b"x" * 100)  # 2
    file.write(100, b"y" * 100)  # 3
    file.fsync()  # 4
    disk.fsync_dir("")  # 5
    file.write(150, b"z" * 10)  # 6
    file.fsync()  # 7
    first, second = disk.durable_by("a", 0, 100), disk.durable_by("a", 100, 200)

    assert (first.written, first.fsync, first.named, first.fsync_dir) == (2, 4, 1, 5)
    assert (second.written, second.fsync) == (6, 7)
    assert first.durable
    assert second.durable


def test_a_missing_fsync_is_shown(disk):
    """Without the fsync of the file, or of the directory after a rename, the piece is not durable."""
    file = disk.open("a.tmp", create=True)
    file.write(0, b"x")
    assert disk.durable_by("a.tmp", 0, 1).fsync == 0
    file.fsync()
    disk.fsync_dir("")
    assert disk.durable_by("a.tmp", 0, 1).durable
    disk.rename("a.tmp", "a")
    disk.mkdir("other")
    disk.fsync_dir("other")
    renamed = disk.durable_by("a", 0, 1)
    assert renamed.fsync > 0
    assert not renamed.durable
    disk.fsync_dir("")

    assert disk.durable_by("a", 0, 1).durable


def test_a_write_that_failed_half_way_is_unsynced():
    """After ENOSPC nobody knows what arrived: the ledger counts the whole piece."""
    inner = SimDisk()
    disk = RecordingDisk(inner)
    file = disk.open("a", create=True)
    disk.fsync_dir("")
    inner.faults.fill_up("a", kept_bytes=2)
    with pytest.raises(DiskFull):
        file.write(0, b"hello")

    assert disk.unsynced("") == ["a: bytes 0..5 not fsynced"]


def test_a_file_that_takes_a_name_is_another_file(disk):
    """Bytes of a replaced file say nothing about the one that took its name."""
    old = disk.open("a", create=True)
    old.write(0, b"x")
    old.fsync()
    new = disk.open("b", create=True)
    disk.rename("b", "a")
    new.write(0, b"y")

    assert disk.durable_by("a", 0, 1).fsync == 0
