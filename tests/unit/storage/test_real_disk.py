"""The real disk: its system calls, and its undo file, which is bounded, emptied, and robust."""

from __future__ import annotations

import os

import pytest

from cluster.storage import undo_file
from cluster.storage.disk import DiskFault, DiskFull
from cluster.storage.real_disk import RealDisk, _translate


@pytest.fixture(autouse=True)
def _device_at_rest(monkeypatch):
    """Real fsyncs cost milliseconds and show nothing that the first test here does not show."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(os, "fdatasync", lambda _: None)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "disk"


def log_size(root):
    return (root / ".undo" / "log").stat().st_size


def read(disk, path):
    file = disk.open(path)
    return file.read(0, file.size())


@pytest.mark.parametrize("undo_log", [False, True])
def test_syncs_reach_the_device(root, monkeypatch, undo_log):
    """A file's fsync is an fdatasync, a directory's an fsync; nothing else syncs."""
    calls = []
    monkeypatch.setattr(os, "fdatasync", lambda _: calls.append("fdatasync"))
    monkeypatch.setattr(os, "fsync", lambda _: calls.append("fsync"))
    disk = RealDisk(root, undo_log=undo_log)
    file = disk.open("a", create=True)
    file.write(0, b"x")
    assert calls == []
    file.fsync()
    assert calls == ["fdatasync"]
    disk.fsync_dir("")

    assert calls == ["fdatasync", "fsync"]


def test_what_a_removed_directory_kept_goes_with_it(root):
    """Once a directory is gone for good, so are the files that were removed from it before."""
    disk = RealDisk(root, undo_log=True)
    disk.mkdir("d")
    file = disk.open("d/f", create=True)
    file.write(0, b"x")
    file.fsync()
    disk.fsync_dir("d")
    disk.fsync_dir("")
    disk.unlink("d/f")
    disk.rmdir("d")
    disk.open("unsynced", create=True).write(0, b"x")
    disk.fsync_dir("")

    assert [path.name for path in (root / ".undo").iterdir()] == ["log"]


def test_a_clean_disk_has_an_empty_log(root):
    """Once everything is synced nothing is kept, neither records nor removed files."""
    disk = RealDisk(root, undo_log=True)
    for name in ("a", "b"):
        file = disk.open(name, create=True)
        file.write(0, b"x")
        file.fsync()
    disk.rename("a", "b")
    disk.unlink("b")
    file.write(0, b"nobody will miss this")
    disk.mkdir("d")
    disk.rmdir("d")
    assert log_size(root) > 0
    disk.fsync_dir("")

    assert log_size(root) == 0
    assert [path.name for path in (root / ".undo").iterdir()] == ["log"]


def test_the_log_is_bounded_while_something_stays_unsynced(root, monkeypatch):
    """One file is never synced, another one thousands of times: the log is written anew and stays right."""
    monkeypatch.setattr(undo_file, "_LOG_BYTES_MAX", 20_000)
    disk = RealDisk(root, undo_log=True)
    busy, idle = disk.open("busy", create=True), disk.open("idle", create=True)
    idle.write(0, b"old")
    idle.fsync()
    disk.fsync_dir("")
    idle.write(0, b"new")
    disk.open("entry", create=True)
    for n in range(300):
        busy.write(0, bytes([n % 256]) * 500)
        busy.fsync()
    assert log_size(root) < 25_000
    RealDisk.recover_power_loss(root, None)
    disk = RealDisk(root, undo_log=True)

    assert read(disk, "idle") == b"old"
    assert read(disk, "busy") == bytes([299 % 256]) * 500
    assert disk.list("") == ["busy", "idle"]


def test_half_a_record_at_the_end_is_ignored(root):
    """A process killed while it wrote a record had not done the work yet."""
    disk = RealDisk(root, undo_log=True)
    file = disk.open("a", create=True)
    file.write(0, b"old")
    file.fsync()
    disk.fsync_dir("")
    file.write(0, b"new")
    with (root / ".undo" / "log").open("ab") as log:
        log.write(b"\xff\0\0\0\1 half")
    RealDisk.recover_power_loss(root, None)

    assert read(RealDisk(root), "a") == b"old"


def test_a_kill_between_keeping_and_renaming_is_harmless(root):
    """A replaced file may be kept twice: the rename is simply tried again."""
    disk = RealDisk(root, undo_log=True)
    for name in ("a", "b"):
        file = disk.open(name, create=True)
        file.write(0, name.encode())
        file.fsync()
    disk.fsync_dir("")
    inode = (root / "b").stat().st_ino
    (root / ".undo" / str(inode)).hardlink_to(root / "b")
    disk.rename("a", "b")
    RealDisk.recover_power_loss(root, None)

    assert read(RealDisk(root), "b") == b"b"


def test_a_disk_without_undo_log_has_nothing_to_recover(root):
    """Carrying a power loss out on such a directory changes nothing."""
    disk = RealDisk(root)
    disk.open("a", create=True).write(0, b"x")
    RealDisk.recover_power_loss(root, None)

    assert read(disk, "a") == b"x"
    assert disk.unsynced("") == []


def test_errors_of_the_device_have_their_own_classes():
    """EIO, ENOSPC and EDQUOT become DiskFault and DiskFull, with the path on this disk; others stay."""
    for error, kind in (
        (OSError(5, "io"), DiskFault),
        (OSError(28, "full"), DiskFull),
        (OSError(122, "quota"), DiskFull),
        (PermissionError(13, "no"), PermissionError),
    ):
        with pytest.raises(kind) as caught:
            _translate(error, "raft/x")
        assert (caught.value.errno, caught.value.filename) == (error.errno, "raft/x")
