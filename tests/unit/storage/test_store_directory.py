"""The swap of a whole store: every crash point, every kind of end, and what opening makes of it."""

from __future__ import annotations

import random

import apsw
import pytest

from cluster.probe import Crash, SilentProbe
from cluster.storage.sim_disk import SimDisk
from cluster.storage.state_store import APPLIED_INDEX_KEY, StoreFailed, StoreRefused
from cluster.storage.store_directory import StoreDirectory

POINTS = [
    "inst.before_restore",
    "inst.temp_store_filled",
    "inst.live_renamed_to_backup",
    "inst.temp_renamed_to_live",
]
OLD = [(APPLIED_INDEX_KEY, (3).to_bytes(8, "little")), (b"k", b"old")]
NEW = [(APPLIED_INDEX_KEY, (9).to_bytes(8, "little")), (b"k", b"new"), (b"l", b"new")]


def directory_of(disk, probe=None):
    return StoreDirectory(disk, "g0/store", probe or SilentProbe())


def with_old_store():
    disk = SimDisk()
    store = directory_of(disk).open()
    store.load(OLD)
    store.close()
    return disk


def test_a_missing_directory_is_made_durably():
    """Opening makes every directory on the way and an empty store in it, all of it durable."""
    disk = SimDisk()
    store = directory_of(disk).open()

    assert store.scan(b"") == []
    assert disk.list("g0") == ["store"]
    assert disk.unsynced("") == []
    store.close()


def test_replace_swaps_the_whole_store(striking):
    """The new store holds exactly the given pairs, D9 is claimed and true, nothing else is left."""
    disk = with_old_store()
    probe = striking(disk)
    place = directory_of(disk, probe)
    old = place.open()
    new = place.replace(iter(NEW))

    assert new.scan(b"") == NEW
    assert new.applied_index() == 9
    assert disk.list("g0") == ["store"]
    assert probe.claims == [("D9", "g0/store")]
    assert probe.false_claims == []
    assert [point for point in probe.reached if point.startswith("inst.")] == POINTS
    with pytest.raises(StoreFailed):
        old.get(b"k")
    disk.power_loss(None)
    new.abandon()
    again = directory_of(disk).open()
    assert again.scan(b"") == NEW
    again.close()


@pytest.mark.parametrize("kind", ["kill", "lost", *range(12)])
@pytest.mark.parametrize("point", POINTS)
def test_a_swap_may_die_anywhere(striking, strike, point, kind):
    """After any end at any point the next opening finds the old store or the new one, whole and alone."""
    disk = with_old_store()
    place = directory_of(disk, striking(disk, point))
    place.open()
    with pytest.raises(Crash, match=point):
        place.replace(NEW)
    strike(disk, kind, seed=kind)
    place.abandon()
    store = directory_of(disk).open()
    rows = store.scan(b"")

    assert rows in (OLD, NEW)
    if kind in ("kill", "lost"):
        done = kind == "kill" and point == "inst.temp_renamed_to_live"
        assert rows == (NEW if done else OLD)
    assert disk.list("g0") == ["store"]
    assert disk.unsynced("") == []
    store.close()
    assert apsw.connections() == []


@pytest.mark.parametrize("seed", range(3))
def test_a_swap_may_die_at_every_call(deadly, strike, seed):
    """The same for a death inside any single call to the disk, with the power lost."""
    calls, deadline = 0, None
    while deadline is None or deadline.left == 0:
        calls += 1
        disk = with_old_store()
        doomed, deadline = deadly(disk, calls)
        place = directory_of(doomed)
        try:
            place.open()
            place.replace(NEW)
        except Crash:
            strike(disk, "power", seed=seed * 1000 + calls)
        place.abandon()
        store = directory_of(disk).open()
        assert store.scan(b"") in (OLD, NEW)
        store.close()
    assert calls > 80


@pytest.mark.parametrize("point", POINTS[2:])
def test_the_repair_may_die_too(striking, strike, point):
    """A power loss during the repair of a killed swap loses nothing either."""

    class Dying(SimDisk):
        deadline = 0

        def fsync_dir(self, path):
            self.deadline -= 1
            if self.deadline == 0:
                raise Crash("fsync_dir", "power")
            super().fsync_dir(path)

    for deadline in range(1, 6):
        for seed in range(6):
            disk = Dying()
            store = directory_of(disk).open()
            store.load(OLD)
            store.close()
            place = directory_of(disk, striking(disk, point))
            place.open()
            with pytest.raises(Crash, match=point):
                place.replace(NEW)
            disk.kill()
            place.abandon()
            disk.deadline = deadline
            repairing = directory_of(disk)
            with pytest.raises(Crash, match="fsync_dir"):
                repairing.open()
            disk.power_loss(random.Random(seed).randrange)
            repairing.abandon()
            store = directory_of(disk).open()

            assert store.scan(b"") in (OLD, NEW)
            store.close()


def test_two_backups_are_refused():
    """Nobody can say which of two backups is right: the directory is refused and left as it is."""
    disk = with_old_store()
    disk.rename("g0/store", "g0/store.backup")
    disk.mkdir("g0/store.backup2")

    with pytest.raises(StoreRefused, match="more than one backup"):
        directory_of(disk).open()
    assert disk.list("g0") == ["store.backup", "store.backup2"]


def test_a_failing_disk_stops_the_swap():
    """An error of the disk is StoreFailed; the old store is found afterwards."""
    disk = with_old_store()
    place = directory_of(disk)
    place.open()
    disk.faults.fail_fsync("g0/store.tmp", once=True)
    with pytest.raises(StoreFailed):
        place.replace(NEW)
    place.abandon()
    disk.power_loss(None)
    store = directory_of(disk).open()

    assert store.scan(b"") == OLD
    store.close()


def test_a_failing_source_leaves_no_connection():
    """When the pairs themselves raise, the error passes through and nothing is left open."""
    disk = with_old_store()
    place = directory_of(disk)
    place.open()

    def broken():
        yield b"k", b"v"
        raise ValueError("the stream ends here")

    with pytest.raises(ValueError, match="ends here"):
        place.replace(broken())
    place.abandon()

    assert apsw.connections() == []
