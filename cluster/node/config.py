"""What a node is told when it starts. Data only; times in nanoseconds of the node's own monotonic clock."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Durability", "NodeConfig", "RowReplayGuard"]

Durability = Literal["every", "data", "snapshot"]
RowReplayGuard = Literal["index", "epoch"]

_MS = 1_000_000


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One node's configuration, the same for all its groups.

    `incarnation` counts the starts of this node's data directory from 1; whoever starts it counts.
    """

    name: str
    peers: tuple[str, ...]
    """The voters of the cluster's first configuration, in a fixed order; none for a node that waits to be added."""
    reachable: tuple[str, ...] = ()
    """All nodes that this one has a way to; a change of membership that adds another is refused. Empty: anybody."""
    incarnation: int = 1
    groups: int = 1
    election_timeout_ns: int = 1000 * _MS
    heartbeat_interval_ns: int = 100 * _MS
    applied_index_durability: Durability = "data"
    row_replay_guard: RowReplayGuard = "index"
    force_restore_on_start: bool = False
    """Rebuild the store from the newest snapshot at this start, whatever the durable applied index says."""
    store: Literal["sqlite", "memory"] = "sqlite"
    """``memory`` is refused wherever encryption entries may come: kept to show that it is (B-S2)."""
    snapshot_threshold: int = 10_000
    """Entries applied since the last snapshot before the next one is taken; 0 never takes one."""
    snapshots_kept: int = 3
    log_entries_kept: int = 0
    """Entries kept in memory behind a snapshot, so that a slightly lagging follower needs none."""
    wal_segment_bytes: int = 16 * 1024 * 1024
    inspection: bool = False
    crash_points: bool = False
    watched_points: tuple[str, ...] = ()
    """Crash points whose every passing is told to the trace."""
