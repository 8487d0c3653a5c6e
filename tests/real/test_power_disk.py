"""A mounted disk under programs that know nothing of it: what they see while it lives, and what is left when the power goes."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from power_lab import mounted_disk, sync_directory

from cluster.worlds.errors import WorldFailed, WorldMissing
from cluster.worlds.host.power_disk import power_disk
from cluster.worlds.host.power_disk.device import DeviceFault
from cluster.worlds.host.power_disk.power_disk import FILE_SYSTEM, PowerDisk

pytestmark = [pytest.mark.real, pytest.mark.slow]

NOBODY = 65534


@pytest.fixture(scope="module")
def _shared(require, tmp_path_factory):
    require("fuse", "lets any program lose its power")
    with mounted_disk(tmp_path_factory.mktemp("disk")) as disk:
        yield disk


@pytest.fixture
def disk(_shared):
    """A started disk, empty and without faults; a mistake of the daemon fails the test that it happened in."""
    for path in _shared.mount.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    sync_directory(_shared.mount)
    yield _shared
    _shared.heal()
    _shared.power_on()
    assert _shared.status().written_back == 0


def write(path, data, *, sync=True):
    """Write a whole file, and sync it and its name, or not."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(descriptor, data)
    if sync:
        os.fsync(descriptor)
        sync_directory(path.parent)
    os.close(descriptor)


def run(*words, **options):
    return subprocess.run(words, check=True, capture_output=True, text=True, **options).stdout


# -- what programs see --------------------------------------------------------------------------------


def test_a_file_without_a_name_is_used_on(disk):
    """An unlinked open file is read, written, cut and asked about; it has no links, and no trace is left of it."""
    write(disk.mount / "a", b"hello")
    descriptor = os.open(disk.mount / "a", os.O_RDWR)
    (disk.mount / "a").unlink()
    os.pwrite(descriptor, b"J", 0)
    os.ftruncate(descriptor, 4)
    os.fsync(descriptor)

    assert os.pread(descriptor, 9, 0) == b"Jell"
    assert os.fstat(descriptor).st_nlink == 0
    assert list(disk.mount.iterdir()) == []
    sync_directory(disk.mount)
    os.close(descriptor)


def test_a_rename_over_an_open_file_is_one_step(disk):
    """The open file goes on under no name; the ledger has one rename, and a power loss shows old or new."""
    seen = []
    for seed in (None, *range(8)):
        write(disk.mount / "a", b"old")
        write(disk.mount / "b", b"new")
        descriptor = os.open(disk.mount / "a", os.O_RDWR)
        before = disk.ledger()[-1].sequence
        (disk.mount / "b").rename(disk.mount / "a")
        assert os.pread(descriptor, 9, 0) == b"old"
        assert [(r.operation, r.path) for r in disk.ledger(before)] == [("rename", "a")]
        os.close(descriptor)
        disk.power_loss(seed)
        seen.append((disk.mount / "a").read_bytes())

    assert seen[0] == b"old"
    assert set(seen) == {b"old", b"new"}


