"""Majorities, as pure functions of small values (compare etcd-io/raft `quorum/majority.go`).

Whoever wants a weighted or a joint majority later changes this module only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

__all__ = ["majority_value", "vote_result"]

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
