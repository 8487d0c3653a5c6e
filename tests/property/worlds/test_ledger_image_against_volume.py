"""Two ways to the same image: the disk takes un-synced work back, the oracle of its ledger never carries it out."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.worlds.host.power_disk.backing import Backing
from cluster.worlds.host.power_disk.device import Device, DeviceFault
from cluster.worlds.host.power_disk.recorder import Recorder
from cluster.worlds.host.power_disk.volume import Volume
from cluster.worlds.real.ledgers import image_of
from harness.checkers.ledger_image import LedgerImage, compare

FILES = ("a", "d/a", "d/b")

written = st.tuples(
    st.just("write"), st.sampled_from(FILES), st.integers(0, 40), st.binary(max_size=30)
)
one_name = st.tuples(
    st.sampled_from(["fsync", "fsync_fails", "unlink", "truncate", "zero"]),
    st.sampled_from(FILES),
    st.integers(0, 50),
)
on_a_directory = st.one_of(
    st.tuples(st.sampled_from(["mkdir", "rmdir"]), st.just("d")),
    st.tuples(st.sampled_from(["fsync_dir", "fsync_dir_fails"]), st.sampled_from(["d", ""])),
)
moved = st.tuples(st.just("rename"), st.sampled_from([("d/a", "d/b"), ("d", "e"), ("e", "d")]))
operations = st.lists(
    st.one_of(written, one_name, on_a_directory, moved, st.just(("power_loss",))), max_size=40
)


def do(volume: Volume, operation: str, *how) -> None:
    """Carry one operation out as a program would; what is impossible now raises OSError."""
    match operation:
        case "power_loss":
            volume.power_loss(None)
        case "mkdir":
            volume.make_directory(how[0], 0o755, None)
        case "rmdir":
            volume.remove_directory(how[0])
        case "fsync_dir":
            volume.fsync_directory(how[0])
        case "rename":
            volume.rename(*how[0])
        case "unlink":
            volume.unlink(how[0])
        case "truncate":
            volume.truncate(how[0], how[1])
        case "fsync_dir_fails":
            failing(volume, lambda: volume.fsync_directory(how[0]))
        case _:
            on_file(volume, operation, *how)


def on_file(volume: Volume, operation: str, path: str, offset: int, data: bytes = b"") -> None:
    """Carry out what needs an open file; a write makes one."""
    made = operation == "write" and not Path(volume._backing.files, path).exists()
    handle = volume.create(path, os.O_RDWR, 0o644, None) if made else volume.open(path, os.O_RDWR)
    try:
        if operation == "write":
            volume.write(path, handle, data, offset)
        elif operation == "zero":
            volume.allocate(path, handle, 0x10, offset, 7)
        elif operation == "fsync":
            volume.fsync(path, handle)
        else:
            failing(volume, lambda: volume.fsync(path, handle))
    finally:
        volume.release(handle)


def failing(volume: Volume, sync) -> None:
    """Sync while the device fails."""
    volume.device.faults.append(DeviceFault("eio"))
    with pytest.raises(OSError) as failure:
        sync()
    volume.device.faults.clear()
    if failure.value.errno != errno.EIO:
        raise failure.value


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True)
@given(operations)
def test_the_oracle_and_the_disk_agree_on_every_image(operations) -> None:
    """Whatever programs did, a power loss leaves what the ledger says, byte for byte."""
    with tempfile.TemporaryDirectory() as folder:
        volume = Volume(Backing(Path(folder)), Recorder(), Device())
        oracle = LedgerImage()
        seen = 0
        for operation in [*operations, ("power_loss",)]:
            try:
                do(volume, *operation)
            except OSError:
                continue
            finally:
                volume.device.faults.clear()
            if operation != ("power_loss",):
                continue
            for record in volume.recorder.since(seen):
                oracle.take(record)
                seen = record.sequence
            assert oracle.inexact == ""
            assert compare(image_of(Path(folder) / "files"), oracle.surviving()) == []
