"""The bad patterns of causal memory (Ahamad et al. 1995; Bouajjani et al. 2017): every session sees one order of all writes.

For each session *hb* is the least order that holds the causal order of what precedes the session's last access, and that puts a
write before the one which some read of the session saw, when it is before that read and of the same register. Forbidden are

* *CyclicHB*: an access that is before itself, and
* *WriteHBInitRead*: a read of the session that saw nothing, with a write to its register before it.

The order is made by adding what is missing and asking again until nothing is. That is one round of clocks for each session
and each round: a history of n accesses in k sessions takes n k² steps, where the weaker levels take n k. So there is a limit to the
accesses that all rounds together may pass; sessions that were not looked at to the end say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from harness.checkers.acyclic import ordered
from harness.checkers.causal.accesses import INITIAL, Accesses
from harness.checkers.causal.clocks import Clocks
from harness.checkers.causal.patterns import Pattern, causal_edges

__all__ = ["PASSED_MAX", "memory"]

PASSED_MAX = 15_000_000
"""Accesses that the rounds may pass: half a minute to a minute."""


class Memory(msgspec.Struct, frozen=True):
    """The patterns of the sessions, of each the first, and how many sessions there was no time for."""

    patterns: list[Pattern]
    sessions_open: int


class _Spent(Exception):
    """The rounds have passed as many accesses as they may."""


def memory(accesses: Accesses, passed_max: int = PASSED_MAX) -> Memory:
    """Look at every session. The causal order must have no cycle."""
    members: dict[int, list[int]] = {}
    for access, session in enumerate(accesses.session):
        members.setdefault(session, []).append(access)
    rounds = iter(range(max(1, passed_max // max(1, len(accesses)))))
    patterns: list[Pattern] = []
    for done, own in enumerate(members.values()):
        try:
            pattern = _of_session(accesses, own, rounds)
        except _Spent:
            return Memory(patterns, len(members) - done)
        if pattern is not None:
            patterns.append(pattern)
    return Memory(patterns, 0)


def _of_session(accesses: Accesses, own: list[int], rounds: Iterator[int]) -> Pattern | None:
    past = _past(accesses, own[-1])
    reads = np.array(
        [one for one in own if accesses.saw[one] >= 0 or accesses.saw[one] == INITIAL], np.int64
    )
    saw = np.array(accesses.saw, np.int64)
    further: dict[int, list[int]] = {}
    for _ in rounds:
        added = [(before, write) for write, befores in further.items() for before in befores]
        order, cycle = ordered(len(accesses), [*causal_edges(accesses), *added])
        if cycle:
            return Pattern("CyclicHB", tuple(cycle))
        clocks = Clocks(accesses, [one for one in order if one in past], further)
        found = clocks.overtaking(reads)
        unseen = np.flatnonzero(saw[found.reads] == INITIAL)
        if len(unseen):
            place = unseen[0]
            return Pattern("WriteHBInitRead", (int(found.writes[place]), int(found.reads[place])))
        if not len(found.reads):
            return None
        pairs = zip(found.writes.tolist(), saw[found.reads].tolist(), strict=True)
        for before, write in dict.fromkeys(pairs):
            further.setdefault(write, []).append(before)
    raise _Spent


def _past(accesses: Accesses, last: int) -> dict[int, None]:
    """Everything in the causal past of an access, itself included."""
    found = {last: None}
    waiting = [last]
    while waiting:
        for before in accesses.before(waiting.pop()):
            if before not in found:
                found[before] = None
                waiting.append(before)
    return found
