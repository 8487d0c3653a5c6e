"""One suite for every `Disk`: what a reader sees, and what a power loss leaves.

Each host below owns one kind of disk and knows how to kill it and, where it can, how to take its
power away; the tests know nothing else of it.
"""

from __future__ import annotations

import os
import random
from contextlib import nullcontext
from pathlib import Path

import pytest
from descriptors import closing_files_below
from disk_work import could_have_left, random_work, read, tree
from power_lab import MountedHost, mounted_disk

from cluster.storage.disk import SECTOR_BYTES, LockHeld
from cluster.storage.ledger import RecordingDisk
from cluster.storage.real_disk import RealDisk
from cluster.storage.sim_disk import SimDisk


class SimHost:
    """The simulated disk."""

    def __init__(self, root: Path) -> None:
        self.disk = SimDisk()

    def kill(self):
        self.disk.kill()
        return self.disk

    def power_loss(self, below):
        self.disk.power_loss(below)
        return self.disk


class RecordingHost:
    """The recorder over a simulated disk."""

    def __init__(self, root: Path) -> None:
        self.inner = SimDisk()
        self.disk = RecordingDisk(self.inner)

    def power_loss(self, below):
        self.inner.power_loss(below)
        self.disk = RecordingDisk(self.inner)
        return self.disk


class RealHost:
    """Real files, which cannot lose their power."""

    def __init__(self, root: Path) -> None:
        self.disk = RealDisk(root)


