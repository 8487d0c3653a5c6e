"""The bad patterns of causal memory (Ahamad et al. 1995; Bouajjani et al. 2017): every session sees one order of all writes.

For each session *hb* is the least order that holds the causal order of what precedes the session's last access, and that puts a
write before the one which some read of the session saw, when it is before that read and of the same register. Forbidden are

* *CyclicHB*: an access that is before itself, and
* *WriteHBInitRead*: a read of the session that saw nothing, with a write to its register before it.

The order is made by adding what is missing and asking again until nothing is. That is one round of clocks for each session
and each round: a history of n accesses in k sessions takes n k² steps, where the weaker levels take n k.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.checkers.acyclic import ordered
from harness.checkers.causal.accesses import INITIAL, Accesses
from harness.checkers.causal.clocks import Clocks
from harness.checkers.causal.patterns import Pattern, causal_edges

__all__ = ["memory"]


def memory(accesses: Accesses) -> Iterator[Pattern]:
    """The patterns of every session; of each session the first. The causal order must have no cycle."""
    members: dict[int, list[int]] = {}
    for access, session in enumerate(accesses.session):
        members.setdefault(session, []).append(access)
    for own in members.values():
        pattern = _of_session(accesses, own)
        if pattern is not None:
            yield pattern


def _of_session(accesses: Accesses, own: list[int]) -> Pattern | None:
    past = _past(accesses, own[-1])
    reads = np.array(
        [one for one in own if accesses.saw[one] >= 0 or accesses.saw[one] == INITIAL], np.int64
    )
    saw = np.array(accesses.saw, np.int64)
    further: dict[int, list[int]] = {}
    while True:
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
