"""The words of the consensus: log entries, what must be persisted, and the messages between peers.

Only frozen data lives here. Every message carries `sender`, `to` (node names such as ``"n1"``) and
`term`; the node above adds the raft group. All of them can be encoded with msgspec as the tagged union
`Message`. Sources: Ongaro & Ousterhout 2014 (the paper), Ongaro's thesis 2014 §4.2.3 (pre-vote), §6.4
(read index), §3.10 (leadership transfer), etcd-io/raft (conflict hints, check quorum).
"""

from __future__ import annotations

import msgspec

from cluster.raft.configuration import Configuration

__all__ = [
    "Append",
    "AppendReply",
    "Entry",
    "HardState",
    "Heartbeat",
    "HeartbeatReply",
    "Message",
    "ReadReply",
    "ReadRequest",
    "SnapshotChunk",
    "SnapshotMeta",
    "SnapshotReply",
    "TimeoutNow",
    "VoteReply",
    "VoteRequest",
]


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One log entry. `data` is opaque to raft, but for configurations (`configuration`); empty data is the no-op of a new term."""

    index: int
    term: int
    data: bytes


class HardState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a restart needs besides the log: `term` and `vote` (fsynced before any answer), `commit` (a hint)."""

    term: int
    vote: str
    commit: int


class SnapshotMeta(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Index and term of the last entry that a snapshot covers, and the configuration at that index.

    The fields of the configuration stand here one by one, with `changed` for its `index`: snapshots of before there
    were changes end behind `voters`.
    """

    index: int
    term: int
    voters: tuple[str, ...]
    outgoing: tuple[str, ...] = ()
    learners: tuple[str, ...] = ()
    changed: int = 0

    @property
    def configuration(self) -> Configuration:
        """The configuration at `index`."""
        return Configuration(self.voters, self.outgoing, self.learners, self.changed)


class _Message(msgspec.Struct, frozen=True, array_like=True, tag_field="type", gc=False):
    sender: str
    to: str
    term: int


class VoteRequest(_Message, frozen=True, tag="vote"):
    """Ask for a vote. With `pre` it is a pre-vote: `term` is the term *it would* campaign in, nobody's term moves.

    With `transfer` the leader itself has asked for the election, so having heard it is no reason to refuse.
    """

    pre: bool
    last_index: int
    last_term: int
    transfer: bool = False


class VoteReply(_Message, frozen=True, tag="vote_reply"):
    """Answer to a vote request. A granted pre-vote carries the term of the request, a refusal the voter's own."""

    pre: bool
    granted: bool


class Append(_Message, frozen=True, tag="append"):
    """Entries that follow (`prev_index`, `prev_term`), and the leader's commit index. May be empty (probe)."""

    prev_index: int
    prev_term: int
    commit: int
    entries: tuple[Entry, ...]


class AppendReply(_Message, frozen=True, tag="append_reply"):
    """`ok`: the follower's log matches the leader's up to `index`, durably. Otherwise `index` is the rejected
    `prev_index` and (`hint_index`, `hint_term`) the last place where the logs may agree.
    """

    ok: bool
    index: int
    hint_index: int
    hint_term: int


class Heartbeat(_Message, frozen=True, tag="heartbeat"):
    """A sign of life; `commit` is never above what the follower is known to hold. `read` is the newest read
    round to confirm (0: none).
    """

    commit: int
    read: int


class HeartbeatReply(_Message, frozen=True, tag="heartbeat_reply"):
    """Confirms the sender's term and read round."""

    read: int


class SnapshotChunk(_Message, frozen=True, tag="snapshot"):
    """Bytes `offset ...` of the snapshot file at `meta`; `total` is the whole file's length in bytes."""

    meta: SnapshotMeta
    offset: int
    total: int
    data: bytes


class SnapshotReply(_Message, frozen=True, tag="snapshot_reply"):
    """`next_offset` is the first byte of snapshot `index` that the follower still needs; equal to the
    total once it is installed. ``-1`` says that the follower refused it (start again).
    """

    index: int
    next_offset: int


class TimeoutNow(_Message, frozen=True, tag="timeout_now"):
    """The leader asks the peer to campaign at once: it is to lead next."""


class ReadRequest(_Message, frozen=True, tag="read"):
    """A follower asks the leader for a read index on behalf of its local request `request`."""

    request: int


class ReadReply(_Message, frozen=True, tag="read_reply"):
    """The leader's answer: reads at `index` or above are linearizable; `index` 0 says "not now"."""

    request: int
    index: int


Message = (
    VoteRequest
    | VoteReply
    | Append
    | AppendReply
    | Heartbeat
    | HeartbeatReply
    | SnapshotChunk
    | SnapshotReply
    | ReadRequest
    | ReadReply
    | TimeoutNow
)
