"""The journal: what raft must remember, as records of the write-ahead log.

The log below knows bytes, raft above knows entries; this room translates, and decides which segments may
go. Nothing here syncs by itself: the caller says when, as `Ready` orders it.

Records (kind, payload): ``ENTRY`` index u64be ‖ term u64be ‖ data – replaces whatever stood at the index and behind
it; ``STATE`` term u64be ‖ commit u64be ‖ vote; ``SNAPSHOT`` a local snapshot at (index, term, voters) is complete;
``RESET`` the same, for a received one: the log restarts behind it. A snapshot record is always followed by the
newest ``STATE``, and every segment but the first begins with both, so that what is left can be read by itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import msgspec

from cluster.probe import Probe
from cluster.raft.messages import Entry, HardState, SnapshotMeta
from cluster.storage.disk import Disk
from cluster.storage.wal import LogDamaged, WriteAheadLog

__all__ = ["Journal", "Recovered"]

ENTRY, STATE, SNAPSHOT, RESET = 1, 2, 3, 4

_ENTRY_HEAD = struct.Struct(">QQ")
_NOTHING = SnapshotMeta(index=0, term=0, voters=())


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What the log says: the newest hard state, the newest snapshot record, and the entries still there, contiguous."""

    hard_state: HardState
    snapshot: SnapshotMeta
    entries: Sequence[Entry]
    torn_bytes: int


def _state_record(state: HardState) -> tuple[int, bytes]:
    return STATE, _ENTRY_HEAD.pack(state.term, state.commit) + state.vote.encode()


class Journal:
    """Writes raft's memory. `open` first; one journal per replica and incarnation."""

    log: type[WriteAheadLog] = WriteAheadLog
    """What the records are kept in."""

    def __init__(self, log: WriteAheadLog, recovered: Recovered) -> None:
        self.recovered = recovered
        self._log = log
        self._state = recovered.hard_state
        self._snapshot = recovered.snapshot
        self._highest = (
            recovered.entries[-1].index if recovered.entries else recovered.snapshot.index
        )
        self._last_index = dict.fromkeys(log.segments[:-1], self._highest)
        """Highest entry index in each segment that is not the current one (an upper bound after a restart)."""

    @classmethod
    def open(cls, disk: Disk, directory: str, probe: Probe, segment_bytes: int) -> Journal:
        """Read the log, cutting a torn tail. Raises LogDamaged (refuse to start) and LogFailed."""
        log, records = cls.log.open(disk, directory, probe, segment_bytes)
        try:
            recovered = _read(directory, records, log.torn_bytes)
        except BaseException:
            log.close()
            raise
        return cls(log, recovered)

    @property
    def state(self) -> HardState:
        """The hard state written last."""
        return self._state

    def write(self, entries: Sequence[Entry], state: HardState | None, *, sync: bool) -> None:
        """Write one frame with `entries` and `state`; durable on return when `sync`. Raises LogFailed (final)."""
        pack = _ENTRY_HEAD.pack
        records = [(ENTRY, pack(entry.index, entry.term) + entry.data) for entry in entries]
        if self._log.full:
            # Before the new state counts: the head of a segment must not speak of entries that come after it.
            self._roll()
        if state is not None:
            self._state = state
            records.append(_state_record(state))
        self._log.append(records, sync=sync)
        if entries and entries[-1].index > self._highest:
            self._highest = entries[-1].index

    def save_snapshot(self, meta: SnapshotMeta) -> None:
        """Record that the snapshot at `meta` is complete (D7), durably."""
        self._snapshot = meta
        self._log.append(self._snapshot_records(SNAPSHOT), sync=True)

    def reset(self, meta: SnapshotMeta) -> None:
        """Record that a received snapshot replaces the whole log (D7), durably."""
        self._snapshot = meta
        self._log.append(self._snapshot_records(RESET), sync=True)
        self._highest = meta.index

    def release(self, index: int) -> None:
        """Drop the segments that hold nothing above `index`; call it after a snapshot was recorded."""
        if self._highest <= index:
            self._roll()
        needed = [segment for segment, last in self._last_index.items() if last > index]
        keep = min(needed, default=self._log.current_segment)
        self._log.release(keep)
        self._last_index = {s: i for s, i in self._last_index.items() if s >= keep}

    def close(self) -> None:
        """Close the log; syncs nothing."""
        self._log.close()

    def _roll(self) -> None:
        self._last_index[self._log.current_segment] = self._highest
        self._log.roll(self._snapshot_records(SNAPSHOT))

    def _snapshot_records(self, kind: int) -> list[tuple[int, bytes]]:
        return [(kind, msgspec.msgpack.encode(self._snapshot)), _state_record(self._state)]


def _read(directory: str, records: Iterable[tuple[int, bytes]], torn_bytes: int) -> Recovered:
    """Fold all records of a log. Raises LogDamaged for records that fit no log of this version."""
    state = HardState(term=0, vote="", commit=0)
    snapshot = _NOTHING
    entries: list[Entry] = []
    expected = -1  # the index that continues `entries`
    unpack, head = _ENTRY_HEAD.unpack_from, _ENTRY_HEAD.size
    for kind, payload in records:
        if kind == ENTRY:
            index, term = unpack(payload)
            entry = Entry(index, term, payload[head:])
            if index == expected:
                entries.append(entry)
            else:
                _put(directory, entries, entry)
            expected = index + 1
        elif kind == STATE:
            term, commit = unpack(payload)
            state = HardState(term=term, vote=payload[head:].decode(), commit=commit)
        elif kind in (SNAPSHOT, RESET):
            meta = msgspec.msgpack.decode(payload, type=SnapshotMeta)
            if meta.index >= snapshot.index:
                snapshot = meta
            if kind == RESET:
                entries.clear()
                expected = -1
        else:
            raise LogDamaged(f"{directory}: unknown record kind {kind}: a newer version wrote it")
    return Recovered(hard_state=state, snapshot=snapshot, entries=entries, torn_bytes=torn_bytes)


def _put(directory: str, entries: list[Entry], entry: Entry) -> None:
    """Append the first or a rewritten `entry`, dropping what it replaces. A gap means that records are missing."""
    if entries and entry.index <= entries[-1].index:
        del entries[max(0, entry.index - entries[0].index) :]
    if entries and entry.index != entries[-1].index + 1:
        raise LogDamaged(
            f"{directory}: the log jumps from entry {entries[-1].index} to {entry.index}"
        )
    entries.append(entry)
