"""The state of one peer, shared by the rooms that decide: who may touch what stands at each field.

The rooms `election`, `heartbeat`, `replication`, `snapshot_transfer`, `read_index`, `membership` and `transfer` each derive
from `Peer` and know nothing of each other; where one needs another's act it goes through a *door*, a method
declared here. `core.Raft` puts the rooms together. No room has state of its own, so that a test (or
a seeded bug) can override any single decision in a subclass of `Raft`.

What a peer says goes through two methods: `_say` for words that promise nothing, which may leave
before this node's disk has written (thesis section 10.2.1), and `_promise` for votes, acknowledgements
and answers in a new term, which leave after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

import msgspec

from cluster.raft.config import RaftConfig, Restored, SnapshotSource
from cluster.raft.configuration import Configuration
from cluster.raft.errors import RaftInvariantBroken
from cluster.raft.log import Log
from cluster.raft.messages import (
    Append,
    Heartbeat,
    Message,
    SnapshotChunk,
    SnapshotMeta,
    TimeoutNow,
)
from cluster.raft.progress import Progress
from cluster.raft.ready import ReadState, Ready

__all__ = ["LEADER_WORDS", "Incoming", "Peer", "ReadRound", "Role"]

LEADER_WORDS = (Append, Heartbeat, SnapshotChunk, TimeoutNow)
"""The messages that only the leader of their term sends."""

Role = Literal["follower", "pre_candidate", "candidate", "leader"]


class Incoming(msgspec.Struct, frozen=True):
    """A snapshot that arrives from `sender`; `next_offset` is the first byte still missing."""

    sender: str
    meta: SnapshotMeta
    total: int
    next_offset: int


class ReadRound(msgspec.Struct, frozen=True):
    """Reads (asker, request) that share one confirmation of leadership, begun when `commit` was known."""

    round: int
    commit: int
    reads: list[tuple[str, int]]


class Peer:
    """Fields and the smallest acts on them. Not for use by itself."""

    __slots__ = (
        "_after",
        "_below",
        "_chunks",
        "_election_wait_ns",
        "_forwarded",
        "_handed",
        "_heard_ns",
        "_heartbeat_due_ns",
        "_incoming",
        "_install",
        "_lost",
        "_now",
        "_outstanding",
        "_progress",
        "_quorum_due_ns",
        "_reads",
        "_reads_barred",
        "_reads_new",
        "_replicated",
        "_round",
        "_rounds",
        "_saved",
        "_snapshots",
        "_transfer_due_ns",
        "_votes",
        "applied",
        "by_transfer",
        "commit",
        "config",
        "deadline_ns",
        "id",
        "leader",
        "log",
        "role",
        "summoned",
        "term",
        "transferee",
        "vote",
    )

    def __init__(
        self,
        config: RaftConfig,
        restored: Restored,
        snapshots: SnapshotSource,
        below: Callable[[int], int],
        now_ns: int,
    ) -> None:
        if config.voters and config.id not in config.voters:
            raise ValueError(f"{config.id!r} is not among the voters {config.voters}")
        self.config = config
        self.id = config.id
        self._snapshots = snapshots
        self._below = below
        self._restore(restored)
        self._start_as_follower(now_ns)
        self._start_outbox()

    def _restore(self, restored: Restored) -> None:
        """Take over what the disk held. Raises RaftInvariantBroken when it cannot be true."""
        hard_state = restored.hard_state
        snapshot = restored.snapshot
        self.term = hard_state.term
        self.vote = hard_state.vote
        try:
            self.log = Log(snapshot.index, snapshot.term, restored.entries, self._first(snapshot))
        except ValueError as error:
            raise RaftInvariantBroken(self.id, f"the log on disk has a gap: {error}") from error
        # HardState.commit is a hint and may lag behind the synced store after a power loss.
        self.commit = max(hard_state.commit, restored.applied, snapshot.index)
        """Known to be on a majority. Never falls, never above `log.last_index`."""
        self.applied = restored.applied
        """The node's state machine is at this entry. ``applied <= _handed <= commit``."""
        self._handed = restored.applied
        """Committed entries up to here were handed out for applying."""
        self._saved = hard_state
        """The newest hard state handed out for writing."""
        if self.commit > self.log.last_index:
            what = f"log ends before commit: {self.log.last_index} < {self.commit}; the disk lost entries"
            raise RaftInvariantBroken(self.id, what)
        if restored.applied < snapshot.index:
            what = f"the store is at {restored.applied}, before the snapshot at {snapshot.index}"
            raise RaftInvariantBroken(self.id, what)
        if self.log.last_term > self.term:
            what = (
                f"the disk lost a term: the log ends in term {self.log.last_term}, not {self.term}"
            )
            raise RaftInvariantBroken(self.id, what)

    def _first(self, snapshot: SnapshotMeta) -> Configuration:
        """Return the configuration that the log begins with: the snapshot's, or the cluster's first."""
        return snapshot.configuration if snapshot.index else Configuration(self.config.voters)

    def _start_as_follower(self, now_ns: int) -> None:
        self.role: Role = "follower"
        self.leader = ""
        """The leader of `term` as far as known."""
        self._votes: dict[str, bool] = {}
        """Answers to the election in progress."""
        self._heard_ns = now_ns
        """When the leader was last heard; only meaningful while there is one."""
        self._election_wait_ns = self._draw_election_wait()
        self.deadline_ns = now_ns + self._election_wait_ns
        """When `wake` is needed next."""
        self._heartbeat_due_ns = 0
        self._quorum_due_ns = 0
        """Leader: when the newest contact with a majority becomes an election timeout old."""
        self._progress: dict[str, Progress] = {}
        """Leader: every other member; otherwise empty."""
        self._replicated = 0
        """Leader: appends were sent out for everything up to here (as far as windows allowed)."""
        self._incoming: Incoming | None = None
        """Follower: the snapshot being spooled, always from the leader of `term`."""
        self._install: Incoming | None = None
        """Follower: a complete snapshot that the node must install. The log stands still meanwhile."""
        self.transferee = ""
        """Leader: whom leadership is being given to; it takes no proposals meanwhile."""
        self.summoned = False
        """Leader: the last transferee was asked to campaign, so it may come to lead whatever happens here."""
        self._transfer_due_ns = 0
        """Leader: when the transfer is given up."""
        self.by_transfer = False
        """Candidate and leader: the leader before asked for this election."""

    def _start_outbox(self) -> None:
        self._now: list[Message] = []
        self._after: list[Message] = []
        self._chunks: list[SnapshotChunk] = []
        self._reads: list[ReadState] = []
        self._lost: list[int] = []
        self._outstanding: Ready | None = None
        """The Ready that was handed out and not advanced."""
        self._round = 0
        """Leader: the newest heartbeat round; counts from 1 in each term."""
        self._rounds: deque[ReadRound] = deque()
        """Leader: reads that wait for their round, oldest first."""
        self._reads_new: list[tuple[str, int]] = []
        """Leader: reads that the next Ready gathers into a round."""
        self._reads_barred: list[tuple[str, int]] = []
        """Leader: reads that wait for the first commit of this term."""
        self._forwarded: dict[int, None] = {}
        """Follower: local reads that were sent to `leader`; a dict for its order."""

    @property
    def configuration(self) -> Configuration:
        """The configuration in force: the newest in the log, committed or not."""
        return self.log.configuration

    def _may_campaign(self) -> bool:
        """Whether this peer may ask for votes: it has one, or had one until a configuration that is not committed.

        Its log may be the only one with that configuration, and the others may need its vote, which it can then not give
        to anybody: it must be able to lead until the change is committed (thesis section 4.2.2).
        """
        return self.configuration.has_vote(self.id) or (
            self.configuration.index > self.commit
            and self.log.configuration_at(self.commit).has_vote(self.id)
        )

    # The smallest acts.

    def _say(self, message: Message) -> None:
        """Send without waiting for this node's disk."""
        self._now.append(message)

    def _promise(self, message: Message) -> None:
        """Send after everything that is decided so far is durable."""
        self._after.append(message)

    def _draw_election_wait(self) -> int:
        timeout_ns = self.config.election_timeout_ns
        return timeout_ns + self._below(timeout_ns)

    def _take_commit(self, index: int) -> None:
        """Learn that `index` is committed; an older index is no news."""
        if index <= self.commit:
            return
        if index > self.log.last_index:
            what = (
                f"{self.leader or 'a majority'} says {index} is committed, the log ends at"
                f" {self.log.last_index}; this disk lost entries that it had acknowledged"
            )
            raise RaftInvariantBroken(self.id, what)
        self.commit = index

    def _hear_leader(self, sender: str, now_ns: int) -> None:
        """Note a message from the leader of this term; whoever was a candidate follows it."""
        if self.role != "follower":
            if self.role == "leader":
                what = f"{sender} leads term {self.term} too"
                raise RaftInvariantBroken(self.id, what)
            self._become_follower(self.term, sender, now_ns)
        elif self.leader != sender:
            if self.leader:
                what = f"{sender} and {self.leader} both lead term {self.term}"
                raise RaftInvariantBroken(self.id, what)
            self.leader = sender
        self._heard_ns = now_ns
        self.deadline_ns = now_ns + self._election_wait_ns

    # The doors between the rooms.

    def _become_follower(self, term: int, leader: str, now_ns: int) -> None:
        """Door to `election`."""
        raise NotImplementedError

    def _become_candidate(self, now_ns: int, *, transfer: bool = False) -> None:
        """Door to `election`."""
        raise NotImplementedError

    def _after_commit(self, now_ns: int) -> None:
        """Door to `membership`."""
        raise NotImplementedError

    def _follow_configuration(self, now_ns: int) -> None:
        """Door to `membership`."""
        raise NotImplementedError

    def _summon(self) -> None:
        """Door to `transfer`."""
        raise NotImplementedError

    def _transfer_on(self, now_ns: int) -> None:
        """Door to `transfer`."""
        raise NotImplementedError

    def _beat(self, *, note: bool) -> None:
        """Door to `heartbeat`."""
        raise NotImplementedError

    def _replicate_to(self, progress: Progress) -> None:
        """Door to `replication`."""
        raise NotImplementedError

    def _commit_by_count(self, now_ns: int) -> None:
        """Door to `replication`."""
        raise NotImplementedError

    def _start_snapshot(self, progress: Progress) -> None:
        """Door to `snapshot_transfer`."""
        raise NotImplementedError

    def _send_chunk(self, progress: Progress) -> None:
        """Door to `snapshot_transfer`."""
        raise NotImplementedError

    def _lift_read_barrier(self) -> None:
        """Door to `read_index`."""
        raise NotImplementedError

    def _confirm_rounds(self) -> None:
        """Door to `read_index`."""
        raise NotImplementedError

    def _drop_reads(self) -> None:
        """Door to `read_index`."""
        raise NotImplementedError
