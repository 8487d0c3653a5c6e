"""The operations of a mounted disk without FUSE: links, moves and open files that the simulated disk does not know."""

from __future__ import annotations

import os
import random
import stat

import pytest

from cluster.worlds.host.power_disk.backing import Backing
from cluster.worlds.host.power_disk.device import Device
from cluster.worlds.host.power_disk.recorder import Recorder
from cluster.worlds.host.power_disk.volume import Volume

NAMES = ["a", "b", "c", "d", "d/a", "d/b", "e", "e/a", "e/d"]


@pytest.fixture
def volume(tmp_path):
    made = Volume(Backing(tmp_path / "source"), Recorder(), Device())
    yield made
    made.power_loss(None)


def tree(volume, path=""):
    """Path -> bytes (None: a directory) of everything visible."""
    found = {}
    for name, _ in volume.names(path):
        at = f"{path}/{name}" if path else name
        if stat.S_ISDIR(volume.attributes(at).st_mode):
            found[at] = None
            found |= tree(volume, at)
        else:
            handle = volume.open(at, os.O_RDONLY)
            found[at] = volume.read(handle, 1 << 20, 0)
            volume.release(handle)
    return found


def sync(volume):
    """Sync every file and every directory."""
    for path, data in {"": None, **tree(volume)}.items():
        if data is None:
            volume.fsync_directory(path)
        else:
            handle = volume.open(path, os.O_RDONLY)
            volume.fsync(path, handle)
            volume.release(handle)


def write(volume, path, data, offset=0):
    try:
        handle = volume.open(path, os.O_RDWR)
    except FileNotFoundError:
        handle = volume.create(path, os.O_RDWR, 0o644, None)
    volume.write(path, handle, data, offset)
    return handle


def is_directory(volume, path):
    return stat.S_ISDIR(volume.attributes(path).st_mode)


def move(volume, path, other):
    """A rename as the kernel lets it through: it checks kinds first, and that nothing moves into itself."""
    if f"{other}/".startswith(f"{path}/") or f"{path}/".startswith(f"{other}/"):
        return
    if other not in tree(volume) or is_directory(volume, path) == is_directory(volume, other):
        volume.rename(path, other)


def remove(volume, path, _other):
    if is_directory(volume, path):
        volume.remove_directory(path)
    else:
        volume.unlink(path)


def cut(volume, path, _other):
    if not is_directory(volume, path):
        volume.truncate(path, len(path) * 111)


WORK = (
    lambda volume, path, other: volume.release(write(volume, path, other.encode() * 200, 300)),
    cut,
    lambda volume, path, _: volume.make_directory(path, 0o755, None),
    lambda volume, path, other: volume.link(path, other),
    move,
    remove,
    lambda volume, path, _: volume.fsync_directory(path if path in {"d", "e"} else ""),
)
UNSYNCED_WORK = WORK[:-1]
"""All but the syncs."""


def random_work(volume, draw, steps, kinds=WORK):
    for _ in range(steps):
        try:
            draw.choice(kinds)(volume, draw.choice(NAMES), draw.choice(NAMES))
        except OSError:
            continue


@pytest.mark.parametrize("seed", range(20))
def test_power_losses_leave_a_sound_disk(volume, tmp_path, seed):
    """After any work and any draw: nothing is kept, nothing un-synced, a second loss changes nothing, and what is synced stays."""
    draw = random.Random(seed)
    for below in (None, draw.randrange, draw.randrange):
        random_work(volume, draw, 40)
        volume.power_loss(below)
        left = tree(volume)
        assert list((tmp_path / "source" / "kept").iterdir()) == []
        assert volume.unsynced() == ([], [])
        volume.power_loss(None)
        assert tree(volume) == left
    random_work(volume, draw, 40)
    sync(volume)
    synced = tree(volume)
    volume.power_loss(None)

    assert tree(volume) == synced


@pytest.mark.parametrize("seed", range(10))
def test_undoing_everything_gives_the_state_of_the_last_full_sync(volume, seed):
    """Work behind a full sync that no sync follows is undone exactly, whatever it was."""
    draw = random.Random(seed)
    random_work(volume, draw, 40)
    sync(volume)
    synced = tree(volume)
    random_work(volume, draw, 30, UNSYNCED_WORK)
    volume.power_loss(None)

    assert tree(volume) == synced


def test_an_open_file_without_a_name_goes_with_its_last_handle(volume, tmp_path):
    """Hidden, its directory synced, written on: the file is there until its last name goes, and then nowhere."""
    handle = write(volume, "a", b"x")
    sync(volume)
    volume.hide("a", ".fuse_hidden1")
    volume.fsync_directory("")
    volume.write(".fuse_hidden1", handle, b"y", 1)

    assert volume.read(handle, 9, 0) == b"xy"
    assert volume.links(volume.attributes(".fuse_hidden1")) == 0
    assert volume.unsynced() == ([], [])
    volume.release(handle)
    volume.unlink(".fuse_hidden1")
    assert list((tmp_path / "source" / "kept").iterdir()) == []


def test_a_hidden_target_belongs_to_the_rename_behind_it(volume):
    """Hiding and renaming over the name are one change when nothing came between, and two when something did."""
    for between, outcomes in ((False, {b"old", b"new"}), (True, {b"old", b"new", None})):
        seen = set()
        for seed in range(20):
            volume.release(write(volume, "a", b"old"))
            volume.release(write(volume, "b", b"new"))
            sync(volume)
            volume.hide("a", ".fuse_hidden1")
            if between:
                volume.next_operation()
            volume.rename("b", "a")
            volume.power_loss(random.Random(seed).randrange)
            seen.add(tree(volume).get("a"))
        assert seen == outcomes


def test_a_dead_handle_never_meets_a_new_file(volume):
    """Handles of before a power loss fail with EIO for ever, and closing one closes no other."""
    old = write(volume, "a", b"x")
    volume.power_loss(None)
    new = write(volume, "b", b"y")
    volume.release(old)

    with pytest.raises(OSError, match="when the power went"):
        volume.read(old, 1, 0)
    assert volume.read(new, 1, 0) == b"y"


def test_a_small_disk_takes_what_fits_and_shrinking_makes_room(volume):
    """A write is cut to the room left, the next one fails with ENOSPC, overwriting goes on, and removed files count no more."""
    handle = write(volume, "a", bytes(60))
    volume.device.room_bytes = 100
    other = volume.create("b", os.O_RDWR, 0o644, None)

    assert volume.write("b", other, bytes(70), 0) == 40
    with pytest.raises(OSError, match="no space"):
        volume.write("b", other, b"x", 40)
    assert volume.write("a", handle, b"y" * 60, 0) == 60
    volume.unlink("a")
    assert volume.write("b", other, bytes(20), 40) == 20