class UndoHost:
    """Real files with an undo log."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.disk = RealDisk(root, undo_log=True)

    def kill(self):
        self.disk = RealDisk(self.root, undo_log=True)
        return self.disk

    def power_loss(self, below):
        RealDisk.recover_power_loss(self.root, below)
        self.disk = RealDisk(self.root, undo_log=True)
        return self.disk


MOUNTED = pytest.param(MountedHost, marks=pytest.mark.real)
ALL = [SimHost, RecordingHost, RealHost, UndoHost, MOUNTED]
POWERED = [SimHost, RecordingHost, UndoHost, MOUNTED]
DRAWS = [None, *range(40)]


@pytest.fixture(autouse=True)
def _device_at_rest(monkeypatch):
    """Real fsyncs cost milliseconds and show nothing here; that they are called, `test_real_disk` shows.

    Those that reach a mounted disk cost nothing, and without them it would lose everything.
    """
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, _only_on_mount(getattr(os, name)))


def _only_on_mount(sync):
    def at_rest(descriptor):
        mounted = MountedHost.shared
        if mounted is not None and os.fstat(descriptor).st_dev == mounted.mount.stat().st_dev:
            sync(descriptor)

    return at_rest


@pytest.fixture(scope="session")
def _mount(require, tmp_path_factory):
    require("fuse", "lets any program lose its power")
    with mounted_disk(tmp_path_factory.mktemp("mounted")) as MountedHost.shared:
        yield MountedHost.shared.mount
    MountedHost.shared = None


def _ready(request):
    """What the kind of host needs that a test is about to use."""
    if request.param is MountedHost:
        return closing_files_below(request.getfixturevalue("_mount"))
    return nullcontext()


@pytest.fixture(params=ALL, ids=lambda host: host.__name__)
def disk(request, tmp_path):
    with _ready(request):
        yield request.param(tmp_path / "disk").disk


@pytest.fixture(params=POWERED, ids=lambda host: host.__name__)
def make_host(request, tmp_path):
    made = []

    def make():
        made.append(request.param(tmp_path / f"disk{len(made)}"))
        return made[-1]

    with _ready(request):
        yield make


def below_of(seed):
    return None if seed is None else random.Random(seed).randrange


def put(disk, path, data, *, sync=True, sync_dir=True):
    file = disk.open(path, create=True)
    file.truncate(0)
    file.write(0, data)
    if sync:
        file.fsync()
    file.close()
    if sync_dir:
        disk.fsync_dir(path.rpartition("/")[0])


# -- what a reader sees -----------------------------------------------------------------------------


def test_a_write_is_visible_at_once(disk):
    """Bytes written through one handle are read through another, before any sync."""
    file = disk.open("a", create=True)
    file.write(0, b"hello world")
    other = disk.open("a")

    assert other.read(6, 5) == b"world"
    assert other.size() == 11


def test_a_read_ends_at_the_end_of_the_file(disk):
    """A read past the end returns the bytes that are there, or none."""
    file = disk.open("a", create=True)
    file.write(0, b"abc")

    assert file.read(1, 100) == b"bc"
    assert file.read(3, 10) == b""
    assert file.read(50, 10) == b""


def test_a_gap_reads_as_zeros(disk):
    """A write behind the end leaves zeros between."""
    file = disk.open("a", create=True)
    file.write(0, b"x")
    file.write(5, b"y")

    assert file.read(0, 6) == b"x\0\0\0\0y"


def test_an_empty_write_changes_nothing(disk):
    """Writing no bytes behind the end leaves no gap and nothing un-synced."""
    file = disk.open("a", create=True)
    file.fsync()
    file.write(10, b"")

    assert file.size() == 0
    assert disk.unsynced("a") in ([], [".: entry a not fsynced"])


def test_a_write_over_the_end_replaces_and_extends(disk):
    """A write that begins inside and ends outside does both."""
    file = disk.open("a", create=True)
    file.write(0, b"abcd")
    file.write(2, b"XYZ")

    assert file.read(0, 10) == b"abXYZ"


def test_truncate_cuts_and_extends(disk):
    """Truncate sets the length: what is cut off is gone, what is added is zeros."""
    file = disk.open("a", create=True)
    file.write(0, b"abcdef")
    file.truncate(2)
    file.truncate(4)

    assert file.read(0, 10) == b"ab\0\0"


def test_opening_says_what_is_wrong(disk):
    """Missing files, exclusive creation of existing ones and missing directories are told apart."""
    put(disk, "a", b"")

    with pytest.raises(FileNotFoundError):
        disk.open("b")
    with pytest.raises(FileExistsError):
        disk.open("a", create=True, exclusive=True)
    with pytest.raises(FileNotFoundError):
        disk.open("no/such", create=True)
    assert read(disk, "a") == b""


def test_exclusive_creation_makes_a_missing_file(disk):
    """With `exclusive` a missing file is made as usual."""
    disk.open("a", create=True, exclusive=True).write(0, b"x")

    assert read(disk, "a") == b"x"


def test_rename_replaces_a_file(disk):
    """The target's old content is gone, the source's name too; an open handle follows its file."""
    put(disk, "old", b"old")
    put(disk, "new", b"new")
    handle = disk.open("new")
    disk.rename("new", "old")
    handle.write(3, b"er")

    assert disk.list("") == ["old"]
    assert read(disk, "old") == b"newer"


def test_rename_moves_a_directory_with_everything_in_it(disk):
    """Files below a renamed directory are found under its new name."""
    disk.mkdir("a")
    disk.mkdir("a/b")
    put(disk, "a/b/f", b"x")
    disk.rename("a", "c")

    assert read(disk, "c/b/f") == b"x"
    assert not disk.exists("a")


def test_rename_refuses_what_cannot_be_atomic(disk):
    """Between two directories, onto a directory, and of nothing."""
    disk.mkdir("d")
    put(disk, "f", b"")

    with pytest.raises(OSError, match="two directories"):
        disk.rename("f", "d/f")
    with pytest.raises(FileExistsError):
        disk.rename("f", "d")
    with pytest.raises(FileNotFoundError):
        disk.rename("missing", "x")


def test_names_can_be_removed(disk):
    """Removing a name: unlink takes a file, rmdir an empty directory; both say when they cannot."""
    disk.mkdir("d")
    put(disk, "d/f", b"")

    with pytest.raises(OSError, match="not empty"):
        disk.rmdir("d")
    with pytest.raises(FileNotFoundError):
        disk.unlink("d/g")
    with pytest.raises(IsADirectoryError):
        disk.unlink("d")
    with pytest.raises(FileExistsError):
        disk.mkdir("d")
    disk.unlink("d/f")
    disk.rmdir("d")

    assert disk.list("") == []


def test_list_is_sorted(disk):
    """Names come in one order everywhere, whatever the order of creation."""
    for name in ("b", "c", "a"):
        put(disk, name, b"")

    assert disk.list("") == ["a", "b", "c"]
    with pytest.raises(FileNotFoundError):
        disk.list("missing")


def test_a_lock_is_held_once(disk):
    """A second opener is refused until the first lets go; releasing twice does nothing."""
    lock = disk.lock("LOCK")
    with pytest.raises(LockHeld):
        disk.lock("LOCK")
    lock.release()
    again = disk.lock("LOCK")
    lock.release()

    with pytest.raises(LockHeld):
        disk.lock("LOCK")
    again.release()


# -- the ledger ---------------------------------------------------------------------------------------


def test_unsynced_names_bytes_and_entries(make_host):
    """A new file is reported twice, by its bytes and by its entry, until both are synced."""
    disk = make_host().disk
    file = disk.open("a", create=True)
    file.write(0, b"x" * 10)
    file.write(4, b"y" * 10)

    assert disk.unsynced("") == [".: entry a not fsynced", "a: bytes 0..14 not fsynced"]
    file.fsync()
    assert disk.unsynced("") == [".: entry a not fsynced"]
    disk.fsync_dir("")
    assert disk.unsynced("") == []


def test_unsynced_counts_the_way_to_a_file(make_host):
    """A file is safe only if every entry that leads to it is; entries beside the way do not count."""
    disk = make_host().disk
    disk.mkdir("n1")
    disk.mkdir("n1/raft")
    put(disk, "n1/raft/log", b"x")
    disk.fsync_dir("n1")
    put(disk, "n1/other", b"x", sync=False, sync_dir=False)

    assert disk.unsynced("n1/raft") == [".: entry n1 not fsynced"]
    assert disk.unsynced("n1/raft/log") == [".: entry n1 not fsynced"]
    disk.fsync_dir("")
    assert disk.unsynced("n1/raft") == []
    assert disk.unsynced("n1/other") == [
        "n1/other: bytes 0..1 not fsynced",
        "n1: entry other not fsynced",
    ]


def test_unsynced_follows_renames(make_host):
    """Un-synced bytes are reported under the file's present name."""
    disk = make_host().disk
    disk.mkdir("d")
    disk.fsync_dir("")
    put(disk, "d/a", b"x", sync=False)
    disk.rename("d/a", "d/b")
    disk.rename("d", "e")

    assert disk.unsynced("e") == [
        ".: entry e not fsynced",
        "e/b: bytes 0..1 not fsynced",
        "e: entry a not fsynced",
        "e: entry b not fsynced",
    ]
    assert disk.unsynced("e/b") == [
        ".: entry e not fsynced",
        "e/b: bytes 0..1 not fsynced",
        "e: entry b not fsynced",
    ]


