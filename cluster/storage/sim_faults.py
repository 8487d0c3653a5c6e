"""Faults of a simulated disk, switched on by the beginning of a path.

Here live the rules and their bookkeeping; `sim_disk` asks while any rule is on. Rot (a flipped bit) is
no rule but a deed, see `SimDisk.flip_bit`.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

from cluster.storage.disk import DiskFault

__all__ = ["DiskFaults"]


@dataclass(slots=True)
class _Rule:
    """One fault, on for all paths beginning with `prefix`."""

    kind: str
    prefix: str
    amount: int = 0
    once: bool = False


class DiskFaults:
    """The switches. `rules` is empty when all of them are off."""

    def __init__(self) -> None:
        self.rules: list[_Rule] = []

    def fail_fsync(self, prefix: str, *, once: bool = False) -> None:
        """Answer EIO to the next fsync (`once`) or every fsync from now on below `prefix`."""
        self.rules.append(_Rule("fsync", prefix, once=once))

    def fill_up(self, prefix: str, *, kept_bytes: int = 0) -> None:
        """Answer ENOSPC to every write below `prefix`, after the first `kept_bytes` of it are written."""
        self.rules.append(_Rule("full", prefix, kept_bytes))

    def shorten_reads(self, prefix: str, *, bytes_max: int) -> None:
        """Let reads below `prefix` return `bytes_max` bytes at most, as a failing device may."""
        self.rules.append(_Rule("read", prefix, bytes_max))

    def slow_fsync(self, prefix: str, *, extra_ns: int) -> None:
        """Let every fsync below `prefix` take `extra_ns` more."""
        self.rules.append(_Rule("slow", prefix, extra_ns))

    def heal(self) -> None:
        """Switch every fault off; files doomed by a failed fsync stay doomed until the power goes."""
        self.rules.clear()

    def fsync_delay(self, path: str) -> int:
        """How much longer an fsync of `path` takes, in ns. Raises DiskFault when it fails."""
        delay_ns = 0
        for rule in list(self.rules):
            if not path.startswith(rule.prefix):
                continue
            if rule.kind == "slow":
                delay_ns += rule.amount
            elif rule.kind == "fsync":
                if rule.once:
                    self.rules.remove(rule)
                raise DiskFault(errno.EIO, "fsync failed", path)
        return delay_ns

    def fitting(self, path: str, data: bytes) -> tuple[bytes, bool]:
        """Return the part of `data` that has room in `path`, and whether the disk is full then."""
        for rule in self.rules:
            if rule.kind == "full" and path.startswith(rule.prefix):
                return data[: rule.amount], True
        return data, False

    def readable(self, path: str, length: int) -> int:
        """Return how many of `length` bytes a read of `path` delivers at most."""
        for rule in self.rules:
            if rule.kind == "read" and path.startswith(rule.prefix):
                length = min(length, rule.amount)
        return length
