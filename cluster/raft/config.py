"""What a peer is handed when it is made: its configuration, what its disk held, and its snapshots.

Data and one protocol; nothing here decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from cluster.raft.messages import Entry, HardState, SnapshotMeta

__all__ = ["RaftConfig", "Restored", "SnapshotSource"]


class RaftConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a peer is told once. Times in nanoseconds of the node's monotonic clock."""

    id: str
    voters: tuple[str, ...]
    """The voters of the cluster's first configuration, in the same order everywhere; none for a peer that waits to be added."""
    election_timeout_ns: int
    """Minimum; each wait is drawn from [timeout, 2 * timeout)."""
    heartbeat_interval_ns: int
    append_bytes_max: int = 256 * 1024
    """Entry data in one append; a single larger entry still travels, alone."""
    appends_in_flight_max: int = 16
    """Unacknowledged appends per follower before the leader waits."""
    proposals_in_flight_max: int = 4096
    """Uncommitted entries of the leader before it refuses proposals."""
    snapshot_chunk_bytes: int = 64 * 1024


class SnapshotSource(Protocol):
    """Where the leader reads the snapshot that it sends. The node owns the files."""

    def latest(self) -> SnapshotMeta | None:
        """Return the newest complete snapshot, or None. Its index never goes back."""

    def size(self, index: int) -> int:
        """Return the length in bytes of the snapshot file at `index`. Raises KeyError when it is gone."""

    def read(self, index: int, offset: int, length: int) -> bytes:
        """Return bytes of that file. Raises KeyError when it is gone."""


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a restart found on disk: the log holds entries behind `snapshot` (index 0, term 0: none).

    `applied` is the durable applied index of the store, at or above the snapshot.
    """

    hard_state: HardState
    snapshot: SnapshotMeta
    entries: Sequence[Entry]
    applied: int
