"""A follower that lacks compacted entries gets the leader's snapshot, in chunks (paper section 7).

One chunk is in flight at a time; the follower answers with the first byte that it still needs, so a lost,
repeated or reordered chunk costs time and nothing else. The first chunk starts the spool anew. The
transfer is over when the answer names the total: from there on the log replicates.
"""

from __future__ import annotations

from cluster.raft.errors import RaftInvariantBroken, RaftMisused
from cluster.raft.messages import SnapshotChunk, SnapshotMeta, SnapshotReply
from cluster.raft.peer import Incoming, Peer
from cluster.raft.progress import Progress

__all__ = ["REFUSED", "SnapshotTransfer"]

REFUSED = -1
"""`SnapshotReply.next_offset` of a follower that could not install."""


class SnapshotTransfer(Peer):
    """The room of snapshots on the wire."""

    __slots__ = ()

    # Leader.

    def _start_snapshot(self, progress: Progress) -> None:
        """Send the newest snapshot from its first byte."""
        self._turn_to_newest(progress)
        index = progress.snapshot.index
        try:
            data = self._snapshots.read(index, 0, self.config.snapshot_chunk_bytes)
        except KeyError as error:
            raise self._newest_is_gone(index) from error
        self._say_chunk(progress, data)

    def _turn_to_newest(self, progress: Progress) -> None:
        """Let the next chunk be the first one of the newest snapshot."""
        meta = self._snapshots.latest()
        if meta is None or meta.index < self.log.offset:
            have = "none" if meta is None else f"one at {meta.index}"
            what = f"the log is compacted to {self.log.offset}, but of snapshots there is {have}"
            raise RaftInvariantBroken(self.id, what)
        try:
            size = self._snapshots.size(meta.index)
        except KeyError as error:
            raise self._newest_is_gone(meta.index) from error
        progress.send_snapshot(meta, size)

    def _newest_is_gone(self, index: int) -> RaftInvariantBroken:
        return RaftInvariantBroken(
            self.id, f"the newest snapshot, {index}, is gone while it is the newest"
        )

    def _send_chunk(self, progress: Progress) -> None:
        """Send the chunk that the follower needs next; a snapshot that is gone is replaced by the newest."""
        length = self.config.snapshot_chunk_bytes
        try:
            data = self._snapshots.read(progress.snapshot.index, progress.snapshot_offset, length)
        except KeyError:
            self._start_snapshot(progress)
        else:
            self._say_chunk(progress, data)

    def _say_chunk(self, progress: Progress, data: bytes) -> None:
        chunk = SnapshotChunk(
            self.id,
            progress.name,
            self.term,
            progress.snapshot,
            progress.snapshot_offset,
            progress.snapshot_total,
            data,
        )
        self._say(chunk)

    def _on_snapshot_reply(self, message: SnapshotReply, now_ns: int) -> None:
        progress = self._progress.get(message.sender)
        if progress is None:
            return
        progress.heard_ns = now_ns
        if progress.state != "snapshot" or message.index != progress.snapshot.index:
            return  # The answer to an earlier transfer.
        if message.next_offset == REFUSED:
            # Start again, but not before a heartbeat was answered: a follower that refuses at once must not
            # be flooded. With the newest one: the refused one may be rotten on this disk.
            self._turn_to_newest(progress)
        elif message.next_offset == progress.snapshot_total:
            progress.acknowledge(message.index)
            progress.replicate()
            self._commit_by_count(now_ns)
            if self.role == "leader":
                self._replicate_to(progress)
        elif message.next_offset != progress.snapshot_offset:
            progress.snapshot_offset = message.next_offset
            progress.overdue_round = 0
            self._send_chunk(progress)

    # Follower.

    def _on_snapshot_chunk(self, message: SnapshotChunk, now_ns: int) -> None:
        self._hear_leader(message.sender, now_ns)
        meta = message.meta
        if meta.index > self.commit and self.log.term_at(meta.index) == meta.term:
            # The log holds everything that the snapshot covers, so all of it is committed.
            self._take_commit(meta.index)
        if meta.index <= self.commit:
            self._answer_chunk(message.sender, meta, message.total)
        elif self._install is None:
            self._spool(message)

    def _spool(self, message: SnapshotChunk) -> None:
        """Pass a chunk on to be spooled if it is the next one, and ask for the one behind it."""
        meta = message.meta
        incoming = self._incoming
        expected = 0
        if incoming is not None and incoming.meta == meta:
            expected = incoming.next_offset
        if message.offset not in (0, expected):
            self._answer_chunk(message.sender, meta, expected)
            return
        self._chunks.append(message)
        next_offset = message.offset + len(message.data)
        spooled = Incoming(message.sender, meta, message.total, next_offset)
        if next_offset == message.total:
            self._incoming = None
            self._install = spooled
        else:
            self._incoming = spooled
            self._answer_chunk(message.sender, meta, next_offset)

    def _answer_chunk(self, leader: str, meta: SnapshotMeta, next_offset: int) -> None:
        self._promise(SnapshotReply(self.id, leader, self.term, meta.index, next_offset))

    def refuse_snapshot(self, meta: SnapshotMeta) -> None:
        """Say, between `ready` and `advance`, that the spooled snapshot could not be verified or installed.

        The node must have left its store, log and snapshots as they were. The leader sends it again.
        """
        if self._install is None or self._install.meta != meta:
            raise RaftMisused(f"{self.id}: no snapshot at {meta.index} waits to be installed")
        self._answer_chunk(self._install.sender, meta, REFUSED)
        self._install = None

    def _finish_install(self, installed: Incoming) -> None:
        """Start the log again behind the snapshot, which the node has installed and recorded."""
        meta = installed.meta
        if meta.index <= self.commit:
            what = f"snapshot {meta.index} was installed over commit {self.commit}"
            raise RaftInvariantBroken(self.id, what)
        self.log.restart(meta.index, meta.term, meta.configuration)
        self.commit = self.applied = self._handed = meta.index
        self._install = None
        self._answer_chunk(installed.sender, meta, installed.total)
