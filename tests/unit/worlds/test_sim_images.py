"""Which images a photographed disk has: all legal ones, each once, and nothing else."""

from __future__ import annotations

import pytest

from cluster.storage.sim_disk import SimDisk
from cluster.worlds.sim.images import legal_images
from cluster.worlds.tape import Tape


def below(bound: int) -> int:
    """No draw is wanted here."""
    raise AssertionError(bound)


def contents(disk: SimDisk) -> dict[str, bytes]:
    """Every file in the root and what it holds."""
    found = {}
    for name in disk.list(""):
        file = disk.open(name)
        found[name] = file.read(0, file.size())
    return found


def images_of(disk: SimDisk, bound: int = 4096) -> list[dict[str, bytes]]:
    """The contents of all images."""
    album, images = legal_images(disk.image(), bound, below)
    found = [contents(image.disk) for image in images]
    assert album.complete
    assert album.images == len(found)
    return found


def durable_file(disk: SimDisk, name: str, content: bytes):
    """A file that survives everything."""
    file = disk.open(name, create=True)
    file.write(0, content)
    file.fsync()
    disk.fsync_dir("")
    return file


def test_a_clean_disk_has_one_image():
    """Nothing un-synced, nothing to lose."""
    disk = SimDisk()
    durable_file(disk, "a", b"kept")

    assert images_of(disk) == [{"a": b"kept"}]


def test_unsynced_sectors_are_kept_or_lost_one_by_one():
    """Two sectors overwritten give four images."""
    disk = SimDisk()
    file = durable_file(disk, "a", b"o" * 1024)
    file.write(0, b"n" * 1024)

    wanted = [first * 512 + second * 512 for first in (b"o", b"n") for second in (b"o", b"n")]
    assert sorted(image["a"] for image in images_of(disk)) == sorted(wanted)


def test_a_rename_is_there_or_not():
    """An un-synced rename over a file leaves the old content or the new one, and never neither."""
    disk = SimDisk()
    durable_file(disk, "new", b"new")
    durable_file(disk, "a", b"old")
    disk.rename("new", "a")

    found = images_of(disk)

    assert {"a": b"new"} in found
    assert {"a": b"old", "new": b"new"} in found
    assert len(found) == 2


def test_a_renamed_file_without_fsync_may_be_empty():
    """Rename before fsync: the name arrives, the bytes do not."""
    disk = SimDisk()
    disk.open("new", create=True).write(0, b"new")
    disk.fsync_dir("")
    disk.rename("new", "a")

    assert {"a": b""} in images_of(disk)


def test_the_last_write_is_torn_at_a_byte():
    """Beyond whole sectors, the end of an appended write arrives in part."""
    disk = SimDisk()
    durable_file(disk, "a", b"").write(0, b"12345678")

    assert sorted(image["a"] for image in images_of(disk)) == [
        b"", b"1", b"1234", b"1234567", b"12345678",
    ]  # fmt: skip


def test_an_fsync_leaves_one_image():
    """What was synced, name and bytes, cannot be lost."""
    disk = SimDisk()
    file = durable_file(disk, "a", b"")
    file.write(0, b"x" * 2000)
    file.fsync()

    assert images_of(disk) == [{"a": b"x" * 2000}]


@pytest.mark.parametrize("seed", [1, 2])
def test_more_than_the_bound_is_said(seed):
    """Twenty sectors and a bound of a hundred: the ends are tried, the bound is kept, and the album says that it is not all."""
    disk = SimDisk()
    file = durable_file(disk, "a", b"o" * 512 * 20)
    file.write(0, b"n" * 512 * 20)

    album, images = legal_images(disk.image(), 100, Tape(seed).stream("images").below)
    found = [contents(image.disk)["a"] for image in images]

    assert not album.complete
    assert album.choices == 20
    assert len(found) == len(set(found)) == 100
    assert b"o" * 512 * 20 in found
    assert b"n" * 512 * 20 in found


def test_images_leave_the_photograph_alone():
    """A photograph can be developed twice."""
    disk = SimDisk()
    durable_file(disk, "a", b"").write(0, b"x" * 1000)
    photograph = disk.image()
    first, second = (
        [contents(image.disk) for image in legal_images(photograph, 64, below)[1]] for _ in range(2)
    )

    assert first == second
