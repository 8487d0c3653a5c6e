"""A simulated disk under which the process dies at any operation, not only where a crash point has a name."""

from __future__ import annotations

from collections import Counter
from typing import Any

from cluster.probe import Crash
from cluster.storage.power_loss import Below
from cluster.storage.sim_disk import SimDisk

__all__ = ["CrashingDisk"]


class CrashingFile:
    """An open file of a `CrashingDisk`."""

    def __init__(self, disk: CrashingDisk, file: Any) -> None:
        self._disk = disk
        self._file = file
        self.size = file.size
        self.close = file.close

    def read(self, offset: int, length: int) -> bytes:
        self._disk.pass_by("read")
        content: bytes = self._file.read(offset, length)
        return content

    def write(self, offset: int, data: bytes) -> None:
        self._disk.pass_by("write")
        self._file.write(offset, data)

    def truncate(self, size: int) -> None:
        self._disk.pass_by("truncate")
        self._file.truncate(size)

    def fsync(self) -> None:
        self._disk.pass_by("fsync")
        self._file.fsync()


class CrashingDisk(SimDisk):
    """Before every so many operations, drawn by `below`, the process dies or the machine loses its power.

    `gap_max` bounds how many operations lie between two deaths; `calm` ends it. `deaths` counts by operation.
    """

    def __init__(self, below: Below, gap_max: int, **costs: int) -> None:
        super().__init__(**costs)
        self.calm = False
        self.deaths: Counter[str] = Counter()
        self._below = below
        self._gap_max = gap_max
        self._left = 1 + below(gap_max)

    def pass_by(self, operation: str) -> None:
        """Die here, or get one step nearer to it."""
        if self.calm:
            return
        self._left -= 1
        if self._left:
            return
        self._left = 1 + self._below(self._gap_max)
        self.deaths[operation] += 1
        how = self._below(3)
        if how == 0:
            self.kill()
        else:
            self.power_loss(self._below if how == 1 else None)
        raise Crash(operation, "power" if how else "kill")

    def open(self, *arguments: Any, **options: Any) -> Any:
        self.pass_by("open")
        return CrashingFile(self, super().open(*arguments, **options))

    def rename(self, source: str, target: str) -> None:
        self.pass_by("rename")
        super().rename(source, target)

    def unlink(self, path: str) -> None:
        self.pass_by("unlink")
        super().unlink(path)

    def mkdir(self, path: str) -> None:
        self.pass_by("mkdir")
        super().mkdir(path)

    def rmdir(self, path: str) -> None:
        self.pass_by("rmdir")
        super().rmdir(path)

    def fsync_dir(self, path: str) -> None:
        self.pass_by("fsync_dir")
        super().fsync_dir(path)
