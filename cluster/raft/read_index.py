"""Linearizable reads without the log: the read index (thesis section 6.4).

A read may be answered from any state that has applied the commit index of the moment the read began,
once a majority confirmed, after that moment, that this leader still leads. Reads that arrive together
share a round of heartbeats. A leader whose term has committed nothing yet may not know the newest commit
index: its reads wait for the empty entry of its term (paper section 8).

A follower forwards reads to its leader; what can no longer be answered is listed as lost, never forgotten.
`request` numbers come from the node, which must not use one twice, not even across its own restarts: an answer
to an earlier incarnation may still be on its way, and its index is too old for a later read.
"""

from __future__ import annotations

from cluster.raft.messages import ReadReply, ReadRequest
from cluster.raft.peer import Peer, ReadRound
from cluster.raft.quorum import agreed_value
from cluster.raft.ready import ReadState

__all__ = ["READS_HELD_MAX", "Reads"]

READS_HELD_MAX = 4096
"""Reads that one peer keeps waiting in any one place before it turns further ones away."""


class Reads(Peer):
    """The room of reads."""

    __slots__ = ()

    def read(self, request: int, now_ns: int) -> None:
        """Ask for a read index. Ends in `Ready.reads` or `Ready.lost_reads`, unless messages get lost."""
        if self.role == "leader":
            self._hold_read(self.id, request)
        elif self.leader and len(self._forwarded) < READS_HELD_MAX:
            self._forwarded[request] = None
            self._say(ReadRequest(self.id, self.leader, self.term, request))
        else:
            self._lost.append(request)

    def give_up_read(self, request: int) -> None:
        """Forget a forwarded read whose answer does not come; without this, lost messages would use up the places."""
        self._forwarded.pop(request, None)

    # Leader.

    def _on_read_request(self, message: ReadRequest, now_ns: int) -> None:
        if self.role == "leader":
            self._hold_read(message.sender, message.request)
        else:
            self._refuse_read(message.sender, message.request)

    def _hold_read(self, asker: str, request: int) -> None:
        held = self._reads_new if self._may_read() else self._reads_barred
        if len(held) >= READS_HELD_MAX or len(self._rounds) >= READS_HELD_MAX:
            self._refuse_read(asker, request)
        else:
            held.append((asker, request))

    def _may_read(self) -> bool:
        """Whether the commit index is known to be the newest: an entry of this term is committed."""
        return self.log.term_at(self.commit) == self.term

    def _lift_read_barrier(self) -> None:
        if self._reads_barred:
            self._reads_new += self._reads_barred
            self._reads_barred = []

    def _start_round(self) -> None:
        """Gather the new reads into a round and ask everybody at once."""
        reads = self._reads_new
        self._reads_new = []
        if self._is_quorum_alone():
            self._answer_reads(reads, self.commit)
            return
        self._beat(note=False)
        self._rounds.append(ReadRound(self._round, self.commit, reads))

    def _is_quorum_alone(self) -> bool:
        """Whether nobody else has a vote, so that nobody else can lead."""
        configuration = self.configuration
        return configuration.voters == (self.id,) and not configuration.outgoing

    def _confirm_rounds(self) -> None:
        """Answer the rounds that a quorum has confirmed."""
        rounds = {name: progress.round for name, progress in self._progress.items()}
        rounds[self.id] = self._round
        confirmed = agreed_value(self.configuration, rounds)
        while self._rounds and self._rounds[0].round <= confirmed:
            done = self._rounds.popleft()
            self._answer_reads(done.reads, done.commit)

    def _answer_reads(self, reads: list[tuple[str, int]], index: int) -> None:
        for asker, request in reads:
            self._answer_read(asker, request, index)

    def _answer_read(self, asker: str, request: int, index: int) -> None:
        if asker == self.id:
            self._reads.append(ReadState(request, index))
        else:
            self._say(ReadReply(self.id, asker, self.term, request, index))

    def _refuse_read(self, asker: str, request: int) -> None:
        if asker == self.id:
            self._lost.append(request)
        else:
            self._say(ReadReply(self.id, asker, self.term, request, 0))

    # Follower.

    def _on_read_reply(self, message: ReadReply, now_ns: int) -> None:
        request = message.request
        if request not in self._forwarded:
            return  # Answered or given up before; a repeated answer.
        del self._forwarded[request]
        if message.index:
            self._reads.append(ReadState(request, message.index))
        else:
            self._lost.append(request)

    # Both.

    def _drop_reads(self) -> None:
        """Give every waiting read up: the role or the leader that it counted on is gone."""
        for held in self._rounds:
            for asker, request in held.reads:
                self._refuse_read(asker, request)
        for asker, request in self._reads_barred + self._reads_new:
            self._refuse_read(asker, request)
        self._lost += self._forwarded
        self._rounds.clear()
        self._reads_barred = []
        self._reads_new = []
        self._forwarded = {}
