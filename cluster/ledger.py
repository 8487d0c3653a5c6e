"""What a disk writes down of itself: one record for each change, each sync and each mark, in the order in which they happened. Data only.

Two disks keep such a ledger: `cluster.storage.ledger.RecordingDisk`, around any disk in one process, and the mounted disk
(`cluster.worlds.host.power_disk`), for any program. Judges read them (`harness.checkers.ledger_image`), so it stands beside the trace.
"""

from __future__ import annotations

import msgspec

__all__ = ["LedgerPart", "LedgerRecord"]


class LedgerRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One operation: a write or truncate that was begun, anything else once it had succeeded.

    `operation`: write, truncate, fsync, create, rename, unlink, mkdir, rmdir, fsync_dir; of a mounted disk also those in the head of
    its `recorder`. `sequence` counts from 1. `path` is the name at that moment (for rename the new one, `source` the old one),
    `file` a number that a file keeps through renames (0: not about a file's bytes), `offset` and
    `length` the bytes concerned. `data` is what a write to a mounted disk wrote: the last bytes of the piece, in front of
    which are zeros (a gap).
    """

    sequence: int
    operation: str
    path: str
    file: int = 0
    offset: int = 0
    length: int = 0
    source: str = ""
    data: bytes = b""


class LedgerPart(msgspec.Struct, frozen=True, array_like=True):
    """A piece of a ledger that was put aside: `records` in their order, and what was found on the disk after the last of them.

    `image` is there when the disk had lost its power by then, else None: path -> (size in bytes, zlib.crc32 of the content) of each
    file; the path of a directory ends with ``/`` and has (0, 0).
    """

    records: list[LedgerRecord]
    image: dict[str, tuple[int, int]] | None = None
