"""The consensus core: one raft peer, pure. (Contract; see `ready` for the order of work.)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from cluster.raft.messages import Entry, HardState, Message, SnapshotMeta
from cluster.raft.ready import Ready


class RaftConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a peer is told once. Times in nanoseconds of the node's monotonic clock."""

    id: str
    voters: tuple[str, ...]
    election_timeout_ns: int
    """Minimum; each wait is drawn from [timeout, 2 * timeout)."""
    heartbeat_interval_ns: int
    append_bytes_max: int = 256 * 1024
    appends_in_flight_max: int = 16
    proposals_in_flight_max: int = 4096
    snapshot_chunk_bytes: int = 64 * 1024


class SnapshotSource(Protocol):
    """Where the leader reads the snapshot that it sends."""

    def latest(self) -> SnapshotMeta | None:
        """The newest complete snapshot, or None."""

    def size(self, index: int) -> int:
        """Length in bytes of the snapshot file at `index`. Raises KeyError when it is gone."""

    def read(self, index: int, offset: int, length: int) -> bytes:
        """Bytes of that file. Raises KeyError when it is gone."""


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a restart found on disk: the log holds entries behind `snapshot` (index 0, term 0: none)."""

    hard_state: HardState
    snapshot: SnapshotMeta
    entries: Sequence[Entry]
    applied: int


class NotLeader(Exception):
    """The call was refused with no effect. `leader` is the name to try, or ``""`` when unknown."""

    def __init__(self, leader: str) -> None:
        super().__init__(f"not the leader; try {leader or 'another node'}")
        self.leader = leader


class TooManyInFlight(Exception):
    """The leader refused a proposal with no effect: `proposals_in_flight_max` are not committed yet."""


class Raft:
    """See the module. `below(n)` draws a number in [0, n) for election timeouts."""

    def __init__(
        self,
        config: RaftConfig,
        restored: Restored,
        snapshots: SnapshotSource,
        below: Callable[[int], int],
        now_ns: int,
    ) -> None: ...

    # State that others may read: role, term, leader, commit, applied, last_index, last_term, first_index
    def step(self, message: Message, now_ns: int) -> None: ...
    def wake(self, now_ns: int) -> None: ...
    @property
    def deadline_ns(self) -> int: ...
    def campaign(self, now_ns: int) -> None: ...
    def propose(self, data: bytes, now_ns: int) -> tuple[int, int]: ...
    def read(self, request: int, now_ns: int) -> None: ...
    def has_ready(self) -> bool: ...
    def ready(self) -> Ready: ...
    def advance(self, ready: Ready, now_ns: int) -> None: ...
    def applied_to(self, index: int) -> None: ...
    def term_of(self, index: int) -> int: ...
    def slice(self, first: int, last: int) -> Sequence[Entry]: ...
    def compact(self, index: int) -> None: ...
    def refuse_snapshot(self, meta: SnapshotMeta) -> None: ...
