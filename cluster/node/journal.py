"""The journal: what raft must remember, as records of the write-ahead log.

The log below knows bytes, raft above knows entries; this room translates, and decides which segments may
go. Nothing here syncs by itself: the caller says when, as `Ready` orders it.

Records (kind, payload): ``ENTRY`` index u64be ‖ term u64be ‖ data – replaces whatever stood at the index and behind
it; ``STATE`` term u64be ‖ commit u64be ‖ vote; ``SNAPSHOT`` a local snapshot at (index, term, voters) is complete;
``RESET`` the same, for a received one: the log restarts behind it. Every segment begins with the newest STATE and
SNAPSHOT, so that it can be read without the older ones.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from cluster.raft.messages import Entry, HardState, SnapshotMeta

if TYPE_CHECKING:
    from cluster.probe import Probe
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

    def __init__(self, log: WriteAheadLog, recovered: Recovered) -> None:
        self.recovered = recovered
        self._log = log
        self._state = recovered.hard_state
        self._snapshot = recovered.snapshot
        self._highest = recovered.entries[-1].index if recovered.entries else recovered.snapshot.index
        self._last_index = {segment: self._highest for segment in log.segments[:-1]}
        """Highest entry index in each segment that is not the current one (an upper bound after a restart)."""

    @classmethod
    def open(cls, disk: Disk, directory: str, probe: Probe, segment_bytes: int) -> Journal:
        """Read the log, cutting a torn tail. Raises LogDamaged (refuse to start) and LogFailed."""
        log, records = WriteAheadLog.open(disk, directory, probe, segment_bytes)
        state = HardState(term=0, vote="", commit=0)
        snapshot = _NOTHING
        entries: list[Entry] = []
        for kind, payload in records:
            if kind == ENTRY:
                index, term = _ENTRY_HEAD.unpack_from(payload)
                _put(entries, Entry(index=index, term=term, data=payload[_ENTRY_HEAD.size :]))
            elif kind == STATE:
                term, commit = _ENTRY_HEAD.unpack_from(payload)
                state = HardState(term=term, vote=payload[_ENTRY_HEAD.size :].decode(), commit=commit)
            elif kind in (SNAPSHOT, RESET):
                meta = msgspec.msgpack.decode(payload, type=SnapshotMeta)
                if meta.index >= snapshot.index:
                    snapshot = meta
                if kind == RESET:
                    entries.clear()
            else:
                raise LogDamaged(f"{directory}: unknown record kind {kind}; a newer version wrote this log")
        recovered = Recovered(
            hard_state=state, snapshot=snapshot, entries=entries, torn_bytes=log.torn_bytes
        )
        return cls(log, recovered)

    @property
    def state(self) -> HardState:
        """The hard state written last."""
        return self._state

    def write(self, entries: Sequence[Entry], state: HardState | None, *, sync: bool) -> None:
        """Write one frame with `entries` and `state`; durable on return when `sync`. Raises LogFailed (final)."""
        pack = _ENTRY_HEAD.pack
        records = [(ENTRY, pack(entry.index, entry.term) + entry.data) for entry in entries]
        if state is not None:
            self._state = state
            records.append(_state_record(state))
        if entries:
            self._highest = max(self._highest, entries[-1].index)
        if self._log.full:
            self._roll()
        self._log.append(records, sync=sync)

    def save_snapshot(self, meta: SnapshotMeta) -> None:
        """Record that the snapshot at `meta` is complete (D7), durably."""
        self._snapshot = meta
        self._log.append([(SNAPSHOT, msgspec.msgpack.encode(meta))], sync=True)

    def reset(self, meta: SnapshotMeta, state: HardState) -> None:
        """Record that a received snapshot replaces the whole log (D7), durably."""
        self._snapshot = meta
        self._state = state
        self._highest = meta.index
        self._log.append([(RESET, msgspec.msgpack.encode(meta)), _state_record(state)], sync=True)

    def release(self, index: int) -> None:
        """Drop segments that hold nothing above `index`; starts a new one when the current one would be kept for little."""
        if self._highest <= index or self._log.full:
            self._roll()
        keep = self._log.current_segment
        for segment in sorted(self._last_index, reverse=True):
            if self._last_index[segment] > index:
                keep = segment
        if any(segment < keep for segment in self._last_index):
            self._log.release(keep)
            self._last_index = {s: i for s, i in self._last_index.items() if s >= keep}

    def close(self) -> None:
        """Close the log; syncs nothing."""
        self._log.close()

    def _roll(self) -> None:
        self._last_index[self._log.current_segment] = self._highest
        first = [_state_record(self._state), (SNAPSHOT, msgspec.msgpack.encode(self._snapshot))]
        self._log.roll(first)


def _put(entries: list[Entry], entry: Entry) -> None:
    """Append `entry`, dropping what it replaces. A gap means that a segment is missing."""
    if entries and entry.index <= entries[-1].index:
        del entries[max(0, entry.index - entries[0].index) :]
    if entries and entry.index != entries[-1].index + 1:
        raise LogDamaged(
            f"the log jumps from entry {entries[-1].index} to {entry.index}: records are missing; "
            "wipe this node and let it join under a new name"
        )
    entries.append(entry)
