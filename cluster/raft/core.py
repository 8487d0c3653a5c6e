"""The consensus core: one raft peer, pure. (See the package for the rules, `ready` for the order of work.)

Here the rooms become one peer, and here is the edge that a node touches: messages and time go in through
`step` and `wake`, proposals and reads through `propose` and `read`, and all that is to be done comes
out of `ready`. Deciding happens in the rooms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cluster.raft.config import RaftConfig, Restored, SnapshotSource
from cluster.raft.configuration import Change, Configuration, is_configuration
from cluster.raft.election import Election
from cluster.raft.errors import (
    ChangeRefused,
    NotInLog,
    NotLeader,
    NotNow,
    RaftInvariantBroken,
    RaftMisused,
    TooManyInFlight,
)
from cluster.raft.heartbeat import Heartbeats
from cluster.raft.membership import Membership
from cluster.raft.messages import (
    Append,
    AppendReply,
    Entry,
    HardState,
    Heartbeat,
    HeartbeatReply,
    Message,
    ReadReply,
    ReadRequest,
    SnapshotChunk,
    SnapshotMeta,
    SnapshotReply,
    TimeoutNow,
    VoteReply,
    VoteRequest,
)
from cluster.raft.progress import Progress
from cluster.raft.read_index import Reads
from cluster.raft.ready import Ready
from cluster.raft.replication import Replication
from cluster.raft.snapshot_transfer import SnapshotTransfer
from cluster.raft.transfer import LeadershipTransfer

__all__ = [
    "COMMITTED_BYTES_MAX",
    "COMMITTED_ENTRIES_MAX",
    "Change",
    "ChangeRefused",
    "Configuration",
    "NotInLog",
    "NotLeader",
    "NotNow",
    "Raft",
    "RaftConfig",
    "RaftInvariantBroken",
    "RaftMisused",
    "Restored",
    "SnapshotSource",
    "TooManyInFlight",
]

COMMITTED_ENTRIES_MAX = 1024
COMMITTED_BYTES_MAX = 1024 * 1024
"""What one Ready hands out for applying at most; a single larger entry still comes, alone."""


class Raft(
    Election, Heartbeats, Replication, SnapshotTransfer, Reads, Membership, LeadershipTransfer
):
    """One peer of one raft group. Not thread-safe; never raises for what other peers or the network do,
    unless it proves that consensus is broken (RaftInvariantBroken).

    `below(n)` draws a number in [0, n) for election timeouts. Construction raises ValueError for a
    configuration that cannot be and RaftInvariantBroken for a disk that cannot be.
    """

    __slots__ = ("_handlers",)

    def __init__(
        self,
        config: RaftConfig,
        restored: Restored,
        snapshots: SnapshotSource,
        below: Callable[[int], int],
        now_ns: int,
    ) -> None:
        super().__init__(config, restored, snapshots, below, now_ns)
        self._handlers: dict[type, Callable[[Any, int], None]] = {
            Append: self._on_append,
            AppendReply: self._on_append_reply,
            Heartbeat: self._on_heartbeat,
            HeartbeatReply: self._on_heartbeat_reply,
            ReadReply: self._on_read_reply,
            ReadRequest: self._on_read_request,
            SnapshotChunk: self._on_snapshot_chunk,
            SnapshotReply: self._on_snapshot_reply,
            TimeoutNow: self._on_timeout_now,
            VoteReply: self._on_vote_reply,
            VoteRequest: self._on_vote_request,
        }

    # What goes in.

    def step(self, message: Message, now_ns: int) -> None:
        """Take a message from another peer in. Duplicates, late and reordered ones do no harm."""
        term = message.term
        if term != self.term:
            if term < self.term:
                self._on_lower_term(message)
                return
            if not self._on_higher_term(message, now_ns):
                return
        self._handlers[message.__class__](message, now_ns)

    def wake(self, now_ns: int) -> None:
        """Do what is due at `now_ns`: send heartbeats, step down, or campaign. Early calls do nothing."""
        if now_ns < self.deadline_ns:
            return
        if self.role == "leader":
            self._lead_on(now_ns)
        elif self._install is None:
            self.campaign(now_ns)
        else:
            self.deadline_ns = now_ns + self._election_wait_ns

    def propose(self, data: bytes, now_ns: int) -> tuple[int, int]:
        """Append `data` to the leader's log; returns its (index, term).

        It is committed when an entry with this index *and* this term is handed out as committed, and lost
        when another term stands there. Raises NotLeader, TooManyInFlight or NotNow (leadership is on its way to
        another peer), with no effect; RaftMisused for data that looks like a configuration (`change` makes those).
        """
        if self.role != "leader":
            raise NotLeader(self.leader)
        if self.transferee:
            raise NotNow(f"leadership is on its way to {self.transferee}")
        if is_configuration(data):
            raise RaftMisused(f"{self.id}: a configuration was proposed as data")
        log = self.log
        if log.last_index - self.commit >= self.config.proposals_in_flight_max:
            raise TooManyInFlight(f"{log.last_index - self.commit} entries are not committed yet")
        index = log.last_index + 1
        log.extend((Entry(index, self.term, data),))
        return index, self.term

    # What comes out.

    def has_ready(self) -> bool:
        """Whether there is anything to do."""
        if self._now or self._after:
            return True
        log = self.log
        saved = self._saved
        return bool(
            log.offered < log.last_index
            or (self._handed < self.commit and self._install is None)
            or self.term != saved.term
            or self.vote != saved.vote
            or self._reads_new
            or self._reads
            or self._lost
            or self._chunks
            or self._install is not None
        )

    def ready(self) -> Ready:
        """Hand out everything there is to do. The next call must follow its `advance`."""
        if self._outstanding is not None:
            raise RaftMisused(f"{self.id}: ready() again before advance()")
        if self.role == "leader":
            if self._replicated < self.log.last_index:
                self._replicate_to_all()
            if self._reads_new:
                self._start_round()
        entries, hard_state = self._take_unwritten()
        # An install comes alone: nothing may be written to a log, or applied to a store, that it replaces.
        install = self._install.meta if self._install is not None and not entries else None
        ready = Ready(
            messages_now=tuple(self._now),
            chunks=tuple(self._chunks),
            install=install,
            entries=entries,
            hard_state=hard_state,
            must_sync=self._must_sync(entries, hard_state),
            messages_after=tuple(self._after),
            committed=self._take_committed() if self._handed < self.commit else (),
            reads=tuple(self._reads),
            lost_reads=tuple(self._lost),
        )
        self._now.clear()
        self._after.clear()
        self._chunks.clear()
        self._reads.clear()
        self._lost.clear()
        self._outstanding = ready
        return ready

    def _take_unwritten(self) -> tuple[tuple[Entry, ...], HardState | None]:
        """Return new entries, and what changed of the hard state; a commit index alone is not worth a write."""
        log = self.log
        entries: tuple[Entry, ...] = ()
        if log.offered < log.last_index:
            entries = tuple(log.slice(log.offered + 1, log.last_index))
            log.offered = log.last_index
        saved = self._saved
        unchanged = self.term == saved.term and self.vote == saved.vote
        if unchanged and (not entries or self.commit == saved.commit):
            return entries, None
        self._saved = self.hard_state()
        return entries, self._saved

    def _must_sync(self, entries: tuple[Entry, ...], hard_state: HardState | None) -> bool:
        # A hard state without entries is handed out for its term or vote only.
        return bool(entries) or hard_state is not None

    def _take_committed(self) -> tuple[Entry, ...]:
        """Return the next committed entries.

        All of them are durable here when the node gets to apply them: whatever is not on its disk yet
        is in the same Ready, to be written first.
        """
        if self._install is not None:
            return ()
        first = self._handed + 1
        last = min(self.commit, self._handed + COMMITTED_ENTRIES_MAX)
        committed = self.log.take(first, last, COMMITTED_BYTES_MAX)
        self._handed = committed[-1].index
        return committed

    def advance(self, ready: Ready, now_ns: int) -> None:
        """Learn that `ready` is done up to step 4: its entries are durable, its snapshot is installed."""
        if ready is not self._outstanding:
            raise RaftMisused(f"{self.id}: advance() of another Ready than the last one")
        self._outstanding = None
        if ready.install is not None and self._install is not None:
            self._finish_install(self._install)
        if ready.entries:
            last = ready.entries[-1]
            self.log.stable_to(last.index, last.term)
            if self.role == "leader":
                self._commit_by_count(now_ns)

    def applied_to(self, index: int) -> None:
        """Learn that the state machine has applied everything up to `index`."""
        if index > self._handed:
            raise RaftMisused(f"{self.id}: applied {index}, only {self._handed} was handed out")
        self.applied = max(self.applied, index)

    # What may be asked.

    @property
    def first_index(self) -> int:
        """The first index that is still in the log (one past the end when none is)."""
        return self.log.offset + 1

    @property
    def last_index(self) -> int:
        """The last index of the log, durable or not."""
        return self.log.last_index

    @property
    def last_term(self) -> int:
        """The term of the entry at `last_index`."""
        return self.log.last_term

    def hard_state(self) -> HardState:
        """Return the hard state as it is now, for a node that halts or stops and wants the commit index kept."""
        return HardState(self.term, self.vote, self.commit)

    def last_words(self) -> list[Append]:
        """Return what a leader that must halt still owes its followers: everything up to its commit index.

        A committed entry that halts one replica must halt them all. A leader that stopped without a word would leave
        followers that hold the entry, do not know it committed, and may never find a majority to tell them. Nothing
        changes; send these as the last messages. A follower that needs a snapshot cannot use its one. Empty for others.
        """
        if self.role != "leader":
            return []
        return [self._last_word(progress) for progress in self._progress.values()]

    def _last_word(self, progress: Progress) -> Append:
        """Everything that is committed behind the last place where this follower may be known to agree."""
        log, commit = self.log, self.commit
        previous = max(progress.match, log.offset)
        entries = tuple(log.slice(previous + 1, commit))
        term = log.term_of(previous)
        return Append(self.id, progress.name, self.term, previous, term, commit, entries)

    def meta_at(self, index: int) -> SnapshotMeta:
        """Return what a snapshot at `index` must say of itself. Raises NotInLog."""
        at = self.configuration_at(index)
        return SnapshotMeta(
            index, self.log.term_of(index), at.voters, at.outgoing, at.learners, at.index
        )

    def term_of(self, index: int) -> int:
        """Return the term of entry `index` (the last compacted one included). Raises NotInLog."""
        return self.log.term_of(index)

    def slice(self, first: int, last: int) -> Sequence[Entry]:
        """Return the entries `first` ... `last`, both included. Raises NotInLog."""
        return self.log.slice(first, last)

    def compact(self, index: int) -> None:
        """Drop the entries up to `index` from memory; a snapshot must cover them. Dropped ones are no news.

        Raises RaftMisused when `index` is not applied.
        """
        if index > self.applied:
            raise RaftMisused(f"{self.id}: compact to {index}, applied is {self.applied}")
        if index > self.log.offset:
            self.log.compact(index)
