"""The ledger of a mounted disk: every change, every sync and every mark that a program set, in one order.

Pure. The records are those of `cluster.ledger`, for any program instead of our node alone, and writes carry what they wrote. These
operations come on top:

``link``              a hard link; `source` is the other name
``mark``              a crash point passed: its name is the `path`, `source` what the program had in hand (our node: ``g0/17``, group and entry)
``no_data``           the name, just created, counts as durable: it is a lock
``fsync_failed``      with EIO: what it should have stored is lost, and a later fsync does not bring it back
``fsync_dir_failed``  the same for names
``written_back``      un-synced work of the file was too much to be remembered: some of it counts as durable, and nobody knows which
``power_off``         a program took the power, behind the mark of its crash point
``power_loss``        the harness took it; `source` is ``drawn`` where a drawn part of the un-synced work stays

A rename between directories is one record.
"""

from __future__ import annotations

from collections import deque

from cluster.ledger import LedgerRecord

__all__ = ["Recorder", "legible"]

_RECORDS_MAX = 200_000
_DATA_BYTES_MAX = 64 << 20
"""Older records are forgotten; the first `sequence` that is left shows how many."""


def legible(name: str) -> str:
    """The name as JSON can carry it: bytes that are no UTF-8 become U+FFFD."""
    if name.isascii():
        return name
    return name.encode(errors="surrogateescape").decode(errors="replace")


class Recorder:
    """Numbers and keeps records. Files are told apart by a number that they keep through renames."""

    def __init__(
        self, records_max: int = _RECORDS_MAX, data_bytes_max: int = _DATA_BYTES_MAX
    ) -> None:
        """The bounds are for all records together, and for all that their writes wrote."""
        self._records: deque[LedgerRecord] = deque()
        self._records_max = records_max
        self._data_bytes_max = data_bytes_max
        self._data_bytes = 0
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
        data: bytes = b"",
    ) -> None:
        """Append one record; `inode` is 0 for what is not about a file's bytes."""
        self._sequence += 1
        number = self._number(inode) if inode else 0
        self._records.append(
            LedgerRecord(
                self._sequence,
                operation,
                legible(path),
                number,
                offset,
                length,
                legible(source),
                data,
            )
        )
        self._data_bytes += len(data)
        while len(self._records) > self._records_max or self._data_bytes > self._data_bytes_max:
            self._data_bytes -= len(self._records.popleft().data)

    def take_back(self) -> None:
        """Forget the newest record, which is about names: it was half of another operation."""
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
