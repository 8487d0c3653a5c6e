"""The SQLite store: damage, failing devices, fences, determinism. What every store does is in the contract suite."""

from __future__ import annotations

import gc
import subprocess
import sys

import apsw
import pytest

from cluster.probe import SilentProbe
from cluster.storage import vfs
from cluster.storage.directories import make_directories
from cluster.storage.disk import DiskFault
from cluster.storage.sim_disk import SimDisk
from cluster.storage.sqlite_store import CHECKPOINT_LOG_BYTES, SqliteStore
from cluster.storage.state_store import StoreFailed, StoreRefused
from cluster.storage.vfs import (
    PAGE_BYTES,
    VFS_NAME,
    Opening,
    install_vfs,
    seed_sqlite_randomness,
)

DB = "store/db"
WAL = "store/db-wal"


def new_disk():
    disk = SimDisk()
    make_directories(disk, "store")
    return disk


def open_store(disk, probe=None):
    return SqliteStore.open(disk, "store", probe or SilentProbe())


def content(disk, path):
    file = disk.open(path)
    return file.read(0, file.size())


def filled(disk, rows=300):
    """A store whose main file holds `rows` rows and whose log is copied into it."""
    store = open_store(disk)
    store.load([(b"k%05d" % n, b"%d" % n * 30) for n in range(rows)])
    return store


# -- files ----------------------------------------------------------------------------------------------


def test_a_new_store_is_durable_at_once():
    """Creating a store leaves nothing un-synced; an immediate power loss leaves a store that opens."""
    disk = new_disk()
    store = open_store(disk)
    assert disk.unsynced("") == []
    assert disk.list("store") == ["db", "db-wal"]
    disk.power_loss(None)
    store.abandon()

    open_store(disk).close()


def test_a_log_without_its_database_is_refused():
    """A missing main file beside a log is damage, not a fresh directory."""
    disk = new_disk()
    open_store(disk).close()
    disk.unlink(DB)

    with pytest.raises(StoreRefused, match="missing beside its log"):
        open_store(disk)


def test_the_log_is_copied_into_the_main_file():
    """The log never grows much beyond the bound, and after a checkpoint the main file is durable."""
    disk = new_disk()
    store = open_store(disk)
    for n in range(1000):
        store.batch([(b"k%d" % (n % 300), b"%d" % n * 20)], applied_index=n, sync=n % 10 == 0)

    assert len(content(disk, WAL)) < 2 * CHECKPOINT_LOG_BYTES
    assert len(content(disk, DB)) > 3 * PAGE_BYTES
    store.close()


def test_an_unsynced_batch_costs_no_fsync():
    """Only a synced batch is charged for an fsync, and only for one."""
    disk = SimDisk(fsync_ns=1)
    make_directories(disk, "store")
    store = open_store(disk)
    store.batch([(b"a", b"1")], sync=True)
    disk.elapsed_ns = 0
    store.batch([(b"a", b"2")], sync=False)
    assert disk.elapsed_ns == 0
    store.batch([(b"a", b"3"), (b"b", b"3")], applied_index=1, sync=True)

    assert disk.elapsed_ns == 1
    store.close()


# -- damage ---------------------------------------------------------------------------------------------


def test_rot_in_the_first_page_is_refused_at_opening():
    """Opening reads the first page; its checksum shows the flipped bit."""
    disk = new_disk()
    filled(disk).close()
    disk.flip_bit(DB, 2000)

    with pytest.raises(StoreRefused, match="page 1 fails its checksum"):
        open_store(disk)


def test_a_file_that_is_no_database_is_refused():
    """Something else under the name of the database is not overwritten."""
    disk = new_disk()
    file = disk.open(DB, create=True)
    file.write(0, b"hello" * 2000)

    with pytest.raises(StoreRefused):
        open_store(disk)
    assert content(disk, DB) == b"hello" * 2000


@pytest.mark.parametrize("page", [4, 5])
def test_rot_in_another_page_is_found_when_it_is_read(page):
    """Reading a rotten page that opening did not need raises StoreFailed; the store is finished then."""
    disk = new_disk()
    filled(disk).close()
    disk.flip_bit(DB, (page - 1) * PAGE_BYTES + 1000)
    store = open_store(disk)

    with pytest.raises(StoreFailed, match=f"page {page} fails its checksum"):
        store.scan(b"")
    with pytest.raises(StoreFailed, match="finished"):
        store.get(b"k00001")


def test_a_misdirected_write_is_found():
    """A whole, valid page in another page's place is recognised by its number."""
    disk = new_disk()
    filled(disk).close()
    file = disk.open(DB)
    file.write(3 * PAGE_BYTES, file.read(4 * PAGE_BYTES, PAGE_BYTES))
    store = open_store(disk)

    with pytest.raises(StoreFailed, match="page 4 holds another page"):
        store.scan(b"")


# -- failing devices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [WAL, DB])
def test_a_failed_fsync_finishes_the_store(path):
    """EIO from the log or the main file: StoreFailed at once and ever after, and no connection left."""
    disk = new_disk()
    store = open_store(disk)
    disk.faults.fail_fsync(path, once=True)

    def work():
        for n in range(200):
            store.batch([(b"k", b"%d" % n)], sync=True)

    with pytest.raises(StoreFailed, match="fsync failed"):
        work()
    for call in (lambda: store.get(b"k"), lambda: store.batch([], applied_index=1, sync=True)):
        with pytest.raises(StoreFailed, match="finished") as caught:
            call()
        assert isinstance(caught.value.__cause__, DiskFault)
    store.close()

    assert apsw.connections() == []


