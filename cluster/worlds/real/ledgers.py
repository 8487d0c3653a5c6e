"""The ledger of a mounted disk in a run's folder: ``ledger.jsonl``, one `LedgerPart` a line.

The daemon that keeps a ledger forgets what is old, and ends with its run. So it is read whenever a node's disk is handled between two
lives, and at the end, and put aside here; where the disk has lost its power since the last time, what was found on it stands beside it.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from cluster.ledger import LedgerPart
from cluster.worlds.host.power_disk.power_disk import PowerDisk

__all__ = ["LedgerFile", "image_of"]


class LedgerFile:
    """Iterating over it yields its parts, from the beginning."""

    def __init__(self, path: Path) -> None:
        """`path` is where it lies; nothing is made before something is put aside."""
        self._path = path
        self._sequence = 0
        self._losses = 0

    def put_aside(self, disk: PowerDisk) -> None:
        """Read on from where it stopped; nobody uses `disk` now. Raises WorldFailed when the daemon does not answer."""
        records = disk.ledger(self._sequence)
        losses = disk.status().losses
        if not records:
            return
        image = image_of(disk.source / "files") if losses > self._losses else None
        self._losses = losses
        self._sequence = records[-1].sequence
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(LedgerPart(records, image)) + b"\n")

    def __iter__(self) -> Iterator[LedgerPart]:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for line in file:
                yield msgspec.json.decode(line, type=LedgerPart)


def image_of(root: Path) -> dict[str, tuple[int, int]]:
    """What lies below `root` (see `LedgerPart.image`)."""
    found: dict[str, tuple[int, int]] = {}
    for folder, directories, files in os.walk(root):
        above = Path(folder).relative_to(root)
        for name in directories:
            found[f"{above / name}/"] = (0, 0)
        for name in files:
            content = (root / above / name).read_bytes()
            found[str(above / name)] = (len(content), zlib.crc32(content))
    return found