def test_appends_of_two_writers_do_not_overwrite_each_other(disk):
    """O_APPEND writes at the end as it is then, whoever moved it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    writers = [os.open(disk.mount / "log", flags) for _ in range(2)]
    for number in range(6):
        os.write(writers[number % 2], b"%d" % number)
    for writer in writers:
        os.close(writer)

    assert (disk.mount / "log").read_bytes() == b"012345"


def test_shared_memory_reaches_the_file_and_is_lost_unless_synced(disk):
    """Pages of a shared mapping are written back by msync and at the end; only a synced one survives."""
    write(disk.mount / "m", bytes(2 * mmap.PAGESIZE))
    descriptor = os.open(disk.mount / "m", os.O_RDWR)
    pages = mmap.mmap(descriptor, 2 * mmap.PAGESIZE)
    pages[:4] = b"safe"
    pages.flush()
    pages[mmap.PAGESIZE : mmap.PAGESIZE + 4] = b"lost"
    pages.close()
    os.close(descriptor)
    assert (disk.source / "files" / "m").read_bytes()[mmap.PAGESIZE :][:4] == b"lost"
    disk.power_loss()
    left = (disk.mount / "m").read_bytes()

    assert left[:4] == b"safe"
    assert left[mmap.PAGESIZE :] == bytes(mmap.PAGESIZE)


def test_locks_exclude_other_processes(disk):
    """Locks of both kinds, flock and fcntl, are held against another process and die with their holder."""
    write(disk.mount / "l", b"")
    tries = (
        "import fcntl, sys; f = open(sys.argv[1], 'r+')\n"
        "for lock in (fcntl.flock, fcntl.lockf):\n"
        "    try: lock(f, fcntl.LOCK_EX | fcntl.LOCK_NB); print('got')\n"
        "    except BlockingIOError: print('held')\n"
    )
    with (disk.mount / "l").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.lockf(file, fcntl.LOCK_EX)
        held = run(sys.executable, "-c", tries, str(disk.mount / "l"))
    got = run(sys.executable, "-c", tries, str(disk.mount / "l"))

    assert held.split() == ["held", "held"]
    assert got.split() == ["got", "got"]


def test_synchronous_handles_need_no_fsync(disk):
    """What was written through O_DSYNC survives at once; an fsync through a read-only handle counts for the file."""
    descriptor = os.open(disk.mount / "d", os.O_WRONLY | os.O_CREAT | os.O_DSYNC)
    sync_directory(disk.mount)
    os.write(descriptor, b"safe")
    os.close(descriptor)
    write(disk.mount / "r", b"old")
    write(disk.mount / "r", b"new", sync=False)
    descriptor = os.open(disk.mount / "r", os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    disk.power_loss()

    assert (disk.mount / "d").read_bytes() == b"safe"
    assert (disk.mount / "r").read_bytes() == b"new"


def test_a_file_cut_by_opening_it_comes_back(disk):
    """O_TRUNC, ftruncate and fallocate are un-synced changes like any other."""
    for name in ("opened", "cut", "longer", "punched"):
        write(disk.mount / name, b"x" * 5000)
    os.close(os.open(disk.mount / "opened", os.O_WRONLY | os.O_TRUNC))
    os.truncate(disk.mount / "cut", 10)
    descriptor = os.open(disk.mount / "longer", os.O_RDWR)
    os.posix_fallocate(descriptor, 0, 20000)
    os.close(descriptor)
    descriptor = os.open(disk.mount / "punched", os.O_RDWR)
    assert ctypes.CDLL(None).fallocate(descriptor, 0x03, ctypes.c_long(0), ctypes.c_long(4096)) == 0
    os.close(descriptor)
    assert (disk.mount / "punched").read_bytes() == bytes(4096) + b"x" * 904
    sizes = [(disk.mount / name).stat().st_size for name in ("opened", "cut", "longer")]
    disk.power_loss()

    assert sizes == [0, 10, 20000]
    assert {path.read_bytes() for path in disk.mount.iterdir()} == {b"x" * 5000}


def test_hard_links_and_moves_between_directories(disk):
    """A second name and a move to another directory: durable by the sync of a directory, gone without."""
    mount = disk.mount
    (mount / "d").mkdir()
    write(mount / "a", b"1")
    os.link(mount / "a", mount / "b")
    assert (mount / "a").stat().st_nlink == 2
    (mount / "a").rename(mount / "d" / "a")
    disk.power_loss()
    assert sorted(path.name for path in mount.rglob("*")) == ["a", "d"]
    assert (mount / "a").stat().st_nlink == 1
    os.link(mount / "a", mount / "b")
    (mount / "a").rename(mount / "d" / "a")
    sync_directory(mount / "d")
    disk.power_loss()

    assert (mount / "d" / "a").read_bytes() == (mount / "b").read_bytes() == b"1"
    assert not (mount / "a").exists()


def test_odd_names_and_kinds_of_files(disk):
    """Names that are no UTF-8, symlinks, pipes, modes and times: kept as they were made."""
    mount = disk.mount
    odd = os.fsencode(mount) + b"/\xff\xfe"
    Path(os.fsdecode(odd)).write_bytes(b"x")
    (mount / "s").symlink_to("nowhere")
    os.mkfifo(mount / "p")
    (mount / "t").write_bytes(b"")
    (mount / "t").chmod(0o4751)
    os.utime(mount / "t", ns=(1, 2))

    assert b"\xff\xfe" in {os.fsencode(path.name) for path in mount.iterdir()}
    assert (mount / "s").readlink() == Path("nowhere")
    assert (mount / "p").is_fifo()
    found = (mount / "t").stat()
    assert (found.st_mode & 0o7777, found.st_atime_ns, found.st_mtime_ns) == (0o4751, 1, 2)
    assert "\ufffd\ufffd" in {record.path for record in disk.ledger()}


def test_another_user_works_here(require, tmp_path):
    """A process that is not root owns what it makes, loses what it did not sync, and may not touch what is root's."""
    require("fuse", "lets any program lose its power")
    if os.geteuid() != 0:
        pytest.skip("only root can start processes of another user")
    script = (
        'cd "$1"; printf safe > mine; sync mine .; printf lost >> mine; mkdir sub; '
        "stat -c %u mine; (echo x > roots) 2> /dev/null || echo refused"
    )
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    try:
        with PowerDisk(tmp_path / "source", folder / "mount", owner=(NOBODY, NOBODY)) as disk:
            (disk.mount / "roots").write_bytes(b"")
            told = run("sh", "-c", script, "sh", disk.mount, user=NOBODY, group=NOBODY)
            before = (disk.mount / "mine").read_bytes()
            disk.power_loss()
            left = {path.name: path.read_bytes() for path in disk.mount.iterdir()}
    finally:
        shutil.rmtree(folder)

    assert told.split() == [str(NOBODY), "refused"]
    assert before == b"safelost"
    assert left == {"mine": b"safe", "roots": b""}


