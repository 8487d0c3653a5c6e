"""Leadership given away on purpose (thesis section 3.10): nobody has to wait for an election timeout.

The leader takes no proposals meanwhile, brings the chosen voter up to the end of its log and asks it to campaign at once; that
campaign needs no pre-vote, and voters do not refuse it for having heard the leader. The leader steps down when it meets the
new term. When it has not within an election timeout, it gives up and goes on leading; a request to campaign that was
late may still depose it.
"""

from __future__ import annotations

from cluster.raft.errors import ChangeRefused, NotLeader, NotNow
from cluster.raft.messages import TimeoutNow
from cluster.raft.peer import Peer
from cluster.raft.progress import Progress

__all__ = ["LeadershipTransfer"]


class LeadershipTransfer(Peer):
    """The room of leadership given away."""

    __slots__ = ()

    # Leader.

    def transfer(self, target: str, now_ns: int) -> None:
        """Begin to make `target` the leader; `transferee` tells when that is over, `leader` how it ended.

        Raises NotLeader, NotNow (another transfer) and ChangeRefused (no other voter of that name), with no effect.
        """
        if self.role != "leader":
            raise NotLeader(self.leader)
        if self.transferee:
            raise NotNow(f"leadership is on its way to {self.transferee} already")
        if target == self.id or not self._may_lead(target):
            raise ChangeRefused(f"{target} is no other voter")
        self.transferee = target
        self.summoned = False
        self._transfer_due_ns = now_ns + self.config.election_timeout_ns
        self.deadline_ns = min(self.deadline_ns, self._transfer_due_ns)
        self._summon()

    def _transfer_on(self, now_ns: int) -> None:
        """Ask again, in case the first request was lost, or give up when the time is over."""
        if now_ns >= self._transfer_due_ns:
            self.transferee = ""
            return
        self._summon()
        self.deadline_ns = min(self.deadline_ns, self._transfer_due_ns)

    def _may_lead(self, target: str) -> bool:
        return target in self.configuration.voters

    def _summon(self) -> None:
        """Ask the transferee to campaign, if it holds the whole log by now; asking twice does no harm."""
        progress = self._progress.get(self.transferee)
        if progress is not None and self._holds_everything(progress):
            self.summoned = True
            self._say(TimeoutNow(self.id, progress.name, self.term))

    def _holds_everything(self, progress: Progress) -> bool:
        return progress.match == self.log.last_index

    # Transferee.

    def _on_timeout_now(self, message: TimeoutNow, now_ns: int) -> None:
        self._hear_leader(message.sender, now_ns)
        if self._install is None and self._may_campaign():
            self._become_candidate(now_ns, transfer=True)