def test_a_removed_file_is_not_missed(make_host):
    """Un-synced bytes of a file without a name are nobody's loss."""
    disk = make_host().disk
    put(disk, "a", b"x", sync=False)
    handle = disk.open("a")
    disk.unlink("a")
    handle.write(1, b"y")
    disk.fsync_dir("")

    assert disk.unsynced("") == []


def test_a_lock_file_is_no_data(make_host):
    """Taking a lock leaves nothing un-synced."""
    disk = make_host().disk
    disk.lock("LOCK")

    assert disk.unsynced("") == []


# -- power losses -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", DRAWS)
def test_what_was_synced_stays(make_host, seed):
    """A file with content and entry synced survives every power loss, un-synced work beside it or not."""
    host = make_host()
    put(host.disk, "a", b"safe" * 500)
    put(host.disk, "b", b"lost", sync=False, sync_dir=False)
    disk = host.power_loss(below_of(seed))

    assert read(disk, "a") == b"safe" * 500
    assert disk.unsynced("") == []


def outcomes(make_host, prepare, look):
    """Every outcome of a power loss after `prepare`, as far as the draws show them."""
    seen = []
    for seed in DRAWS:
        host = make_host()
        prepare(host.disk)
        seen.append(look(host.power_loss(below_of(seed))))
    return seen


