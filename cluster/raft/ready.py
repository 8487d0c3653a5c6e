"""`Ready`: everything the node must do for the consensus, in the order in which it must be done.

The order is the safety argument (compare etcd-io/raft `doc.go`), so it stands here and nowhere else:

1. send `messages_now` – a leader may replicate in parallel with its own disk (thesis §10.2.1);
2. spool `chunks`; when `install` is set the spooled snapshot is complete: verify it, save the raft snapshot
   record (D7), then swap the store (D9);
3. write `entries` to the log (an entry at an existing index replaces it and everything behind it), then
   `hard_state`; fsync when `must_sync`;
4. send `messages_after` – votes and acknowledgements: they speak of what is durable now;
5. call `raft.advance(ready, now_ns)`; apply `committed` in order; tell `raft.applied_to(index)`;
6. answer `reads` whose index is at or below the applied index, `lost_reads` with "not now".

A node that cannot do one of these steps must stop; raft is never told about a failure.
"""

from __future__ import annotations

import msgspec

from cluster.raft.messages import Entry, HardState, Message, SnapshotChunk, SnapshotMeta

__all__ = ["ReadState", "Ready"]


class ReadState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Local read request `request` may be answered from any state applied to `index` or above."""

    request: int
    index: int


class Ready(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One batch of work; see the module for the order."""

    messages_now: tuple[Message, ...] = ()
    chunks: tuple[SnapshotChunk, ...] = ()
    install: SnapshotMeta | None = None
    entries: tuple[Entry, ...] = ()
    hard_state: HardState | None = None
    must_sync: bool = False
    messages_after: tuple[Message, ...] = ()
    committed: tuple[Entry, ...] = ()
    reads: tuple[ReadState, ...] = ()
    lost_reads: tuple[int, ...] = ()
