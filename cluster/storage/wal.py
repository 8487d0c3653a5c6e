"""`WriteAheadLog`: an append-only log of opaque records over a `Disk`.

Here live the order of writes and fsyncs, segments, and recovery. Not here: what the records mean
(raft's business) and what the bytes look like (`wal_frames`).

The order is the promise:

* one `append` is one frame and one write; with `sync` one fsync follows, and only then is anything
  claimed;
* a new segment begins only when the old one is fsynced whole, and its name is on stable storage
  before a record in it is claimed;
* old segments go one at a time, oldest first, each removal synced, so that the ones left are always
  consecutive;
* what recovery shows is fsynced before `open` returns: a killed process leaves records that are
  visible and not durable.

Recovery cuts a torn tail off once and says how long it was; damage in the middle is refused, because
the records behind it were acknowledged. A device error is final: which bytes are durable is not
known any more (fsyncgate), and a log that went on would lie.
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Sequence
from contextlib import closing
from typing import NoReturn

from cluster.probe import Probe
from cluster.storage.directories import make_directories
from cluster.storage.disk import Disk, File
from cluster.storage.wal_frames import (
    SEGMENT_HEADER_BYTES,
    Record,
    decode_segment_header,
    encode_frame,
    encode_segment_header,
    read_frames,
    witness_behind,
)

__all__ = ["LogDamaged", "LogFailed", "Record", "WriteAheadLog"]

_SUFFIX = ".wal"


class LogDamaged(Exception):
    """Records that were durable are damaged or missing; the log was refused and left as it is.

    The device is at fault; the message names the file and the byte. This node must not vote with a
    shortened log: wipe its directory and let it join again under a new name.
    """


class LogFailed(Exception):
    """The disk failed under the log (EIO, ENOSPC). Final: every later call raises it again."""


class WriteAheadLog:
    """See the module. Use `WriteAheadLog.open`.

    `torn_bytes` is the length of the torn tail that opening cut off.
    """

    def __init__(self, disk: Disk, directory: str, probe: Probe, segment_bytes: int) -> None:
        self._disk = disk
        self._directory = directory
        self._probe = probe
        self._segment_bytes = segment_bytes
        self._failure: OSError | None = None
        self._file: File | None = None
        self._base = 0
        self._size = 0
        """Invariant: the next frame goes to this offset of the current segment."""
        self._horizon = 0
        """Invariant: every byte below this position is on stable storage."""
        self._segments: list[int] = []
        self.torn_bytes = 0

    @classmethod
    def open(
        cls, disk: Disk, directory: str, probe: Probe, segment_bytes: int
    ) -> tuple[WriteAheadLog, list[Record]]:
        """Open the log in `directory`, making it when there is none; return it and all its records.

        Raises LogDamaged, or LogFailed when the disk fails. `segment_bytes`: see `full`.
        """
        log = cls(disk, directory, probe, segment_bytes)
        try:
            make_directories(disk, directory)
            records = log._recover()
        except OSError as error:
            log.close()
            log._fail(error)
        return log, records

    @property
    def current_segment(self) -> int:
        """The number of the segment that the next record goes to."""
        return self._segments[-1]

    @property
    def segments(self) -> tuple[int, ...]:
        """The numbers of all segments, oldest first: consecutive, the last one is the current one."""
        return tuple(self._segments)

    @property
    def full(self) -> bool:
        """Whether the current segment has reached `segment_bytes`: time to `roll`."""
        return self._size >= self._segment_bytes

    def append(self, records: Sequence[Record], *, sync: bool) -> None:
        """Write `records` as one frame: after a power loss all of them are there or none is.

        With `sync` they and everything before are durable on return. Raises LogFailed.
        """
        probe = self._probe
        probe.reach("wal.before_append")
        file = self._usable()
        try:
            frame = encode_frame(records, self._base + self._size, self._horizon)
            if probe.armed("wal.torn_tail"):
                half = len(frame) // 2
                file.write(self._size, frame[:half])
                probe.reach("wal.torn_tail")
                file.write(self._size + half, frame[half:])
            else:
                file.write(self._size, frame)
            self._size += len(frame)
            probe.reach("wal.after_write_before_fsync")
            if sync:
                file.fsync()
                self._horizon = self._base + self._size
        except OSError as error:
            self._fail(error)
        if sync:
            probe.reach("wal.after_fsync")
            probe.claim("D5", self._directory)

    def sync(self) -> None:
        """Make everything appended so far durable. Raises LogFailed."""
        file = self._usable()
        try:
            file.fsync()
        except OSError as error:
            self._fail(error)
        self._horizon = self._base + self._size
        self._probe.reach("wal.after_fsync")
        self._probe.claim("D5", self._directory)

    def roll(self, records: Sequence[Record]) -> int:
        """Begin a new segment whose first frame holds `records`, durably; return its number.

        When `records` say all that the older segments are still needed for, those may be released.
        Raises LogFailed.
        """
        self._usable()
        try:
            self._begin_segment()
        except OSError as error:
            self._fail(error)
        self.append(records, sync=True)
        return self.current_segment

    def release(self, before_segment: int) -> None:
        """Remove all segments with numbers below `before_segment`. Raises LogFailed.

        The current segment always stays.
        """
        self._usable()
        try:
            while len(self._segments) > 1 and self._segments[0] < before_segment:
                self._disk.unlink(self._path(self._segments[0]))
                self._disk.fsync_dir(self._directory)
                del self._segments[0]
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Close the file; syncs nothing. A second call does nothing."""
        if self._file is not None:
            self._file.close()

    # -- segments -----------------------------------------------------------------------------------

    def _begin_segment(self) -> File:
        """Sync the current segment, then make the next one, durable and empty, and write to it."""
        base = self._base
        number = 1
        if self._file is not None:
            self._file.fsync()
            self._file.close()
            base += self._size
            number = self.current_segment + 1
        file = self._file = self._disk.open(self._path(number), create=True)
        file.truncate(0)
        file.write(0, encode_segment_header(number, base))
        file.fsync()
        self._disk.fsync_dir(self._directory)
        self._segments.append(number)
        self._base = base
        self._size = SEGMENT_HEADER_BYTES
        self._horizon = base + SEGMENT_HEADER_BYTES
        return file

    def _path(self, number: int) -> str:
        return f"{self._directory}/{number:08d}{_SUFFIX}"

    def _usable(self) -> File:
        if self._failure is not None or self._file is None:
            raise LogFailed(f"{self._directory}: the log is finished") from self._failure
        return self._file

    def _fail(self, error: OSError) -> NoReturn:
        self._failure = error
        raise LogFailed(f"{self._directory}: {error}") from error

    # -- recovery -----------------------------------------------------------------------------------

    def _recover(self) -> list[Record]:
        numbers = self._present_segments()
        stillborn = bool(numbers) and self._is_stillborn(self._path(numbers[-1]))
        if stillborn:
            self._disk.unlink(self._path(numbers.pop()))
        records: list[Record] = []
        for number in numbers:
            sealed = stillborn or number < numbers[-1]
            records += self._read_segment(number, sealed=sealed)
        self._disk.fsync_dir(self._directory)
        if numbers:
            self._take_over()
        else:
            self._begin_segment()
        return records

    def _present_segments(self) -> list[int]:
        """The numbers of the segments on disk; raises LogDamaged when one between them is missing."""
        names = [name for name in self._disk.list(self._directory) if name.endswith(_SUFFIX)]
        numbers = [int(name.removesuffix(_SUFFIX)) for name in names]
        for before, after in itertools.pairwise(numbers):
            if after != before + 1:
                raise _damaged(self._path(before + 1), 0, "the segment is missing")
        return numbers

    def _is_stillborn(self, path: str) -> bool:
        """Whether the newest segment was being made when the power went: its header is not durable."""
        data = self._read(path)
        if decode_segment_header(data) is not None:
            return False
        if len(data) > SEGMENT_HEADER_BYTES:
            raise _damaged(path, 0, "the header of a segment with records is damaged")
        self.torn_bytes += len(data)
        return True

    def _read_segment(self, number: int, *, sealed: bool) -> list[Record]:
        path = self._path(number)
        data = self._read(path)
        header = decode_segment_header(data)
        if header is None or header[0] != number:
            raise _damaged(path, 0, "the segment's header is damaged")
        base = header[1]
        if self._segments and base != self._base + self._size:
            raise _damaged(path, 0, "the segment does not begin where the one before it ends")
        records, end = read_frames(data, base)
        if end < len(data):
            self._judge_tail(path, data, base, end, sealed=sealed)
        self._segments.append(number)
        self._base, self._size = base, end
        return records

    def _judge_tail(self, path: str, data: bytes, base: int, end: int, *, sealed: bool) -> None:
        """Raise LogDamaged unless what stands behind `end` is the torn tail of the log.

        A sealed segment was fsynced whole before the next one was made: it has no torn tail.
        """
        if sealed:
            raise _damaged(path, end, "a frame is damaged, and a later segment was begun")
        witness = witness_behind(data, base, end)
        if witness is not None:
            why = f"a frame is damaged, and the one at byte {witness} was written after its fsync"
            raise _damaged(path, end, why)
        self.torn_bytes += len(data) - end

    def _take_over(self) -> None:
        """Write on at the end of the last segment: cut the torn tail off, and make the rest durable."""
        file = self._file = self._disk.open(self._path(self.current_segment))
        file.truncate(self._size)
        file.fsync()
        self._horizon = self._base + self._size

    def _read(self, path: str) -> bytes:
        with closing(self._disk.open(path)) as file:
            size = file.size()
            data = file.read(0, size)
        if len(data) < size:
            raise OSError(errno.EIO, f"read {len(data)} of {size} bytes", path)
        return data


def _damaged(path: str, offset: int, why: str) -> LogDamaged:
    return LogDamaged(
        f"{path}: byte {offset}: {why}; this log was durable once, so it is refused: "
        "wipe the node and let it join again under a new name"
    )
