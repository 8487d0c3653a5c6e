"""The ledger of a mounted disk: every change, every sync and every mark that a program set, in one order.

Pure. The records are those of `cluster.storage.ledger`, for any program instead of our node alone. Four operations
come on top: ``link`` (a hard link; `source` is the other name), ``mark`` (a crash point passed, its name is the `path`),
``power_off`` (a program took the power, behind the mark of its crash point) and ``power_loss`` (the harness took it). A rename between directories
is one record; an fsync that failed is none.
"""

from __future__ import annotations

from collections import deque

from cluster.storage.ledger import LedgerRecord

__all__ = ["Recorder", "legible"]

_RECORDS_MAX = 200_000
"""Older records are forgotten; the first `sequence` that is left shows how many."""


def legible(name: str) -> str:
    """The name as JSON can carry it: bytes that are no UTF-8 become U+FFFD."""
    if name.isascii():
        return name
    return name.encode(errors="surrogateescape").decode(errors="replace")


class Recorder:
    """Numbers and keeps records. Files are told apart by a number that they keep through renames."""

    def __init__(self, records_max: int = _RECORDS_MAX) -> None:
        self._records: deque[LedgerRecord] = deque(maxlen=records_max)
        self._sequence = 0
        self._files: dict[int, int] = {}
        self._files_seen = 0

    def record(
        self,
        operation: str,
        path: str,
        *,
        inode: int = 0,
        offset: int = 0,
        length: int = 0,
        source: str = "",
    ) -> None:
        """Append one record; `inode` is 0 for what is not about a file's bytes."""
        self._sequence += 1
        number = self._number(inode) if inode else 0
        self._records.append(
            LedgerRecord(
                self._sequence, operation, legible(path), number, offset, length, legible(source)
            )
        )

    def take_back(self) -> None:
        """Forget the newest record: it was half of another operation."""
        self._records.pop()
        self._sequence -= 1

    def fresh(self, inode: int) -> None:
        """A file was made; one that had its inode before was another one."""
        self._files.pop(inode, None)

    def since(self, sequence: int) -> list[LedgerRecord]:
        """The records behind `sequence`, oldest first."""
        return [record for record in self._records if record.sequence > sequence]

    def _number(self, inode: int) -> int:
        number = self._files.get(inode)
        if number is None:
            self._files_seen += 1
            number = self._files[inode] = self._files_seen
        return number