def test_a_full_disk_finishes_the_store_and_keeps_the_old_rows():
    """ENOSPC in a commit: StoreFailed; the next life has the rows from before."""
    disk = new_disk()
    store = open_store(disk)
    store.batch([(b"k", b"old")], sync=True)
    disk.faults.fill_up("store", kept_bytes=100)
    with pytest.raises(StoreFailed, match="no space"):
        store.batch([(b"k", b"new")], sync=True)
    disk.faults.heal()
    disk.kill()
    store = open_store(disk)

    assert store.get(b"k") == b"old"
    store.close()


def test_an_error_while_opening_is_the_disks_fault():
    """A device that fails while the store is opened gives StoreFailed, not StoreRefused."""
    disk = new_disk()
    open_store(disk).close()
    disk.faults.fail_fsync("store")

    with pytest.raises(StoreFailed, match="fsync failed"):
        open_store(disk)
    assert apsw.connections() == []


# -- fences ---------------------------------------------------------------------------------------------


def test_a_forgotten_store_cannot_touch_the_next_life():
    """A store that nobody closed is collected later and leaves the files of the new life alone."""
    disk = new_disk()
    old = open_store(disk)
    old.batch([(b"k", b"old")], sync=True)
    disk.kill()
    new = open_store(disk)
    new.batch([(b"k", b"new")], sync=True)
    before = {name: content(disk, f"store/{name}") for name in disk.list("store")}
    del old
    gc.collect()

    assert len(apsw.connections()) == 1
    assert {name: content(disk, f"store/{name}") for name in disk.list("store")} == before
    assert new.get(b"k") == b"new"
    new.close()
    assert len(vfs._openings) == 0


def test_a_fenced_connection_is_answered_and_changes_nothing():
    """Behind the fence SQLite may commit and close: all of it succeeds, none of it happens."""
    disk = new_disk()
    store = open_store(disk)
    store.batch([(b"k", b"1")], sync=True)
    before = {name: content(disk, f"store/{name}") for name in disk.list("store")}
    store._opening.fence()
    store._connection.execute("INSERT INTO kv VALUES (x'01', x'02')")
    store.abandon()

    assert {name: content(disk, f"store/{name}") for name in disk.list("store")} == before
    assert disk.unsynced("") == []


def test_the_first_sync_of_a_new_file_syncs_its_directory():
    """A commit that SQLite itself syncs survives a power loss with the files that SQLite created."""
    disk = new_disk()
    install_vfs()
    opening = Opening(disk, "store")
    connection = apsw.Connection(opening.name, vfs=VFS_NAME)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE t (x)")

    assert [line for line in disk.unsynced("") if "entry db" in line] == []
    opening.fence()
    connection.close()
    opening.forget()


def test_abandoning_is_quiet_in_every_state():
    """After a crash, a power loss, a close and twice: no error, no connection, no change of the disk."""
    disk = new_disk()
    store = open_store(disk)
    store.batch([(b"k", b"1")], sync=False)
    disk.power_loss(None)
    before = {name: content(disk, f"store/{name}") for name in disk.list("store")}
    store.abandon()
    store.abandon()
    store.close()

    assert {name: content(disk, f"store/{name}") for name in disk.list("store")} == before
    assert apsw.connections() == []


@pytest.mark.slow
def test_an_open_store_does_not_crash_the_interpreter_at_exit():
    """A process that ends with a store open ends cleanly."""
    script = (
        "from cluster.probe import SilentProbe\n"
        "from cluster.storage.sim_disk import SimDisk\n"
        "from cluster.storage.sqlite_store import SqliteStore\n"
        "disk = SimDisk(); disk.mkdir('s')\n"
        "store = SqliteStore.open(disk, 's', SilentProbe())\n"
        "store.batch([(b'a', b'1')], sync=False)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# -- determinism ----------------------------------------------------------------------------------------


def life(seed):
    """A store's life with a checkpoint and a restart; returns the bytes of its disk."""
    seed_sqlite_randomness(seed)
    disk = new_disk()
    for start in (0, 100):
        store = open_store(disk)
        for n in range(start, start + 100):
            store.batch([(b"k%d" % (n % 30), b"%d" % n * 20)], applied_index=n, sync=n % 3 == 0)
        store.close()
    return {name: content(disk, f"store/{name}") for name in disk.list("store")}


def test_equal_seeds_give_equal_bytes():
    """Two runs of one seed leave the same disk image; another seed leaves other salts in the log."""
    first, second, other = life(5), life(5), life(6)

    assert first == second
    assert first["db-wal"] != other["db-wal"]
    assert first["db"] == other["db"]


def test_without_a_seed_the_salts_differ(monkeypatch):
    """A real node draws the salts of its log from the operating system."""
    logs = []
    for _ in range(2):
        monkeypatch.setattr(install_vfs(), "seed", None)
        apsw.randomness(0)
        disk = new_disk()
        store = open_store(disk)
        store.batch([(b"k", b"v")], sync=True)
        store.close()
        logs.append(content(disk, WAL))

    assert logs[0] != logs[1]
