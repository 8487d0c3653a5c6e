"""The trace: typed facts that nodes and worlds record while a run goes on.

One frozen struct per kind of fact; checkers, the report and the fingerprint read these and nothing
else of a node. Structs hold only integers, strings, bytes and tuples of them, so that two runs of one
seed give the same bytes. All times are nanoseconds of the world's clock since the start of the run;
`node` is a name such as ``"n1"``, `incarnation` counts the starts of that node from 1, `group` is the
number of the raft group (0 is the default group).

Every event has the same four fields (`at_ns, node, incarnation, group`) beside its own. A node leaves `at_ns = -1`; the world puts the time in when it stores the event.
"""

from __future__ import annotations

import msgspec

__all__ = [
    "Appended",
    "Applied",
    "Armed",
    "Committed",
    "Event",
    "FalseClaim",
    "Fault",
    "Halted",
    "HitPoint",
    "Installed",
    "Passed",
    "Reconfigured",
    "RoleChanged",
    "SnapshotTaken",
    "Started",
    "Stopped",
    "Transferred",
]


class _Fact(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", kw_only=True, gc=False):
    at_ns: int = -1
    node: str
    incarnation: int
    group: int = 0


class Started(_Fact, frozen=True, tag="started"):
    """A node opened one group: recovery and restore are behind it, the replay of committed entries follows.

    `have` is the durable applied index found on disk, `snapshot_index` the newest usable snapshot's
    index (0: none), `restored` whether the store was rebuilt from that snapshot, `last_index` the end of the log,
    `commit` the commit index it started from, `row_horizon` the highest raft index of any registry row
    in the store (the node is *recovering* until applied reaches it), `torn_bytes` how many bytes of a
    torn log tail were cut off.
    """

    have: int
    snapshot_index: int
    restored: bool
    last_index: int
    commit: int
    row_horizon: int
    torn_bytes: int


class RoleChanged(_Fact, frozen=True, tag="role"):
    """A node changed its raft role or term. `role`: follower, pre_candidate, candidate, leader."""

    role: str
    term: int
    last_index: int
    last_term: int


class Transferred(_Fact, frozen=True, tag="transferred"):
    """A node became leader of `term` because the leader before asked it to."""

    term: int


class Reconfigured(_Fact, frozen=True, tag="reconfigured"):
    """A node's configuration is the one of entry `index` (0: the cluster's first) from now on, or that entry was `applied`.

    `outgoing` are the voters before, only while joint. A node that waits to be added knows no voters.
    """

    index: int
    voters: tuple[str, ...]
    outgoing: tuple[str, ...]
    learners: tuple[str, ...]
    applied: bool


class Appended(_Fact, frozen=True, tag="appended"):
    """Entries were written to the local log: `entries` is a tuple of (index, term, data).

    Whatever stood at these indexes and behind them before is gone. `durable` is true when they were
    fsynced before this event.
    """

    entries: tuple[tuple[int, int, bytes], ...]
    durable: bool


class Committed(_Fact, frozen=True, tag="committed"):
    """The node learnt that entries up to `index` (of term `term`) are committed."""

    index: int
    term: int


class Applied(_Fact, frozen=True, tag="applied"):
    """One entry was applied, or refused by a halt (`decision == "halt"`).

    `replay` is true when the index is at or below the highest one ever applied by this data directory.
    `decision`: ``noop_entry`` (empty), ``configuration``, ``kv``, ``lease``, ``rejected`` (error response, index advances),
    ``insert``, ``advance``, ``noop`` (equal epoch, R4), ``noop_older`` (R5a), ``keys`` (a bootstrap or rotation
    took effect), ``halt``.
    For registrations `dek_id, full_node_id, epoch_entry` come from the entry, `epoch_row` is the last seen
    epoch of the row before (-1: no row), `row_index` the raft index of the row's last change (0: unknown),
    `row_before` / `row_after` the 12 raw bytes (empty: no row) and `row_writes` counts durable writes to
    the row's key. `state_hash` is the hash of the replicated state after the entry, 0 while recovering.
    `digest` is zlib.crc32 of the entry's data.
    """

    index: int
    term: int
    opcode: int
    digest: int
    replay: bool
    decision: str
    error_class: str = ""
    dek_id: int = 0
    full_node_id: int = 0
    epoch_entry: int = -1
    epoch_row: int = -1
    row_index: int = 0
    row_before: bytes = b""
    row_after: bytes = b""
    row_writes: int = 0
    state_hash: int = 0


class Halted(_Fact, frozen=True, tag="halted"):
    """A group halted while applying `index`; the applied index stayed below it. Exit code 78 follows."""

    index: int
    opcode: int
    error_class: str
    message: str


class SnapshotTaken(_Fact, frozen=True, tag="snapshot"):
    """A local snapshot at `index` is complete: file, durable applied index and log record."""

    index: int
    size_bytes: int
    state_hash: int


class Installed(_Fact, frozen=True, tag="installed"):
    """A snapshot received from a leader replaced the store; applied is now `index`."""

    index: int
    state_hash: int


class Armed(_Fact, frozen=True, tag="armed"):
    """The harness armed a crash point on this node."""

    point: str
    action: str


class HitPoint(_Fact, frozen=True, tag="hit"):
    """An armed crash point struck. `action`: kill, power, stall. `index`, `opcode`: the entry in hand (or 0, -1)."""

    point: str
    action: str
    index: int
    opcode: int
    role: str


class Passed(_Fact, frozen=True, tag="passed"):
    """A crash point that the configuration says to watch was passed. `index`, `opcode`: the entry in hand (or 0, -1)."""

    point: str
    index: int
    opcode: int
    role: str


class FalseClaim(_Fact, frozen=True, tag="false_claim"):
    """A node claimed durability while un-synced bytes or directory entries stood below `path` (I12).

    `missing` says in words which fsync is missing (file and byte range, or directory and entry).
    `index` is the entry in hand (0: none).
    """

    durable_id: str
    path: str
    missing: str
    index: int


class Stopped(_Fact, frozen=True, tag="stopped"):
    """A node's process is gone. `cause`: kill, power, halt, error, stop. `exit_code` as the process would give."""

    cause: str
    exit_code: int
    message: str = ""


class Fault(_Fact, frozen=True, tag="fault"):
    """The world did something to a node or a link: `action` as `nemesis` names it, `target` in words.

    ``dropped`` tells what faults of the network came to: `amount` packets (in simulation: messages) of `target` (``links``,
    ``clients``) were dropped since it was told last.
    """

    action: str
    target: str
    amount: int = 0


Event = (
    Started
    | RoleChanged
    | Appended
    | Committed
    | Applied
    | Halted
    | SnapshotTaken
    | Installed
    | Reconfigured
    | Armed
    | HitPoint
    | Passed
    | FalseClaim
    | Stopped
    | Fault
    | Transferred
)
