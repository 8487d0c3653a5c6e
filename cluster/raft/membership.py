"""Who belongs: one change at a time, joint where several voters move, and the end of a leader that is removed.

A change is an entry like any other, appended by the leader and in force from then on (thesis section 4.1); `configuration`
says what may follow what, and the log forgets a configuration whose entry is cut off. Here is decided when
a leader may begin one: after it has committed an entry of its own term (without this, two leaders could each complete
a change of one voter with majorities that never met: Ongaro, raft-dev 2015), and when the one before is over.

A joint configuration is left by the leader that sees it committed, whichever leader that is by then. A leader
that the committed configuration does not name any more hands over to the voter that is furthest and follows; until then it
leads and does not count itself (thesis section 4.2.2). Removed peers hear nothing any more; what they still ask for is
turned away by pre-votes and by voters that hear their leader (section 4.2.3).
"""

from __future__ import annotations

from cluster.raft.configuration import (
    Change,
    Configuration,
    configuration_after,
    encode_configuration,
)
from cluster.raft.errors import NotLeader, NotNow
from cluster.raft.messages import Entry, TimeoutNow
from cluster.raft.peer import Peer
from cluster.raft.progress import Progress

__all__ = ["CAUGHT_UP_ENTRIES", "Membership"]

CAUGHT_UP_ENTRIES = 16
"""How many entries a learner may lack of what is committed when it becomes a voter."""


class Membership(Peer):
    """The room of configurations."""

    __slots__ = ()

    def change(self, change: Change, now_ns: int, expected_index: int = -1) -> tuple[int, int]:
        """Append the configuration that `change` makes of the present one; returns its (index, term).

        It is complete as a proposal is: when this entry is handed out as committed. A joint one is left by itself
        afterwards. `expected_index`, if not negative, is the index that the present configuration must have.
        Raises NotLeader, NotNow (try again) and ChangeRefused, with no effect.
        """
        if self.role != "leader":
            raise NotLeader(self.leader)
        if self.transferee:
            raise NotNow(f"leadership is on its way to {self.transferee}")
        if not self._may_change():
            raise NotNow("this leader has not committed an entry of its own term yet")
        if self._is_changing():
            raise NotNow("a change of membership is still on its way")
        present = self.configuration
        if expected_index not in (-1, present.index):
            raise NotNow(f"the configuration is of entry {present.index}, not {expected_index}")
        following = configuration_after(present, change)
        for name in change.promotes:
            if not self._has_caught_up(self._progress[name]):
                raise NotNow(f"{name} has not caught up yet")
        return self._append_configuration(following, now_ns)

    def configuration_at(self, index: int) -> Configuration:
        """Return the configuration in force behind entry `index`, which is not before the compacted ones."""
        return self.log.configuration_at(index)

    # The decisions.

    def _may_change(self) -> bool:
        """Whether an entry of this term is committed, so that no earlier leader's change can still complete."""
        return self.log.term_at(self.commit) == self.term

    def _is_changing(self) -> bool:
        """Whether the newest configuration is not committed, or joint."""
        configuration = self.configuration
        return configuration.index > self.commit or bool(configuration.outgoing)

    def _has_caught_up(self, progress: Progress) -> bool:
        """Whether a learner can become a voter without holding up what is committed next (thesis section 4.2.1)."""
        return progress.state == "replicate" and progress.match + CAUGHT_UP_ENTRIES >= self.commit

    def _must_leave_joint(self, configuration: Configuration) -> bool:
        return bool(configuration.outgoing)

    def _must_step_down(self, configuration: Configuration) -> bool:
        """Whether this leader is not a voter of a configuration that is committed."""
        return self.id not in configuration.voters

    # The acts.

    def _append_configuration(self, configuration: Configuration, now_ns: int) -> tuple[int, int]:
        index = self.log.last_index + 1
        self.log.extend((Entry(index, self.term, encode_configuration(configuration)),))
        self._follow_configuration(now_ns)
        return index, self.term

    def _follow_configuration(self, now_ns: int) -> None:
        """Replicate to whom the configuration in force names, and to nobody else."""
        progress = self._progress
        self._progress = {
            name: progress.get(name) or Progress(name, self.log.last_index, now_ns)
            for name in self.configuration.members
            if name != self.id
        }

    def _after_commit(self, now_ns: int) -> None:
        """Do what a committed configuration asks of its leader."""
        configuration = self.configuration
        if configuration.index > self.commit:
            return
        if self._must_leave_joint(configuration):
            settled = Configuration(configuration.voters, (), configuration.learners)
            self._append_configuration(settled, now_ns)
        elif self._must_step_down(configuration):
            self._hand_over(configuration)
            self._become_follower(self.term, "", now_ns)

    def _hand_over(self, configuration: Configuration) -> None:
        """Let the voter that is furthest campaign at once."""
        voters = [self._progress[name] for name in configuration.voters]
        furthest = max(voters, key=lambda progress: progress.match)
        self._say(TimeoutNow(self.id, furthest.name, self.term))
