"""Who leads: terms, pre-votes, votes, and the steps up and down (paper section 5.2, 5.4.1).

Pre-vote (thesis section 9.6): nobody raises its term before a majority said that it would vote, so
a node that comes back from a partition disturbs nobody. Check quorum (thesis section 6.2): a peer that heard
its leader within the minimum election timeout gives no vote, and a leader that lost contact with a
majority for that long steps down (`heartbeat`). An election that the leader itself asked for (`transfer`) needs neither.

A vote is given without asking who belongs to the cluster: the voter may not have learnt of the candidate, or of its own
vote, yet (thesis section 4.2.2). Who counts is the candidate's business, by the configuration in its log.
"""

from __future__ import annotations

from cluster.raft.messages import AppendReply, Entry, Message, VoteReply, VoteRequest
from cluster.raft.peer import LEADER_WORDS, Peer
from cluster.raft.quorum import election_result

__all__ = ["Election"]


class Election(Peer):
    """The room of terms and roles."""

    __slots__ = ()

    # Terms.

    def _on_higher_term(self, message: Message, now_ns: int) -> bool:
        """Meet a message of a later term; says whether it is to be handled."""
        if isinstance(message, VoteRequest):
            if self._hears_leader(now_ns) and not message.transfer:
                return False
            if message.pre:
                return True
        elif isinstance(message, VoteReply) and message.pre and message.granted:
            return True
        leader = message.sender if isinstance(message, LEADER_WORDS) else ""
        self._become_follower(message.term, leader, now_ns)
        return True

    def _on_lower_term(self, message: Message) -> None:
        """Meet a message of an earlier term: it has no effect, but its sender may need to learn the term.

        A leader that is behind learns it from a rejected append. Without that answer a node that raised
        its term in a failed election could neither follow nor be followed.
        """
        if isinstance(message, VoteRequest):
            self._promise(VoteReply(self.id, message.sender, self.term, message.pre, False))
        elif isinstance(message, LEADER_WORDS):
            self._promise(AppendReply(self.id, message.sender, self.term, False, 0, 0, 0))

    def _hears_leader(self, now_ns: int) -> bool:
        """Whether there is a leader that was heard within the minimum election timeout."""
        if self.role == "leader":
            return True
        return self.leader != "" and now_ns - self._heard_ns < self.config.election_timeout_ns

    # Votes.

    def _on_vote_request(self, message: VoteRequest, now_ns: int) -> None:
        granted = self._may_grant_vote(message)
        if granted and not message.pre:
            self.vote = message.sender
            self.deadline_ns = now_ns + self._election_wait_ns
        # A granted pre-vote speaks of the term that is asked for, everything else of the own term.
        term = message.term if granted else self.term
        self._promise(VoteReply(self.id, message.sender, term, message.pre, granted))

    def _may_grant_vote(self, message: VoteRequest) -> bool:
        return self._has_free_vote(message) and self._is_up_to_date(message)

    def _has_free_vote(self, message: VoteRequest) -> bool:
        if message.pre and message.term > self.term:
            return True
        return self.vote == message.sender or (self.vote == "" and self.leader == "")

    def _is_up_to_date(self, message: VoteRequest) -> bool:
        """Whether the candidate's log is at least as new as this one (paper section 5.4.1)."""
        log = self.log
        return (message.last_term, message.last_index) >= (log.last_term, log.last_index)

    def _on_vote_reply(self, message: VoteReply, now_ns: int) -> None:
        if not self._counts(message):
            return
        self._votes[message.sender] = message.granted
        self._count_votes(now_ns)

    def _counts(self, message: VoteReply) -> bool:
        """Whether a reply belongs to the election in progress (a late one of another does not)."""
        if message.pre:
            asked = self.term + 1 if message.granted else self.term
            return self.role == "pre_candidate" and message.term == asked
        return self.role == "candidate" and message.term == self.term

    def _count_votes(self, now_ns: int) -> None:
        result = election_result(self.configuration, self._votes)
        if result == "lost":
            self._become_follower(self.term, "", now_ns)
        elif result == "won" and self.role == "pre_candidate":
            self._become_candidate(now_ns)
        elif result == "won":
            self._become_leader(now_ns)

    # Steps up and down.

    def campaign(self, now_ns: int) -> None:
        """Start an election at once, as if the election timeout had passed. A leader does nothing.

        A peer without a vote only forgets the leader that it does not hear.
        """
        if self.role == "leader" or self._install is not None:
            return
        if not self._may_campaign():
            self._become_follower(self.term, "", now_ns)
            return
        self._leave_role(self.term, now_ns)
        self.role = "pre_candidate"
        self._ask_for_votes(self.term + 1, pre=True, now_ns=now_ns)

    def _become_candidate(self, now_ns: int, *, transfer: bool = False) -> None:
        self._leave_role(self.term + 1, now_ns)
        self.role = "candidate"
        self.vote = self.id
        self.by_transfer = transfer
        self._ask_for_votes(self.term, pre=False, now_ns=now_ns)

    def _ask_for_votes(self, term: int, *, pre: bool, now_ns: int) -> None:
        log = self.log
        configuration = self.configuration
        self._votes[self.id] = True
        for name in configuration.members:
            if name == self.id or not configuration.has_vote(name):
                continue
            request = VoteRequest(
                self.id, name, term, pre, log.last_index, log.last_term, self.by_transfer
            )
            # A vote request says that the own vote is given: that must be durable. A pre-vote says nothing.
            (self._say if pre else self._promise)(request)
        self._count_votes(now_ns)

    def _become_leader(self, now_ns: int) -> None:
        """Lead: count everybody's log anew and append the empty entry that commits earlier terms' ones."""
        self._votes = {}
        self.role = "leader"
        self.leader = self.id
        log = self.log
        next_index = log.last_index + 1
        self._replicated = log.last_index
        self._round = 0
        self._heartbeat_due_ns = now_ns + self.config.heartbeat_interval_ns
        self._quorum_due_ns = now_ns + self.config.election_timeout_ns
        self.deadline_ns = min(self._heartbeat_due_ns, self._quorum_due_ns)
        log.extend((Entry(next_index, self.term, b""),))
        self._follow_configuration(now_ns)

    def _become_follower(self, term: int, leader: str, now_ns: int) -> None:
        self._leave_role(term, now_ns)
        self.role = "follower"
        self.leader = leader

    def _leave_role(self, term: int, now_ns: int) -> None:
        """Give up whatever belongs to the present role and, when it changes, to the present term."""
        self._drop_reads()
        if term != self.term:
            self.term = term
            self.vote = ""
            self._incoming = None
        self.leader = ""
        self._votes = {}
        self._progress = {}
        self.transferee = ""
        self.by_transfer = False
        self._heard_ns = now_ns
        self._election_wait_ns = self._draw_election_wait()
        self.deadline_ns = now_ns + self._election_wait_ns
