"""Our model of a power loss against the kernel's: the same programs on a mounted disk, on ext4 and on xfs.

All three must keep what was synced. The mounted disk must lose the rest; the kernel may have written it back by itself.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.worlds.errors import WorldMissing
from cluster.worlds.host import loop_disk
from cluster.worlds.host.loop_disk import LoopDisk, remove_stale
from cluster.worlds.host.power_disk.power_disk import PowerDisk

pytestmark = [pytest.mark.real, pytest.mark.slow]

KINDS = ["ours", "ext4", "xfs"]

LOG = """
import os, sys
os.chdir(sys.argv[1])
log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
root = os.open(".", os.O_RDONLY)
os.fsync(root)
for number in range(1, 10**6):
    os.write(log, b"%09d\\n" % number)
    if number % 3 == 0:
        os.fsync(log)
        with open("state.new", "w") as file:
            file.write(str(number)); file.flush(); os.fsync(file.fileno())
        os.rename("state.new", "state")
        os.fsync(root)
        print(number, flush=True)
"""

DATABASE = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1] + "/db", isolation_level=None)
db.execute("pragma journal_mode=wal"); db.execute("pragma synchronous=full")
db.execute("create table if not exists t(x)")
for number in range(1, 10**6):
    db.execute("insert into t values(?)", (number,)); print(number, flush=True)
"""


@pytest.fixture(params=KINDS)
def disk(request, require, tmp_path):
    if request.param == "ours":
        require("fuse", "lets any program lose its power")
        made = PowerDisk(tmp_path / "source", tmp_path / "mount")
    else:
        require(request.param, "is the real thing that our model is held against")
        made = LoopDisk(tmp_path / "mount", request.param)
    with made:
        yield made


def acknowledged(disk, program, lines):
    """Run `program` until it has acknowledged `lines` steps, kill it, cut the power; the last step acknowledged."""
    words = [sys.executable, "-c", program, str(disk.mount)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as child:
        told = [child.stdout.readline() for _ in range(lines)]
        if isinstance(disk, LoopDisk):
            child.send_signal(signal.SIGSTOP)  # an fsync under way while ext4 is cut may yet answer
            os.waitpid(child.pid, os.WUNTRACED)
            disk.cut()
        child.kill()
        told += child.stdout.read().split(b"\n")[:-1]
    disk.power_loss()
    return int(told[-1])


def test_what_was_synced_survives(disk):
    """A log and a file replaced by rename hold every step that was acknowledged, and no torn line inside."""
    last = acknowledged(disk, LOG, 60)
    lines = (disk.mount / "log").read_bytes().split(b"\n")

    assert [int(line) for line in lines[:last]] == list(range(1, last + 1))
    assert int((disk.mount / "state").read_text()) >= last


def test_a_database_survives(disk):
    """SQLite in WAL mode with synchronous=FULL: whole, and with every commit that it told of."""
    last = acknowledged(disk, DATABASE, 40)
    database = sqlite3.connect(disk.mount / "db")
    found = database.execute("select max(x) from t").fetchone()[0]
    whole = database.execute("pragma integrity_check").fetchall()
    database.close()

    assert found >= last
    assert whole == [("ok",)]


def test_what_was_not_synced_is_lost(disk):
    """A fresh file that nobody synced, written just before the cut, is gone from all three."""
    (disk.mount / "safe").write_bytes(b"x")
    descriptor = os.open(disk.mount / "safe", os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    directory = os.open(disk.mount, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)
    (disk.mount / "lost").write_bytes(b"x")
    disk.power_loss()

    assert (disk.mount / "safe").read_bytes() == b"x"
    assert not (disk.mount / "lost").exists()


def test_images_of_dead_harnesses_are_removed(require, tmp_path):
    """A harness killed by SIGKILL leaves a mount and an image; the next start takes both away."""
    require("ext4", "is the real thing that our model is held against")
    code = (
        "import sys; from pathlib import Path; from cluster.worlds.host.loop_disk import LoopDisk\n"
        "disk = LoopDisk(Path(sys.argv[1]), 'ext4'); disk.start()\n"
        "print(disk._image, flush=True); sys.stdin.read()\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "mount")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as harness:
        image = Path(harness.stdout.readline().decode().strip())
        harness.kill()
    assert image.exists()
    assert os.path.ismount(tmp_path / "mount")

    assert str(image) in remove_stale()
    assert not image.exists()
    assert not os.path.ismount(tmp_path / "mount")


def test_a_machine_without_the_tools_is_told_what_to_install(tmp_path, monkeypatch):
    """One line, with the command; nothing was made."""
    monkeypatch.setattr(loop_disk, "missing_programs", lambda _: ["mkfs.xfs"])
    with pytest.raises(WorldMissing, match=r"mkfs\.xfs is missing") as missing:
        LoopDisk(tmp_path / "mount", "xfs").start()

    assert missing.value.remedy == "apt-get install -y xfsprogs"
    assert list(tmp_path.iterdir()) == []
