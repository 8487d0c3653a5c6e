"""What only the simulated disk can do: faults, images, rot, time; the rest is in the contract suite."""

from __future__ import annotations

import errno
import random
import timeit

import pytest

from cluster.storage.disk import DiskFault, DiskFull
from cluster.storage.sim_disk import SimDisk


def make(path="a", data=b"x" * 100):
    disk = SimDisk()
    file = disk.open(path, create=True)
    file.write(0, data)
    file.fsync()
    disk.fsync_dir("")
    return disk, file


def test_handles_and_locks_die_with_the_process():
    """After a kill old handles refuse every operation, and the lock is free."""
    disk, file = make()
    old = disk.lock("LOCK")
    disk.kill()

    for call in (
        lambda: file.read(0, 1),
        lambda: file.write(0, b"y"),
        lambda: file.truncate(0),
        file.size,
        file.fsync,
    ):
        with pytest.raises(OSError, match="its process died"):
            call()
    new = disk.lock("LOCK")
    old.release()
    with pytest.raises(OSError, match="held"):
        disk.lock("LOCK")
    new.release()


def test_a_failed_fsync_dooms_the_file():
    """After one EIO later fsyncs answer success and save nothing, as on Linux; the ledger knows."""
    disk, file = make(data=b"old")
    file.write(0, b"new")
    disk.faults.fail_fsync("a", once=True)
    with pytest.raises(DiskFault) as caught:
        file.fsync()
    file.fsync()

    assert caught.value.errno == errno.EIO
    assert disk.unsynced("") == ["a: bytes 0..3 not fsynced"]
    disk.power_loss(None)
    assert disk.open("a").read(0, 3) == b"old"
    disk.open("a").write(0, b"new")
    file = disk.open("a")
    file.fsync()
    assert disk.unsynced("") == []


def test_fsync_fails_only_below_the_prefix():
    """Other files are synced as ever; without `once` the fault stays until healed."""
    disk = SimDisk()
    good, bad = disk.open("good", create=True), disk.open("bad", create=True)
    disk.faults.fail_fsync("bad")
    good.fsync()
    for _ in range(2):
        with pytest.raises(DiskFault):
            bad.fsync()
    disk.faults.heal()
    bad.fsync()


def test_a_directory_fsync_may_fail():
    """A directory whose fsync failed never makes its entries durable any more."""
    disk = SimDisk()
    disk.mkdir("d")
    disk.fsync_dir("")
    disk.open("d/f", create=True)
    disk.faults.fail_fsync("d", once=True)
    with pytest.raises(DiskFault):
        disk.fsync_dir("d")
    disk.fsync_dir("d")
    disk.power_loss(None)

    assert disk.list("d") == []


def test_a_full_disk_keeps_the_beginning_of_the_write():
    """ENOSPC is raised after as many bytes as there was room for."""
    disk, file = make(data=b"")
    disk.faults.fill_up("a", kept_bytes=3)
    with pytest.raises(DiskFull) as caught:
        file.write(0, b"hello")
    assert caught.value.errno == errno.ENOSPC
    assert file.read(0, 9) == b"hel"
    disk.faults.heal()
    file.write(3, b"lo")

    assert file.read(0, 9) == b"hello"


def test_reads_may_be_short():
    """A read below the prefix delivers no more than the fault lets through."""
    disk, file = make()
    disk.faults.shorten_reads("a", bytes_max=7)

    assert len(file.read(0, 100)) == 7


def test_time_is_charged_for_every_operation():
    """Each kind of operation adds its cost; a slow fsync adds its own."""
    disk = SimDisk(read_ns=1, write_ns=10, fsync_ns=100, entry_ns=1000)
    file = disk.open("a", create=True)
    file.write(0, b"x")
    file.read(0, 1)
    file.fsync()
    disk.fsync_dir("")
    assert disk.elapsed_ns == 1000 + 10 + 1 + 100 + 100
    disk.faults.slow_fsync("a", extra_ns=5_000)
    file.fsync()

    assert disk.elapsed_ns == 1211 + 100 + 5_000


def test_a_flipped_bit_is_on_the_medium():
    """Rot shows at once, is no un-synced write, and survives a power loss; un-synced old bytes rot too."""
    disk, file = make(data=b"\0" * 4)
    disk.flip_bit("a", 1, 3)
    assert file.read(0, 4) == b"\0\x08\0\0"
    assert disk.unsynced("") == []
    file.write(0, b"\xff" * 4)
    disk.flip_bit("a", 2)
    assert file.read(0, 4) == b"\xff\xff\xfe\xff"
    disk.power_loss(None)

    assert disk.open("a").read(0, 4) == b"\0\x08\x01\0"
    with pytest.raises(FileNotFoundError, match="no byte 4"):
        disk.flip_bit("a", 4)


def test_an_image_is_a_disk_of_its_own():
    """What happens to the image leaves the disk alone and the other way round, un-synced state included."""
    disk, file = make(data=b"old")
    disk.mkdir("d")
    file.write(0, b"new")
    disk.open("gone", create=True)
    disk.unlink("gone")
    image = disk.image()
    assert image.unsynced("") == disk.unsynced("")
    image.power_loss(None)
    assert image.open("a").read(0, 3) == b"old"
    assert not image.exists("d")
    assert file.read(0, 3) == b"new"
    disk.rename("a", "b")
    file.write(0, b"NEW")

    assert image.list("") == ["a"]
    assert image.image().open("a").read(0, 3) == b"old"


def test_equal_draws_give_equal_images():
    """The same work and the same draws leave the same bytes, whatever the seed of the hash."""

    def life(seed):
        disk = SimDisk()
        draw = random.Random(seed)
        for name in "abc":
            file = disk.open(name, create=True)
            for _ in range(20):
                file.write(draw.randrange(5000), bytes([draw.randrange(256)]) * draw.randrange(900))
        disk.power_loss(draw.randrange)
        return {name: disk.open(name).read(0, 9999) for name in disk.list("")}

    assert all(life(seed) == life(seed) for seed in range(30))
    assert len({str(life(seed)) for seed in range(30)}) > 5


def test_write_and_fsync_cost_microseconds():
    """A write of 200 bytes with its fsync stays far below ten microseconds, also on a large file."""
    _, file = make(data=bytes(1 << 22))
    data = bytes(200)

    def one():
        file.write(1 << 20, data)
        file.fsync()

    assert min(timeit.repeat(one, number=200, repeat=5)) / 200 < 10e-6
