"""Faults of the device on command, by the beginning of a path, and how much room it has. Pure: which rule holds for what.

``eio``    every fsync of a file or directory fails, and what it should have made durable never is
``full``   every write fails with ENOSPC
``short``  a write takes `amount` bytes at most (at least one); the program must go on itself
``slow``   every fsync takes `amount` nanoseconds more, and holds the whole disk meanwhile

Compare `cluster.storage.sim_faults`, the faults of the simulated disk.
"""

from __future__ import annotations

import errno
from typing import Literal

import msgspec

__all__ = ["Device", "DeviceFault"]


class DeviceFault(msgspec.Struct, frozen=True):
    """One fault, on for all paths that begin with `path` (relative to the mount point; ``""``: all)."""

    kind: Literal["eio", "full", "short", "slow"]
    path: str = ""
    amount: int = 0


class Device:
    """The faults that are on."""

    def __init__(self) -> None:
        self.faults: list[DeviceFault] = []
        self.room_bytes = 0
        """How many bytes all files may have together; 0: as many as there is room for. What is there stays."""

    def fsync_fails(self, path: str) -> bool:
        """Whether an fsync of `path` ends with EIO."""
        return any(self._on("eio", path))

    def fsync_delay_ns(self, path: str) -> int:
        """How much longer an fsync of `path` takes."""
        return sum(fault.amount for fault in self._on("slow", path))

    def accepted(self, path: str, length: int) -> int:
        """How many of `length` bytes a write to `path` takes. Raises OSError (ENOSPC)."""
        if any(self._on("full", path)):
            raise OSError(errno.ENOSPC, "no space left on the disk", path)
        for fault in self._on("short", path):
            length = min(length, max(1, fault.amount))
        return length

    def fitting(self, path: str, used_bytes: int, growth_bytes: int) -> int:
        """By how many of `growth_bytes` a file may grow when all have `used_bytes`. Raises OSError (ENOSPC) where that is by none."""
        if not self.room_bytes or growth_bytes <= 0:
            return growth_bytes
        left = self.room_bytes - used_bytes
        if left <= 0:
            raise OSError(errno.ENOSPC, "no space left on the disk", path)
        return min(growth_bytes, left)

    def _on(self, kind: str, path: str) -> list[DeviceFault]:
        return [f for f in self.faults if f.kind == kind and path.startswith(f.path)]
