"""Signs of life: heartbeats, their answers, and the leader's duty to step down when nobody answers.

A heartbeat carries three things: the leader's term, the commit index as far as the follower is known to
hold it, and the number of its round. The round confirms reads (`read_index`) and tells which messages
were lost (`progress`). Followers learn a commit index from heartbeats and appends only; no message is
sent for it alone, since a follower that serves a read is told by the round of that read.
"""

from __future__ import annotations

from cluster.raft.messages import Heartbeat, HeartbeatReply
from cluster.raft.peer import Peer
from cluster.raft.quorum import agreed_value

__all__ = ["Heartbeats"]


class Heartbeats(Peer):
    """The room of contact between leader and followers."""

    __slots__ = ()

    # Leader.

    def _lead_on(self, now_ns: int) -> None:
        """Do what is due for a leader: step down, or send heartbeats."""
        if now_ns >= self._quorum_due_ns:
            self._quorum_due_ns = self._quorum_contact_ns(now_ns) + self.config.election_timeout_ns
            if self._quorum_due_ns <= now_ns:
                self._become_follower(self.term, "", now_ns)
                return
        if now_ns >= self._heartbeat_due_ns:
            self._heartbeat_due_ns = now_ns + self.config.heartbeat_interval_ns
            self._beat(note=True)
        self.deadline_ns = min(self._heartbeat_due_ns, self._quorum_due_ns)
        if self.transferee:
            self._transfer_on(now_ns)

    def _quorum_contact_ns(self, now_ns: int) -> int:
        """Return since when a quorum has been heard at the latest; this peer hears itself."""
        heard_ns = {name: progress.heard_ns for name, progress in self._progress.items()}
        heard_ns[self.id] = now_ns
        return agreed_value(self.configuration, heard_ns)

    def _beat(self, *, note: bool) -> None:
        """Send a round of heartbeats; with `note` its answers tell which messages were lost."""
        self._round += 1
        for progress in self._progress.values():
            if note:
                progress.note_heartbeat(self._round)
            commit = min(progress.match, self.commit)
            self._say(Heartbeat(self.id, progress.name, self.term, commit, self._round))

    def _on_heartbeat_reply(self, message: HeartbeatReply, now_ns: int) -> None:
        progress = self._progress.get(message.sender)
        if progress is None:
            return
        progress.heard_ns = now_ns
        if message.read > progress.round:
            progress.round = message.read
            if self._rounds:
                self._confirm_rounds()
        if progress.take_overdue(message.read):
            if progress.state == "snapshot":
                self._send_chunk(progress)
            else:
                progress.retry()
                self._replicate_to(progress)

    # Follower.

    def _on_heartbeat(self, message: Heartbeat, now_ns: int) -> None:
        self._hear_leader(message.sender, now_ns)
        self._take_commit(message.commit)
        self._promise(HeartbeatReply(self.id, message.sender, self.term, message.read))
