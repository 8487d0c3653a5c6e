"""How entries travel and when they count as committed (paper section 5.3, 5.4.2).

Leader: appends go out ahead of their answers, up to a window; a rejection falls back to probing from the last
place where the logs may agree. Only entries of the leader's own term are committed by counting
(Figure 8), and the leader's own copy counts once it is on its disk.

Follower: an append is accepted where the previous entry matches; the answer leaves after the fsync.
"""

from __future__ import annotations

from cluster.raft.errors import RaftInvariantBroken
from cluster.raft.log import NO_TERM
from cluster.raft.messages import Append, AppendReply, Entry
from cluster.raft.peer import Peer
from cluster.raft.progress import Progress
from cluster.raft.quorum import agreed_value

__all__ = ["Replication"]


class Replication(Peer):
    """The room of appends."""

    __slots__ = ()

    # Leader: sending.

    def _replicate_to_all(self) -> None:
        self._replicated = self.log.last_index
        for progress in self._progress.values():
            self._replicate_to(progress)

    def _replicate_to(self, progress: Progress) -> None:
        """Send what the follower lacks, as far as its state and window allow."""
        log = self.log
        while progress.state != "snapshot" and not progress.paused:
            first = progress.next
            sending_ahead = progress.state == "replicate"
            if sending_ahead and (
                first > log.last_index or len(progress.window) >= self.config.appends_in_flight_max
            ):
                return
            previous_term = log.term_at(first - 1)
            if previous_term == NO_TERM:
                self._start_snapshot(progress)
                return
            entries = log.take(first, log.last_index, self.config.append_bytes_max)
            self._say(
                Append(
                    self.id,
                    progress.name,
                    self.term,
                    first - 1,
                    previous_term,
                    self.commit,
                    entries,
                )
            )
            if sending_ahead:
                progress.next = first + len(entries)
                progress.window.append(progress.next - 1)
            else:
                progress.paused = True

    # Leader: answers.

    def _on_append_reply(self, message: AppendReply, now_ns: int) -> None:
        progress = self._progress.get(message.sender)
        if progress is None:
            return
        progress.heard_ns = now_ns
        if message.ok:
            self._on_acknowledged(progress, message.index, now_ns)
        else:
            agreement, _ = self.log.last_agreement(message.hint_index, message.hint_term)
            if progress.reject(message.index, agreement):
                self._replicate_to(progress)

    def _on_acknowledged(self, progress: Progress, index: int, now_ns: int) -> None:
        if index > self.log.last_index:
            what = f"{progress.name} acknowledged {index}, the log ends at {self.log.last_index}"
            raise RaftInvariantBroken(self.id, what)
        news = progress.acknowledge(index)
        if progress.state == "probe":
            if index == progress.match:
                progress.replicate()
        elif progress.state == "snapshot" and progress.match >= self.log.offset:
            progress.replicate()
        if news and index > self.commit:
            self._commit_by_count(now_ns)
        if self.role != "leader":
            return
        if self.transferee == progress.name:
            self._summon()
        if progress.next <= self.log.last_index:
            self._replicate_to(progress)

    # Leader: commitment.

    def _commit_by_count(self, now_ns: int) -> None:
        """Commit what a quorum holds, when this term's rule allows it; a leader that was removed may end with that."""
        index = self._quorum_commit_index()
        if self._may_commit(index):
            self._take_commit(index)
            self._lift_read_barrier()
            self._after_commit(now_ns)

    def _quorum_commit_index(self) -> int:
        """Return the highest index that is durable on a quorum, this node's disk included while it has a vote."""
        matches = {name: progress.match for name, progress in self._progress.items()}
        matches[self.id] = self.log.stable
        return agreed_value(self.configuration, matches)

    def _may_commit(self, index: int) -> bool:
        """Whether counting may commit `index`: it is news and of the own term (Figure 8)."""
        return index > self.commit and self.log.term_at(index) == self.term

    # Follower.

    def _on_append(self, message: Append, now_ns: int) -> None:
        self._hear_leader(message.sender, now_ns)
        if self._install is not None:
            return  # The log is about to be replaced; the leader asks again.
        self._promise(self._append_outcome(message))

    def _append_outcome(self, message: Append) -> AppendReply:
        """Take the entries in where they fit and say up to where the logs match now, or may match."""
        log = self.log
        previous = message.prev_index
        entries = message.entries
        if previous < self.commit:
            # Late, repeated, or the last words of a leader whose acknowledgements are under way. What is committed
            # matches in any case; what stands behind it may be news.
            known = self.commit - previous
            if known >= len(entries):
                return AppendReply(self.id, message.sender, self.term, True, self.commit, 0, 0)
            entries = entries[known - 1 :]
        elif log.term_at(previous) != message.prev_term:
            index, term = log.last_agreement(previous, message.prev_term)
            return AppendReply(self.id, message.sender, self.term, False, previous, index, term)
        if entries:
            self._take_entries(entries, message.sender)
        last = previous + len(message.entries)
        self._take_commit(min(message.commit, last))
        return AppendReply(self.id, message.sender, self.term, True, last, 0, 0)

    def _take_entries(self, entries: tuple[Entry, ...], sender: str) -> None:
        """Add the entries that are new; the first one that conflicts replaces everything from there."""
        log = self.log
        for position, entry in enumerate(entries):
            index = entry.index
            if log.term_at(index) == entry.term:
                continue
            if index <= self.commit:
                what = (
                    f"{sender} replaces entry {index} of term {log.term_at(index)} by one of term"
                    f" {entry.term}, but {self.commit} is committed"
                )
                raise RaftInvariantBroken(self.id, what)
            if index <= log.last_index:
                log.cut(index)
            log.extend(entries[position:] if position else entries)
            return
