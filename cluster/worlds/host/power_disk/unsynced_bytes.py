"""Which bytes of files are durable: for each file what its un-synced writes replaced, oldest first.

Pure: a file is a number (its inode). What survives of one is decided by `cluster.storage.power_loss`.

What is remembered has an end. A file with more un-synced work than the bounds below has the older half of it counted
as written back: so would a kernel that runs out of memory for dirty pages. `written_back` says how often.
"""

from __future__ import annotations

from cluster.storage.power_loss import Undo

__all__ = ["UnsyncedBytes"]

_RECORDS_MAX = 1 << 16
_REPLACED_BYTES_MAX = 256 << 20


class UnsyncedBytes:
    """See the module. Told of every write and truncate before it happens."""

    def __init__(
        self, *, records_max: int = _RECORDS_MAX, replaced_bytes_max: int = _REPLACED_BYTES_MAX
    ) -> None:
        """The bounds are for one file: its records, and the bytes they hold."""
        self.written_back = 0
        self._records_max = records_max
        self._replaced_bytes_max = replaced_bytes_max
        self._files: dict[int, list[Undo]] = {}
        self._replaced: dict[int, int] = {}
        self._doomed: dict[int, None] = {}

    @property
    def clean(self) -> bool:
        """Whether every byte is durable."""
        return not self._files

    def changing(self, file: int, undo: Undo) -> None:
        """Bytes of `file` are about to change; `undo` says what stands there."""
        first, end, length, old = undo
        records = self._files.setdefault(file, [])
        if not old and first == length and records and records[-1][1] == length:
            begun, _, before, replaced = records[-1]
            records[-1] = (begun, end, before, replaced)
            return
        records.append(undo)
        held = self._replaced[file] = self._replaced.get(file, 0) + len(old)
        if len(records) > self._records_max or held > self._replaced_bytes_max:
            self._write_back(file, records)

    def synced(self, file: int) -> None:
        """The file was synced."""
        if file not in self._doomed:
            self._files.pop(file, None)
            self._replaced.pop(file, None)

    def doom(self, file: int) -> None:
        """A sync of the file failed: later ones make nothing durable, until a power loss."""
        if file in self._files:
            self._doomed[file] = None

    def gone(self, file: int) -> None:
        """The file is gone for good; its number may be given to another one."""
        self._doomed.pop(file, None)
        self.synced(file)

    def lost_power(self) -> None:
        """Everything that is left is durable."""
        self._files.clear()
        self._replaced.clear()
        self._doomed.clear()

    def files(self) -> dict[int, list[Undo]]:
        """File -> what its un-synced writes replaced, oldest first."""
        return self._files

    def range(self, file: int) -> tuple[int, int]:
        """First byte and end of what is not durable in a file that `files` names."""
        records = self._files[file]
        return min(record[0] for record in records), max(record[1] for record in records)

    def _write_back(self, file: int, records: list[Undo]) -> None:
        del records[: (len(records) + 1) // 2]
        self._replaced[file] = sum(len(old) for _, _, _, old in records)
        if not records:
            del self._files[file]
        self.written_back += 1