# -- real programs --------------------------------------------------------------------------------------


def commits(disk, journal, synchronous, seed, count=10**6):
    """Let sqlite3 commit `count` times or until it is killed, take the power; the last commit told of, the last one left."""
    code = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        f"db.execute('pragma journal_mode={journal}'); db.execute('pragma synchronous={synchronous}')\n"
        "db.execute('create table if not exists t(x)')\n"
        f"for n in range({count}): db.execute('insert into t values(?)', (n,)); print(n, flush=True)\n"
        "sys.stdin.read()\n"
    )
    words = [sys.executable, "-c", code, str(disk.mount / "db")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        told = [child.stdout.readline() for _ in range(40)]
        child.kill()
        told += child.stdout.read().split(b"\n")[:-1]
    disk.power_loss(seed)
    database = sqlite3.connect(disk.mount / "db")
    assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
    [(last,)] = database.execute("select x from t order by rowid desc limit 1").fetchall()
    database.close()
    return int(told[-1]), last


@pytest.mark.parametrize(("journal", "synchronous"), [("delete", "extra"), ("wal", "full")])
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_sqlite_keeps_what_it_committed(disk, journal, synchronous, seed):
    """Killed and robbed of its power, drawn or in full, a database is whole and holds every commit that it told of."""
    told, left = commits(disk, journal, synchronous, seed)

    assert left >= told


def test_a_missing_sync_of_a_directory_is_found(disk):
    """SQLite in journal mode DELETE with synchronous=FULL does not sync the removal of its journal: a commit told of is undone."""
    told, left = commits(disk, "delete", "full", None, count=40)

    assert left == told - 1


def test_git_works_here(disk):
    """Commit, pack and check; a repository that was synced as a whole outlives a power loss."""
    repository = disk.mount / "repository"
    git = ("git", "-C", repository, "-c", "user.name=n", "-c", "user.email=e")
    run("git", "init", "--quiet", repository)
    for number in range(3):
        (repository / f"file{number}").write_bytes(b"content" * 1000)
        run(*git, "add", ".")
        run(*git, "commit", "--quiet", "-m", f"commit {number}")
    run("sync", disk.mount, repository, *repository.rglob("*"))
    run(*git, "gc", "--quiet")
    run(*git, "fsck", "--strict")
    disk.power_loss()

    run(*git, "fsck", "--strict")
    assert run(*git, "rev-list", "--count", "HEAD").strip() == "3"
    assert run(*git, "status", "--porcelain") == ""


# -- faults and orders -----------------------------------------------------------------------------------


def test_what_a_failed_fsync_dropped_stays_dropped(disk):
    """EIO once: the next fsync answers success, and the bytes are gone after the power loss all the same."""
    write(disk.mount / "a", b"old")
    write(disk.mount / "b", b"old")
    descriptors = [os.open(disk.mount / name, os.O_RDWR) for name in "ab"]
    disk.fault(DeviceFault("eio", "a"))
    for descriptor in descriptors:
        os.write(descriptor, b"new")
    with pytest.raises(OSError) as failure:
        os.fsync(descriptors[0])
    disk.heal()
    for descriptor in descriptors:
        os.fsync(descriptor)
        os.close(descriptor)
    disk.power_loss()

    assert failure.value.errno == errno.EIO
    assert [(disk.mount / name).read_bytes() for name in "ab"] == [b"old", b"new"]


def test_full_disks_and_short_writes(disk):
    """ENOSPC below a path and nowhere else; a short write says how much it took."""
    disk.fault(DeviceFault("full", "full"))
    disk.fault(DeviceFault("short", "short", 3))
    descriptors = {
        name: os.open(disk.mount / name, os.O_WRONLY | os.O_CREAT)
        for name in ("full", "short", "x")
    }
    with pytest.raises(OSError) as failure:
        os.write(descriptors["full"], b"abcdef")

    assert failure.value.errno == errno.ENOSPC
    assert os.write(descriptors["short"], b"abcdef") == 3
    assert os.write(descriptors["x"], b"abcdef") == 6
    for descriptor in descriptors.values():
        os.close(descriptor)


def test_a_slow_fsync_waits_until_it_is_healed(disk):
    """An fsync slowed by an hour hangs, the disk obeys meanwhile, and heal lets it go on."""
    disk.fault(DeviceFault("slow", "", 3600 * 10**9))
    done = threading.Event()

    def slow():
        descriptor = os.open(disk.mount / "a", os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, b"x")
        os.fsync(descriptor)
        os.close(descriptor)
        done.set()

    thread = threading.Thread(target=slow)
    thread.start()
    while not any(record.operation == "write" for record in disk.ledger()[-3:]):
        time.sleep(0.001)
    assert not done.is_set()
    disk.heal()
    thread.join(10)

    assert done.is_set()


def test_marks_stand_among_writes(disk):
    """A program that marks a crash point through the mount finds it in the ledger, between what came before and after."""
    write(disk.mount / "a", b"x", sync=False)
    os.setxattr(disk.mount, "user.reprise.point", b"snap.renamed")
    (disk.mount / "a").rename(disk.mount / "b")
    told = [(r.operation, r.path, r.source) for r in disk.ledger()[-3:]]

    assert told == [("write", "a", ""), ("mark", "snap.renamed", ""), ("rename", "b", "a")]


def test_the_power_goes_at_the_mark(disk):
    """A program that takes the power at a point loses exactly what was un-synced there; what it does next is lost too."""
    write(disk.mount / "a", b"safe")
    descriptor = os.open(disk.mount / "a", os.O_RDWR)
    os.pwrite(descriptor, b"lost", 0)
    os.setxattr(disk.mount, "user.reprise.power", b"")
    for attempt in (
        lambda: os.pwrite(descriptor, b"more", 0),
        lambda: os.fsync(descriptor),
        lambda: (disk.mount / "new").write_bytes(b""),
    ):
        with pytest.raises(OSError) as failure:
            attempt()
        assert failure.value.errno == errno.EIO
    assert disk.status().off
    disk.power_loss()
    with pytest.raises(OSError, match="Input/output"):
        os.pwrite(descriptor, b"late", 0)
    os.close(descriptor)

    assert [path.name for path in disk.mount.iterdir()] == ["a"]
    assert (disk.mount / "a").read_bytes() == b"safe"


def test_draws_are_repeatable(disk):
    """The same work and the same seed leave the same bytes; another seed may leave others."""
    seen = []
    for seed in (1, 1, *range(2, 9)):
        draw = random.Random(0)
        write(disk.mount / "a", bytes(8192))
        descriptor = os.open(disk.mount / "a", os.O_RDWR)
        for _ in range(10):
            os.pwrite(descriptor, b"x" * 512, 512 * draw.randrange(16))
        os.close(descriptor)
        disk.power_loss(seed)
        seen.append((disk.mount / "a").read_bytes())

    assert seen[0] == seen[1]
    assert len(set(seen)) > 1


# -- life and death of the daemon ----------------------------------------------------------------------


def mounts():
    """The mount points of our type of file system."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines if f" {FILE_SYSTEM} " in line]


@pytest.fixture
def folder(require, tmp_path):
    require("fuse", "lets any program lose its power")
    return tmp_path


def test_files_outlive_the_daemon(folder):
    """After a clean end the files lie in the source, and the next daemon shows them again; closing twice is nothing."""
    disk = PowerDisk(folder / "source", folder / "mount")
    for life in range(2):
        disk.start()
        (disk.mount / f"{life}").write_bytes(b"x")
        disk.close()
        disk.close()

    assert sorted(path.name for path in (folder / "source" / "files").iterdir()) == ["0", "1"]
    assert str(folder / "mount") not in mounts()


def test_the_daemon_ends_with_its_harness(folder):
    """A harness killed by SIGKILL leaves no mount and no daemon."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from cluster.worlds.host.power_disk.power_disk import PowerDisk\n"
        "disk = PowerDisk(Path(sys.argv[1]), Path(sys.argv[2])); disk.start()\n"
        "print(disk._process.pid, flush=True); time.sleep(3600)\n"
    )
    words = [sys.executable, "-c", code, str(folder / "source"), str(folder / "mount")]
    harness = subprocess.Popen(words, stdout=subprocess.PIPE)
    daemon = int(harness.stdout.readline())
    assert str(folder / "mount") in mounts()
    harness.kill()
    harness.communicate()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{daemon}").exists() and time.monotonic() < deadline:
        time.sleep(0.005)

    assert not Path(f"/proc/{daemon}").exists()
    assert str(folder / "mount") not in mounts()


