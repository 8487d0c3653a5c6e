"""One suite for every `StateStore`; the part about durability runs where there is any."""

from __future__ import annotations

import os
import random

import pytest

from cluster.probe import Crash, SilentProbe
from cluster.storage.directories import make_directories
from cluster.storage.memory_store import MemoryStore
from cluster.storage.real_disk import RealDisk
from cluster.storage.sim_disk import SimDisk
from cluster.storage.sqlite_store import SqliteStore
from cluster.storage.state_store import APPLIED_INDEX_KEY, StoreFailed


class CountingProbe(SilentProbe):
    """Remembers the points that were reached, and may die at one."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.deadly = ""

    def reach(self, point: str) -> None:
        self.reached.append(point)
        if point == self.deadly:
            raise Crash(point, "power")


class MemoryHost:
    """The store in a dict."""

    def __init__(self, root) -> None:
        self.probe = CountingProbe()

    def open(self):
        return MemoryStore(self.probe)


class SimHost:
    """SQLite on a simulated disk."""

    def __init__(self, root) -> None:
        self.probe = CountingProbe()
        self.disk = SimDisk()
        make_directories(self.disk, "store")

    def open(self):
        return SqliteStore.open(self.disk, "store", self.probe)

    def power_loss(self, store, below):
        self.disk.power_loss(below)
        store.abandon()


class RealHost:
    """SQLite on real files with an undo log."""

    def __init__(self, root) -> None:
        self.probe = CountingProbe()
        self.root = root
        self.disk = RealDisk(root, undo_log=True)
        make_directories(self.disk, "store")

    def open(self):
        return SqliteStore.open(self.disk, "store", self.probe)

    def power_loss(self, store, below):
        store.abandon()
        self.disk.roll_back(below)
        self.disk = RealDisk(self.root, undo_log=True)


@pytest.fixture(autouse=True)
def _device_at_rest(monkeypatch):
    """Real fsyncs cost milliseconds and show nothing here; that they are called, `test_real_disk` shows."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(os, "fdatasync", lambda _: None)


@pytest.fixture(params=[MemoryHost, SimHost, RealHost], ids=lambda host: host.__name__)
def host(request, tmp_path):
    return request.param(tmp_path / "disk")


@pytest.fixture(params=[SimHost, RealHost], ids=lambda host: host.__name__)
def durable(request, tmp_path):
    return request.param(tmp_path / "disk")


@pytest.fixture
def store(host):
    store = host.open()
    yield store
    store.close()


def test_an_empty_store_holds_nothing(store):
    """A fresh store has no keys and the applied index 0."""
    assert store.get(b"a") is None
    assert store.scan(b"") == []
    assert store.applied_index() == 0


def test_a_batch_deletes_first_and_puts_then(store):
    """A key that is deleted and put in one batch is there; later puts win over earlier ones."""
    store.batch([(b"a", b"1"), (b"b", b"2")], sync=False)
    store.batch([(b"a", b"3"), (b"a", b"4")], [b"a", b"b", b"missing"], sync=False)

    assert store.get(b"a") == b"4"
    assert store.get(b"b") is None


def test_values_may_be_empty_or_large(store):
    """Empty values are values, and a value may be larger than a page."""
    store.batch([(b"empty", b""), (b"large", b"x" * 20_000)], sync=True)

    assert store.get(b"empty") == b""
    assert store.get(b"large") == b"x" * 20_000


def test_scan_returns_the_keys_with_the_prefix_in_order(store):
    """Keys compare as bytes; a prefix of 0xff bytes has no successor and works all the same."""
    keys = [b"a", b"a\x00", b"a\xff", b"b", b"\xff", b"\xff\xff\x01", b"\xfe"]
    store.batch([(key, key) for key in keys], sync=False)

    assert [key for key, _ in store.scan(b"a")] == [b"a", b"a\x00", b"a\xff"]
    assert [key for key, _ in store.scan(b"\xff")] == [b"\xff", b"\xff\xff\x01"]
    assert [key for key, _ in store.scan(b"a\xff")] == [b"a\xff"]
    assert store.scan(b"") == [(key, key) for key in sorted(keys)]


def test_the_applied_index_only_moves_forward(store):
    """A value that is not above the present one leaves it alone; the other writes of the batch count."""
    store.batch([], applied_index=7, sync=False)
    store.batch([(b"k", b"v")], applied_index=5, sync=False)

    assert store.applied_index() == 7
    assert store.get(b"k") == b"v"
    assert store.get(APPLIED_INDEX_KEY) == (7).to_bytes(8, "little")


