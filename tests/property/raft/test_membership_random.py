"""Random lives of networks whose members come and go: every promise of a fixed membership holds, and one more.

The one more is that a leader commits only what a quorum of a configuration then in force holds durably
(`raft_network.Safety.counted`). Then the same with one decision wrong at a time: each must be noticed.
"""

import random

import pytest
from raft_chaos import Chaos

from cluster.raft.core import Raft
from cluster.raft.messages import SnapshotMeta
from cluster.raft.quorum import majority_value

SPARES = 4
ACTS = 600
SEEDS = 3000


def live(seed, peer=Raft):
    """One network through all its troubles and their end."""
    chaos = Chaos((1, 2, 3, 4, 5)[seed % 5], random.Random(seed).randrange, peer, spares=SPARES)
    for _ in range(ACTS):
        chaos.act()
    chaos.recover()
    return chaos.network


@pytest.mark.slow
@pytest.mark.parametrize("block", range(4))
def test_membership_seeds(block):
    """Four hundred networks that change their members under all other troubles keep all promises."""
    seen = []
    for seed in range(block * 100, block * 100 + 100):
        seen += live(seed).events

    for words in ("has (n", " & ", " + ", "by transfer", "installs snapshot"):
        assert any(words in event for event in seen), words


def test_a_run_with_changes_is_its_tape():
    """The same numbers give the same run, event by event, with changes too."""
    assert live(3).events == live(3).events


class ChangesBeforeItsFirstCommit(Raft):
    """R-E1: a leader changes the membership before it has committed in its own term."""

    def _may_change(self):
        return True


class ChangesTwiceAtOnce(Raft):
    """A change does not wait for the one before."""

    def _is_changing(self):
        return bool(self.configuration.outgoing)


class CountsLearners(Raft):
    """R-E4: a copy on a learner counts."""

    def _quorum_commit_index(self):
        matches = [progress.match for progress in self._progress.values()]
        return majority_value([*matches, self.log.stable])


class CommitsWithTheNewHalf(Raft):
    """While joint, only the new voters count for a commit."""

    def _quorum_commit_index(self):
        matches = {name: progress.match for name, progress in self._progress.items()}
        matches[self.id] = self.log.stable
        return majority_value([matches[name] for name in self.configuration.voters])


class RemovedLeaderCountsItself(Raft):
    """R-E5: a leader that its own configuration does not name goes on counting itself."""

    def _quorum_commit_index(self):
        if self.configuration.has_vote(self.id):
            return super()._quorum_commit_index()
        matches = [self._progress[name].match for name in self.configuration.voters]
        return majority_value([*matches, self.log.stable])


class NeverLeavesJoint(Raft):
    """A joint configuration stays."""

    def _must_leave_joint(self, configuration):
        return False

    def _must_step_down(self, configuration):
        return False


class SnapshotsTheFirstConfiguration(Raft):
    """A snapshot says that nothing has changed since the beginning."""

    def meta_at(self, index):
        return SnapshotMeta(index, self.log.term_of(index), self.config.voters)


MUTANTS = [
    ChangesBeforeItsFirstCommit,
    ChangesTwiceAtOnce,
    CountsLearners,
    CommitsWithTheNewHalf,
    RemovedLeaderCountsItself,
    NeverLeavesJoint,
    SnapshotsTheFirstConfiguration,
]


def convicting_seed(mutant):
    for seed in range(SEEDS):
        try:
            live(seed, mutant)
        except Exception as error:  # noqa: BLE001 - the verdict is that anything at all was noticed
            return seed, error
    return None


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_convicts_membership(mutant):
    """A membership with one decision wrong does not survive the random network."""
    assert convicting_seed(mutant) is not None