def test_a_killed_daemon_is_repaired_at_the_next_start(folder):
    """Its mount answers nothing; the next start of any disk takes it away, and the same disk can be started again."""
    disk = PowerDisk(folder / "source", folder / "mount")
    disk.start()
    (disk.mount / "a").write_bytes(b"x")
    disk._process.kill()
    disk._process.wait()
    with pytest.raises(OSError, match="endpoint is not connected"):
        (disk.mount / "a").stat()
    with pytest.raises(WorldFailed, match="does not answer"):
        disk.heal()
    with PowerDisk(folder / "other", folder / "elsewhere"):
        assert str(disk.mount) not in mounts()
    disk.close()
    with PowerDisk(folder / "source", folder / "mount") as again:
        assert (again.mount / "a").read_bytes() == b"x"


def test_a_taken_mount_point_is_refused(folder):
    """Two disks never share a mount point."""
    with (
        PowerDisk(folder / "source", folder / "mount"),
        pytest.raises(WorldFailed, match="mount point already"),
    ):
        PowerDisk(folder / "other", folder / "mount").start()


def test_a_machine_without_fuse_is_told_what_to_install(tmp_path, monkeypatch):
    """One line, with the command; nothing was made."""
    monkeypatch.setattr(power_disk.shutil, "which", lambda _: None)
    with pytest.raises(WorldMissing, match="fusermount3 is missing") as missing:
        PowerDisk(tmp_path / "source", tmp_path / "mount").start()

    assert missing.value.remedy == "apt-get install -y fuse3"
    assert list(tmp_path.iterdir()) == []