def test_load_replaces_everything(store):
    """After load the store holds exactly the given pairs, the applied index among them."""
    store.batch([(b"old", b"1")], applied_index=9, sync=True)
    store.load(iter([(b"new", b"2"), (APPLIED_INDEX_KEY, (4).to_bytes(8, "little"))]))

    assert [key for key, _ in store.scan(b"")] == [APPLIED_INDEX_KEY, b"new"]
    assert store.applied_index() == 4


def test_a_store_follows_a_dict(store):
    """Random batches leave the store equal to a dict that was treated alike."""
    draw = random.Random(7)
    model: dict[bytes, bytes] = {}
    for _ in range(300):
        puts = [
            (b"k%d" % draw.randrange(40), bytes(draw.randrange(300)))
            for _ in range(draw.randrange(4))
        ]
        deletes = [b"k%d" % draw.randrange(40) for _ in range(draw.randrange(3))]
        for key in deletes:
            model.pop(key, None)
        model.update(puts)
        store.batch(puts, deletes, sync=draw.random() < 0.05)

    assert store.scan(b"") == sorted(model.items())


def test_the_crash_point_of_a_batch_is_reached(host, store):
    """Naming a crash point reaches it once per batch, synced or not; no name reaches nothing."""
    store.batch([(b"a", b"1")], sync=True, crash_point="reg.mid_set")
    store.batch([(b"a", b"2")], sync=False, crash_point="reg.mid_set")
    store.batch([(b"a", b"3")], sync=True)

    assert host.probe.reached == ["reg.mid_set", "reg.mid_set"]


def test_a_closed_store_refuses(host):
    """After close every call raises StoreFailed; closing and abandoning again does nothing."""
    store = host.open()
    store.close()
    store.close()
    store.abandon()

    for call in (
        lambda: store.get(b"a"),
        lambda: store.scan(b""),
        store.applied_index,
        lambda: store.batch([(b"a", b"1")], sync=True),
        lambda: store.load([]),
    ):
        with pytest.raises(StoreFailed):
            call()


# -- durability -----------------------------------------------------------------------------------------


def test_a_reopened_store_is_the_same(durable):
    """Content and applied index are there after close and open, un-synced batches included."""
    store = durable.open()
    store.batch([(b"a", b"1")], applied_index=3, sync=True)
    store.batch([(b"b", b"2")], applied_index=4, sync=False)
    store.close()
    store = durable.open()

    assert store.scan(b"a") == [(b"a", b"1")]
    assert store.get(b"b") == b"2"
    assert store.applied_index() == 4
    store.close()


@pytest.mark.parametrize("seed", [None, *range(12)])
def test_synced_batches_survive_a_power_loss(durable, seed):
    """A synced batch and every one before it are there; of the un-synced ones behind it a prefix is."""
    below = None if seed is None else random.Random(seed).randrange
    store = durable.open()
    for n in range(1, 80):
        store.batch([(b"n", b"%d" % n), (b"k%d" % n, b"x" * 50)], applied_index=n, sync=n == 60)
    durable.power_loss(store, below)
    store = durable.open()
    have = store.applied_index()

    assert 60 <= have <= 79
    assert store.get(b"n") == b"%d" % have
    assert len(store.scan(b"k")) == have
    store.close()


def test_what_a_kill_left_is_durable_after_opening(durable):
    """Opening syncs what an earlier life left in the page cache: what it shows cannot be lost any more."""
    store = durable.open()
    store.batch([(b"a", b"1")], applied_index=3, sync=False)
    if isinstance(durable.disk, SimDisk):
        durable.disk.kill()
    store.abandon()
    store = durable.open()
    assert store.applied_index() == 3
    assert durable.disk.unsynced("") == []
    durable.power_loss(store, None)

    store = durable.open()
    assert store.applied_index() == 3
    store.close()


def test_the_crash_point_stands_between_write_and_fsync(durable):
    """Dying there, a synced batch is visible after a kill and may be gone after a power loss."""
    store = durable.open()
    store.batch([(b"a", b"1")], sync=True)
    durable.probe.deadly = "reg.mid_set"
    with pytest.raises(Crash):
        store.batch([(b"a", b"2")], sync=True, crash_point="reg.mid_set")
    durable.probe.deadly = ""
    assert durable.disk.unsynced("store") != []
    durable.power_loss(store, None)

    store = durable.open()
    assert store.get(b"a") == b"1"
    store.close()


def test_load_is_durable(durable):
    """After load nothing is un-synced, and a power loss changes nothing."""
    store = durable.open()
    store.load([(b"k%d" % n, b"x" * 100) for n in range(500)])
    assert durable.disk.unsynced("") == []
    durable.power_loss(store, None)

    store = durable.open()
    assert len(store.scan(b"")) == 500
    store.close()
