"""Majorities, as pure functions of small values (compare etcd-io/raft `quorum/majority.go` and `joint.go`).

What a configuration agrees on is what a majority of its voters does and, while it is joint, a majority of the
outgoing ones too. Learners are never looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from cluster.raft.configuration import Configuration

__all__ = ["agreed_value", "election_result", "majority_value", "vote_result"]

VoteResult = Literal["won", "lost", "pending"]


def majority_value(values: Iterable[int]) -> int:
    """Return the largest value that a majority has reached; `values` holds one number per voter.

    The numbers may be matched indexes (the result is what may be committed), read rounds (what is
    confirmed) or moments of contact (since when a majority was heard).
    """
    ascending = sorted(values)
    return ascending[(len(ascending) - 1) // 2]


def vote_result(voters: Sequence[str], votes: Mapping[str, bool]) -> VoteResult:
    """Return how an election stands; `votes` maps a voter's name to granted or refused.

    ``lost`` means that a majority cannot be reached any more. Names that are no voters do not count.
    """
    needed = len(voters) // 2 + 1
    granted = sum(1 for name in voters if votes.get(name) is True)
    if granted >= needed:
        return "won"
    refused = sum(1 for name in voters if votes.get(name) is False)
    return "lost" if len(voters) - refused < needed else "pending"


def agreed_value(configuration: Configuration, values: Mapping[str, int]) -> int:
    """Return the largest value that `configuration` has reached; `values` holds a number for each of its voters."""
    agreed = majority_value([values[name] for name in configuration.voters])
    if configuration.outgoing:
        return min(agreed, majority_value([values[name] for name in configuration.outgoing]))
    return agreed


def election_result(configuration: Configuration, votes: Mapping[str, bool]) -> VoteResult:
    """Return how an election stands in `configuration`: won by both halves, or lost by either."""
    result = vote_result(configuration.voters, votes)
    if not configuration.outgoing or result == "lost":
        return result
    other = vote_result(configuration.outgoing, votes)
    return result if other == "won" else other
