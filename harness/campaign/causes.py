"""Runs that are not valid, grouped by why: a search that found one bug forty times has found one bug.

The cause of an invalid run is the one that shrinking holds on to (`harness.campaign.shrink_cause`); a run of which nobody knows
is grouped by who does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

from harness.campaign.shrink_cause import main_cause

__all__ = ["CAUSES_KEPT_MAX", "Group", "Told", "cause_of", "grouped"]

CAUSES_KEPT_MAX = 20
"""So many causes of one verdict get a run folder each; of further ones the seeds are told."""


class Told(Protocol):
    """What is asked of a run."""

    @property
    def seed(self) -> int:
        """Its seed."""

    @property
    def cause(self) -> str:
        """Why it is not valid, in words; empty when it is."""

    @property
    def run(self) -> str:
        """Its folder, where it was kept."""


class Group(msgspec.Struct, frozen=True):
    """One cause: how many runs it spoilt, the seed of the first, and the folder of that run (empty: not kept)."""

    cause: str
    runs: int
    seed: int
    run: str


def cause_of(results: Mapping[str, Any]) -> str:
    """Return why a run with these results is not valid, in words that are the same for runs that fail alike; "" if it is valid."""
    if results["valid"] is True:
        return ""
    cause = main_cause(results)
    if cause is not None:
        return cause.words
    valid = results["valid"]
    names = [name for name, one in results["checkers"].items() if one["valid"] == valid]
    word = "invalid" if valid is False else "unknown"
    return f"{', '.join(names)}: {word}"


def grouped(briefs: Iterable[Told]) -> list[Group]:
    """Return the causes of these runs, the most frequent first; of equally frequent ones the one found first."""
    groups: dict[str, Group] = {}
    for brief in briefs:
        if not brief.cause:
            continue
        group = groups.get(brief.cause)
        if group is None:
            groups[brief.cause] = Group(brief.cause, 1, brief.seed, brief.run)
        else:
            groups[brief.cause] = msgspec.structs.replace(group, runs=group.runs + 1)
    return sorted(groups.values(), key=lambda group: -group.runs)