def test_unsynced_bytes_may_go_or_stay_by_sectors(make_host):
    """Each un-synced sector shows old or new bytes, nothing between; dropping everything shows the old."""

    def prepare(disk):
        put(disk, "a", b"o" * 3 * SECTOR_BYTES)
        disk.open("a").write(0, b"n" * 3 * SECTOR_BYTES)

    seen = outcomes(make_host, prepare, lambda disk: read(disk, "a"))
    sectors = {
        tuple(data[at : at + SECTOR_BYTES] for at in range(0, len(data), SECTOR_BYTES))
        for data in seen
    }

    assert seen[0] == b"o" * 3 * SECTOR_BYTES
    assert {sector for row in sectors for sector in row} == {b"o" * 512, b"n" * 512}
    assert len(sectors) > 4


def test_an_append_may_be_torn(make_host):
    """Appended bytes vanish, or a part of them is there; bytes synced before them always are."""

    def prepare(disk):
        put(disk, "a", b"s" * 700)
        disk.open("a").write(700, b"n" * 1500)

    seen = outcomes(make_host, prepare, lambda disk: read(disk, "a"))

    assert seen[0] == b"s" * 700
    assert all(data[:700] == b"s" * 700 for data in seen)
    assert {700, 2200} < {len(data) for data in seen}


def test_an_unsynced_truncate_may_come_back(make_host):
    """After an un-synced truncate the old length or the new one is there, and its bytes are right."""

    def prepare(disk):
        put(disk, "a", b"x" * 2000)
        disk.open("a").truncate(100)

    seen = outcomes(make_host, prepare, lambda disk: read(disk, "a"))

    assert seen[0] == b"x" * 2000
    assert set(seen) == {b"x" * 2000, b"x" * 100}


def test_a_file_cut_and_written_again_shows_no_third_state(make_host):
    """Un-synced truncate and append behind it: each may have happened or not, the append in its place."""

    def prepare(disk):
        put(disk, "a", b"x" * 2000)
        file = disk.open("a")
        file.truncate(100)
        file.write(100, b"y" * 50)

    seen = outcomes(make_host, prepare, lambda disk: read(disk, "a"))
    cut, appended = b"x" * 100, b"x" * 100 + b"y" * 50

    assert set(seen) == {b"x" * 2000, cut, appended, appended + b"x" * 1850}


def test_an_unsynced_entry_may_vanish(make_host):
    """A new file whose directory was not synced is there whole, or not at all."""
    seen = outcomes(
        make_host,
        lambda disk: put(disk, "a", b"x", sync_dir=False),
        lambda disk: read(disk, "a") if disk.exists("a") else None,
    )

    assert seen[0] is None
    assert set(seen[1:]) == {None, b"x"}


def test_a_rename_is_never_half(make_host):
    """An un-synced rename over a file shows the old file or the new one, never neither."""

    def prepare(disk):
        put(disk, "a", b"old")
        put(disk, "a.tmp", b"new")
        disk.rename("a.tmp", "a")

    seen = outcomes(make_host, prepare, lambda disk: (read(disk, "a"), disk.exists("a.tmp")))

    assert seen[0] == (b"old", True)
    assert set(seen[1:]) == {(b"old", True), (b"new", False)}


def test_a_removed_file_may_come_back(make_host):
    """An un-synced unlink may be undone, with the content that was durable."""

    def prepare(disk):
        put(disk, "a", b"old")
        disk.open("a").write(0, b"NEW")
        disk.unlink("a")

    seen = outcomes(make_host, prepare, lambda disk: read(disk, "a") if disk.exists("a") else None)

    assert seen[0] == b"old"
    assert None in seen


def test_a_swap_of_directories_keeps_a_whole_one(make_host):
    """Two un-synced renames of directories: one of old and new is always reachable, with its files."""

    def prepare(disk):
        for name in ("live", "live.tmp"):
            disk.mkdir(name)
            put(disk, f"{name}/db", name.encode())
        disk.fsync_dir("")
        disk.rename("live", "live.backup")
        disk.rename("live.tmp", "live")

    def look(disk):
        names = [name for name in ("live", "live.backup", "live.tmp") if disk.exists(name)]
        return tuple((name, read(disk, f"{name}/db")) for name in names)

    seen = outcomes(make_host, prepare, look)
    done = (("live", b"live.tmp"), ("live.backup", b"live"))

    assert seen[0] == (("live", b"live"), ("live.tmp", b"live.tmp"))
    assert len(set(seen[1:])) == 4
    assert done in seen
    assert all(any(data for name, data in state if name != "live.tmp") for state in seen)


