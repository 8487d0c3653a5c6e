"""`MountedDisk`: the `Disk` protocol on a mount point whose file system can lose its power by itself.

What such a file system offers to the programs on it stands here, as names: a crash point is marked, and the power taken, by an
extended attribute; what is un-synced is read from a file that no listing shows. So the disk below decides what is durable, for
this node and for any other program, and this class only asks. (The file system itself: `cluster.worlds.host.power_disk`.)
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from cluster.storage.disk import Lines, Lock
from cluster.storage.power_loss import Below
from cluster.storage.real_disk import RealDisk
from cluster.storage.unsynced import Unsynced

__all__ = ["MARK", "NO_DATA", "POWER_OFF", "UNSYNCED_FILE", "MountedDisk", "UnsyncedWork"]

MARK = "user.reprise.point"
"""Set on the mount point: the program passed the crash point whose name is the value; behind a space, what it had in hand."""
POWER_OFF = "user.reprise.power"
"""Set on the mount point: the power goes now. Nothing works on the mount until the harness turns it on; the value says why."""
NO_DATA = "user.reprise.no_data"
"""Set on a file just created: its name counts as durable."""
UNSYNCED_FILE = ".reprise-unsynced"
"""Below the mount point: `UnsyncedWork` as JSON, at the moment it is opened."""


class UnsyncedWork(msgspec.Struct, frozen=True):
    """What would not survive a power loss: (path, first byte, end) of files, (directory, name) of entries."""

    files: list[tuple[str, int, int]]
    entries: list[tuple[str, str]]


class MountedDisk(RealDisk):
    """See the module. `root` is the mount point."""

    def __init__(self, root: str | Path) -> None:
        super().__init__(root)
        self._mount = str(root)

    def lock(self, path: str) -> Lock:
        """See `Disk.lock`."""
        fresh = not self.exists(path)
        lock = super().lock(path)
        if fresh:
            os.setxattr(f"{self._mount}/{path}", NO_DATA, b"")
        return lock

    def unsynced(self, path: str) -> Lines:
        """See `Disk.unsynced`."""
        report = Path(self._mount, UNSYNCED_FILE).read_bytes()
        work = msgspec.json.decode(report, type=UnsyncedWork)
        ledger = Unsynced()
        for name, first, end in work.files:
            ledger.wrote(ledger.file(name), first, end)
        for directory, name in work.entries:
            ledger.changed(f"{directory}/{name}" if directory else name)
        return ledger.lines(path)

    def mark(self, point: str, in_hand: str) -> None:
        """Write a crash point that was passed into the ledger of the disk, and what was `in_hand` then."""
        os.setxattr(self._mount, MARK, f"{point} {in_hand}".encode())

    def roll_back(self, below: Below | None) -> None:
        """Lose the power: what is not synced is gone when this returns, and the disk dead until its owner turns it on."""
        assert below is None, "what stays beyond that is drawn by the disk's owner"
        os.setxattr(self._mount, POWER_OFF, b"")
