"""The bad patterns of causal consistency and of causal convergence (Bouajjani, Enea, Guerraoui, Hamza: POPL 2017).

The causal order *co* is the order within sessions and from each write to the reads that saw it, and what follows. With unique values
a history is causally consistent exactly if it shows none of

* *ThinAirRead*: a read of a value that nobody wrote;
* *CyclicCO*: an access that precedes itself;
* *WriteCOInitRead*: a read that saw nothing, with a write to its register in its past;
* *WriteCORead*: a read that saw a write, with a later write to its register in its past;

and causally convergent (all replicas settle on one order of writes) if besides there is no

* *CyclicCF*: a cycle of causal order and of *conflicts*: a write in the past of a read stands before the one that the read saw.

Of the writes of a session to a register only the last one in the past of a read needs to be looked at (see `clocks`), so everything
takes time in proportion to accesses and sessions.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from harness.checkers.acyclic import ordered
from harness.checkers.causal.accesses import INITIAL, THIN_AIR, WRITE, Accesses
from harness.checkers.causal.clocks import Clocks, Overtaken

__all__ = ["Pattern", "causal_edges", "conflict_cycle", "consistency"]


class Pattern(msgspec.Struct, frozen=True):
    """One bad pattern. `accesses` are those that it is made of: a read alone, the way round a cycle, or the write that should
    have been seen no more, the one that hides it, and the read.
    """

    name: str
    accesses: tuple[int, ...]


def causal_edges(accesses: Accesses) -> Iterator[tuple[int, int]]:
    """What directly precedes what."""
    for access in range(len(accesses)):
        for before in accesses.before(access):
            yield before, access


def consistency(accesses: Accesses) -> tuple[list[Pattern], Clocks | None, Overtaken | None]:
    """The patterns that causal consistency forbids; clocks and what reads overtook, unless there is a cycle."""
    found = [
        Pattern("ThinAirRead", (access,))
        for access, saw in enumerate(accesses.saw)
        if saw == THIN_AIR
    ]
    order = _in_time(accesses)
    if not order:
        order, cycle = ordered(len(accesses), causal_edges(accesses))
        if cycle:
            return [*found, Pattern("CyclicCO", tuple(cycle))], None, None
    clocks = Clocks(accesses, order)
    overtaken = clocks.overtaking(clocks.telling())
    return [*found, *_hidden(accesses, clocks, overtaken)], clocks, overtaken


def _in_time(accesses: Accesses) -> list[int]:
    """Writes as they were invoked and reads as they returned: a topological order, unless a read saw a write of its future."""
    operations = accesses.operations
    at = [
        one.called if saw == WRITE else one.returned
        for one, saw in zip(operations, accesses.saw, strict=True)
    ]
    if any(at[before] > at[access] for before, access in causal_edges(accesses)):
        return []
    return sorted(range(len(accesses)), key=at.__getitem__)


def _hidden(accesses: Accesses, clocks: Clocks, overtaken: Overtaken) -> Iterator[Pattern]:
    """Reads that saw what a write in their past had hidden; one pattern for each."""
    saw = np.array(accesses.saw, np.int64)[overtaken.reads]
    hidden = saw == INITIAL
    known = np.flatnonzero(saw >= 0)
    hidden[known] = clocks.precedes(saw[known], overtaken.writes[known])
    told: dict[int, None] = {}
    for place in np.flatnonzero(hidden).tolist():
        read, write = int(overtaken.reads[place]), int(overtaken.writes[place])
        if read in told:
            continue
        told[read] = None
        if saw[place] == INITIAL:
            yield Pattern("WriteCOInitRead", (write, read))
        else:
            yield Pattern("WriteCORead", (int(saw[place]), write, read))


def conflict_cycle(accesses: Accesses, clocks: Clocks, overtaken: Overtaken) -> list[Pattern]:
    """A cycle of causal order and conflicts, if there is one."""
    saw = np.array(accesses.saw, np.int64)[overtaken.reads]
    known = saw >= 0
    wide = len(accesses)
    first, second = np.divmod(np.unique(overtaken.writes[known] * wide + saw[known]), wide)
    if (clocks.place[first] < clocks.place[second]).all():
        return []
    conflicts = zip(first.tolist(), second.tolist(), strict=True)
    _, cycle = ordered(len(accesses), [*causal_edges(accesses), *conflicts])
    return [Pattern("CyclicCF", tuple(cycle))] if cycle else []