def test_a_new_directory_vanishes_with_everything_in_it(make_host):
    """A directory whose entry was not synced takes its synced files with it."""

    def prepare(disk):
        disk.mkdir("d")
        put(disk, "d/f", b"x")

    seen = outcomes(
        make_host, prepare, lambda disk: read(disk, "d/f") if disk.exists("d") else None
    )

    assert seen[0] is None
    assert set(seen) == {None, b"x"}


def test_a_removed_directory_may_come_back(make_host):
    """An un-synced rmdir may be undone; the files that were removed durably stay away."""

    def prepare(disk):
        disk.mkdir("d")
        disk.fsync_dir("")
        put(disk, "d/f", b"x")
        disk.unlink("d/f")
        disk.fsync_dir("d")
        disk.rmdir("d")

    seen = outcomes(make_host, prepare, lambda disk: disk.list("d") if disk.exists("d") else None)

    assert seen[0] == []
    assert None in seen


@pytest.fixture(params=[SimHost, UndoHost, MOUNTED], ids=lambda host: host.__name__)
def killable(request, tmp_path):
    with _ready(request):
        yield request.param(tmp_path / "disk")


def test_a_kill_makes_nothing_durable(killable):
    """After a kill everything is visible, still un-synced, and a later power loss may take it."""
    host = killable
    put(host.disk, "a", b"old")
    put(host.disk, "gone", b"back")
    put(host.disk, "a.tmp", b"new", sync=False)
    host.disk.rename("a.tmp", "a")
    host.disk.unlink("gone")
    disk = host.kill()
    assert read(disk, "a") == b"new"
    assert disk.unsynced("") == [
        ".: entry a not fsynced",
        ".: entry a.tmp not fsynced",
        ".: entry gone not fsynced",
        "a: bytes 0..3 not fsynced",
    ]
    disk = host.power_loss(None)

    assert read(disk, "a") == b"old"
    assert read(disk, "gone") == b"back"


def stages_of(host, seed):
    """What a disk shows: after random work, a kill in between, and two power losses."""
    draw = random.Random(seed)
    random_work(host.disk, draw, 60)
    stages = [tree(host.disk), host.disk.unsynced("")]
    if isinstance(host, UndoHost):
        host.kill()
    random_work(host.disk, draw, 20)
    stages += [tree(host.disk), host.disk.unsynced("")]
    stages.append(tree(host.power_loss(None)))
    random_work(host.disk, draw, 20)
    return [*stages, tree(host.power_loss(None))]


@pytest.mark.parametrize("seed", range(15))
def test_all_disks_agree(make_host, tmp_path, seed):
    """Random work, a kill in between, then a power loss: every disk shows the simulated one's tree at every stage."""
    assert stages_of(make_host(), seed) == stages_of(SimHost(tmp_path / "other"), seed)


@pytest.mark.parametrize("seed", range(12))
def test_what_a_draw_leaves_is_allowed(make_host, seed):
    """Random work, then a power loss that keeps a drawn part: the simulated disk, after the same work, could have left it."""
    host, model = make_host(), SimDisk()
    for life in range(3):
        for disk in (host.disk, model):
            random_work(disk, random.Random(seed * 10 + life), 20)
        left = tree(host.power_loss(random.Random(seed).randrange))
        assert could_have_left(model, left)
        model = copy_of(left)


def copy_of(image):
    """A simulated disk that holds `image`, durably."""
    disk = SimDisk()
    for path, data in sorted(image.items()):
        if data is None:
            disk.mkdir(path)
        else:
            put(disk, path, data)
        disk.fsync_dir(path.rpartition("/")[0])
    return disk


def test_the_judge_of_images_can_say_no():
    """An image that no power loss explains is refused: half a sector, a name from nowhere, a lost durable file."""
    disk = SimDisk()
    put(disk, "a", b"o" * 1024)
    disk.open("a").write(0, b"n" * 1024)

    assert could_have_left(disk, {"a": b"n" * 512 + b"o" * 512})
    assert not could_have_left(disk, {"a": b"n" * 100 + b"o" * 924})
    assert not could_have_left(disk, {"a": b"n" * 1024, "b": b""})
    assert not could_have_left(disk, {})
