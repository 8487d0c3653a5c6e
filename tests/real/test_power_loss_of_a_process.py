"""A real process on real files is killed by SIGKILL; another one then takes its power away.

The child writes to a log and a store and reports each acknowledged step on its standard output; the
parent kills it at an arbitrary moment, carries the power loss out on the directory, and reads what
is left.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys

import pytest

from cluster.probe import SilentProbe
from cluster.storage.directories import make_directories
from cluster.storage.real_disk import RealDisk
from cluster.storage.sqlite_store import SqliteStore
from cluster.storage.wal import WriteAheadLog

CHILD = """
import sys
from cluster.probe import SilentProbe
from cluster.storage.directories import make_directories
from cluster.storage.real_disk import RealDisk
from cluster.storage.sqlite_store import SqliteStore
from cluster.storage.wal import WriteAheadLog

disk = RealDisk(sys.argv[1], undo_log=True)
log, records = WriteAheadLog.open(disk, "raft", SilentProbe(), 1 << 20)
make_directories(disk, "store")
store = SqliteStore.open(disk, "store", SilentProbe())
step = store.applied_index()
log.append([(1, b"%d" % step)], sync=True)
while True:
    step += 1
    sync = step % 3 == 0
    log.append([(1, b"%d" % step)], sync=sync)
    store.batch([(b"k%d" % (step % 50), b"%d" % step * 20)], applied_index=step, sync=sync)
    if sync:
        print(step, flush=True)
"""


def run_and_kill(root, lines):
    """Let the child live until it has acknowledged `lines` steps; return the last one it reported."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(root)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    reported = [int(child.stdout.readline()) for _ in range(lines)]
    child.send_signal(signal.SIGKILL)
    rest, _ = child.communicate()
    whole = rest.split(b"\n")[:-1]
    return int(whole[-1]) if whole else reported[-1]


@pytest.mark.slow
@pytest.mark.real
def test_acknowledged_steps_survive_sigkill_and_power_loss(tmp_path):
    """Over several lives: every acknowledged step is in log and store, and both are whole."""
    draw = random.Random(3)
    root = tmp_path / "disk"
    for life in range(4):
        acknowledged = run_and_kill(root, draw.randrange(5, 60))
        if life != 1:
            RealDisk.recover_power_loss(root, draw.randrange if life else None)
        disk = RealDisk(root, undo_log=True)
        log, records = WriteAheadLog.open(disk, "raft", SilentProbe(), 1 << 20)
        store = SqliteStore.open(disk, "store", SilentProbe())
        applied = store.applied_index()

        assert applied >= acknowledged
        assert max(int(data) for _, data in records) >= acknowledged
        assert store.get(b"k%d" % (applied % 50)) == b"%d" % applied * 20
        log.close()
        store.close()


@pytest.mark.real
def test_a_process_may_lose_its_own_power(tmp_path):
    """At a crash point the node rolls its own disk back: what was not fsynced is gone for its successor."""
    disk = RealDisk(tmp_path / "disk", undo_log=True)
    make_directories(disk, "raft")
    log, _ = WriteAheadLog.open(disk, "raft", SilentProbe(), 1 << 20)
    log.append([(1, b"safe")], sync=True)
    log.append([(1, b"lost")], sync=False)
    disk.roll_back(None)
    successor = RealDisk(tmp_path / "disk", undo_log=True)

    assert WriteAheadLog.open(successor, "raft", SilentProbe(), 1 << 20)[1] == [(1, b"safe")]
