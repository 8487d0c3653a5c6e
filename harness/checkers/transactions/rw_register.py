"""Registers that are written and read: the order of versions is inferred, as far as anything shows it.

A version is a key's initial null, or what one write made (`Writes`). It comes before another one of its key when

* a transaction wrote the later one after it had read or written the earlier one (writes follow reads);
* the store reported their numbers (the fourth item of a micro-operation), and nothing lies between them;
* the key's operations were ordered by their process, or by real time, and the store claims that for single keys;
* it is the initial one, and the later one has no other predecessor.

Only the next versions are kept for each: the interval order of real time is reduced transitively (Fishburn 1985), key by key,
which leaves as many edges as there are overlapping operations and never all pairs.

Dependencies: wr from writer to reader; for each pair of versions ww between the writers, rw from the readers of the earlier to the
writer of the later. A transaction does not depend on itself (`EdgeBuilder.fan`). Nothing is inferred from keys whose
versions go round in a circle; that is an anomaly of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec
import numpy as np

from harness.checkers.transactions.anomalies import (
    NAMED_MAX,
    Anomaly,
    Inferred,
    labels,
    say,
)
from harness.checkers.transactions.components import components, suspects
from harness.checkers.transactions.graph import RW, WR, WW, EdgeBuilder, Graph
from harness.checkers.transactions.transactions import (
    FAIL,
    INFINITY,
    NIL,
    NO_VERSION,
    OK,
    READ,
    WRITE,
    Flags,
    Integers,
    Transactions,
)
from harness.checkers.transactions.versions import NOBODY, Groups, Writes, group, spans

__all__ = ["KeyOrder", "Versions", "dependencies", "infer", "versions_of"]

KeyOrder = Literal["unknown", "process", "realtime"]
"""What orders the operations of a single key: nothing that is known, each process (sequential), real time (linearizable)."""


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """The version that each micro-operation read or wrote, `NOBODY` when unknown.

    The initial version of key k is k; the one that micro-operation p wrote is `keys` + p.
    """

    keys: int
    version: Integers

    def writer(self, version: Integers) -> Integers:
        """Return the micro-operations that wrote versions, `NOBODY` for initial and unknown ones."""
        return np.where(version >= self.keys, version - self.keys, NOBODY)


def infer(
    transactions: Transactions, versions: Versions, key_order: KeyOrder
) -> tuple[Inferred, tuple[Integers, Integers]]:
    """Return dependencies and direct anomalies, and the pairs of versions (earlier, later) that they follow from."""
    groups, final = group(transactions)
    earlier, later = _version_order(transactions, versions, groups, key_order)
    earlier, later, circles = _without_circles(transactions, versions, earlier, later)
    anomalies = [
        *_direct(transactions, versions, final),
        *_inside(transactions, versions, groups),
        *_dirty_updates(transactions, versions, groups),
        *_lost_updates(transactions, versions, groups),
        *circles,
    ]
    pairs = (earlier, later)
    return Inferred(dependencies(transactions, versions, pairs), anomalies), pairs


def versions_of(transactions: Transactions, writes: Writes) -> Versions:
    """Return which version each micro-operation read or wrote."""
    keys = len(transactions.keys)
    known = transactions.status[transactions.transaction] == OK
    version = np.full(len(transactions.f), NOBODY, np.int64)
    written = np.flatnonzero(transactions.f == WRITE)
    version[written] = keys + written
    read = np.flatnonzero((transactions.f == READ) & known)
    key, value = transactions.key[read], transactions.value[read]
    found = writes.find(key, value)
    version[read] = np.where(value == NIL, key, np.where(found >= 0, keys + found, NOBODY))
    return Versions(keys=keys, version=version)


def _first(flags: Flags) -> list[int]:
    found: list[int] = np.flatnonzero(flags)[:NAMED_MAX].tolist()
    return found


def _of(transactions: Transactions, *positions: int) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(transactions.transaction[position]) for position in positions))


def _direct(transactions: Transactions, versions: Versions, final: Flags) -> Iterator[Anomaly]:
    """Find reads of what nobody wrote, of what failed, and of what was overwritten by its own writer."""
    row = transactions.transaction
    reading = (transactions.f == READ) & (transactions.status[row] == OK)
    writer = np.where(reading, versions.writer(versions.version), NOBODY)
    for read in _first(reading & (versions.version < 0)):
        what = f"{say(transactions, read)}, which nobody ever wrote"
        yield Anomaly(name="phantom", transactions=_of(transactions, read), what=what)
    foreign = (writer >= 0) & (row[writer] != row)
    failed = transactions.status[row[writer]] == FAIL
    for read in _first(foreign & failed):
        write = int(writer[read])
        what = f"{say(transactions, read)}, but {say(transactions, write)} and failed"
        yield Anomaly(name="G1a", transactions=_of(transactions, read, write), what=what)
    for read in _first(foreign & ~failed & ~final[writer]):
        write = int(writer[read])
        what = f"{say(transactions, read)}, but {say(transactions, write)} before a further value"
        yield Anomaly(name="G1b", transactions=_of(transactions, read, write), what=what)


def _inside(transactions: Transactions, versions: Versions, groups: Groups) -> Iterator[Anomaly]:
    """Find reads that differ from what their transaction did before, or saw what it did only later."""
    position = groups.position
    index = np.arange(len(position))
    version = versions.version[position]
    follows = groups.reading & (index > groups.first)
    for at in _first(follows & (version != np.roll(version, 1))):
        before, read = int(position[at - 1]), int(position[at])
        what = f"{say(transactions, before)}, then {say(transactions, read)}"
        yield Anomaly(name="internal", transactions=_of(transactions, read), what=what)
    writer = versions.writer(version)
    row = transactions.transaction
    early = groups.reading & (writer > position) & (row[writer] == row[position])
    for at in _first(early):
        read = int(position[at])
        what = f"{say(transactions, read)} before it wrote that value"
        yield Anomaly(name="future-read", transactions=_of(transactions, read), what=what)


def _dirty_updates(
    transactions: Transactions, versions: Versions, groups: Groups
) -> Iterator[Anomaly]:
    """Find committed transactions that overwrote what they had read of a failed one."""
    position = groups.position
    status = transactions.status[transactions.transaction]
    writer = np.where(groups.reading, versions.writer(versions.version[position]), NOBODY)
    dirty = groups.reading & (writer >= 0) & (status[writer] == FAIL)
    previous = groups.before(dirty)
    committed = (transactions.f[position] == WRITE) & (status[position] == OK)
    for number in _first(committed & (previous >= 0)):
        write, read = int(position[number]), int(position[previous[number]])
        failed = int(writer[previous[number]])
        what = f"{say(transactions, write)} after it {say(transactions, read).split(' ', 1)[1]}, but {say(transactions, failed)} and failed"
        yield Anomaly(name="dirty-update", transactions=_of(transactions, failed, write), what=what)


def _lost_updates(
    transactions: Transactions, versions: Versions, groups: Groups
) -> Iterator[Anomaly]:
    """Find versions that several transactions read and then overwrote."""
    start = np.unique(groups.first)
    read = groups.position[start]
    writing = np.zeros(len(start), np.bool_)
    if len(start):
        writing = np.logical_or.reduceat(transactions.f[groups.position] == WRITE, start)
    read = read[writing & groups.reading[start] & (versions.version[read] >= 0)]
    version = versions.version[read]
    order = np.argsort(version, kind="stable")
    read = read[order]
    low, high = spans(version[order])
    for at in _first(high - low > 1):
        rows = _of(transactions, *read[low[at] : high[at]].tolist())
        key, value = transactions.micro_operation(int(read[low[at]]))[1:]
        what = f"{labels(rows)} all read key {key!r} as {value!r} and wrote to it"
        yield Anomaly(name="lost-update", transactions=rows[:NAMED_MAX], what=what)


def _version_order(
    transactions: Transactions, versions: Versions, groups: Groups, key_order: KeyOrder
) -> tuple[Integers, Integers]:
    """Return pairs of versions (earlier, later), each once."""
    pairs = [
        _inside_transactions(transactions, versions, groups),
        _as_reported(transactions, versions),
    ]
    if key_order != "unknown":
        touched = _touched(transactions, versions)
        ordering = _by_process if key_order == "process" else _by_real_time
        pairs.append(ordering(transactions, versions, *touched))
    earlier = np.concatenate([pair[0] for pair in pairs])
    later = np.concatenate([pair[1] for pair in pairs])
    there = (earlier >= 0) & (later >= 0) & (earlier != later)
    earlier, later = earlier[there], later[there]
    written = np.flatnonzero(
        (transactions.f == WRITE)
        & (transactions.status[transactions.transaction] != FAIL)
        & ~np.isin(np.arange(len(transactions.f)) + versions.keys, later)
    )
    earlier = np.concatenate((earlier, transactions.key[written]))
    later = np.concatenate((later, written + versions.keys))
    width = versions.keys + len(transactions.f) + 1
    code = np.unique(earlier * width + later)
    return code // width, code % width


def _inside_transactions(
    transactions: Transactions, versions: Versions, groups: Groups
) -> tuple[Integers, Integers]:
    """Each write of a transaction comes behind what it did with the key before."""
    position = groups.position
    done = transactions.status[transactions.transaction[position]] != FAIL
    writes = (transactions.f[position] == WRITE) & done
    at = np.flatnonzero(writes & (np.arange(len(position)) > groups.first))
    return versions.version[position[at - 1]], versions.version[position[at]]


def _as_reported(transactions: Transactions, versions: Versions) -> tuple[Integers, Integers]:
    """Versions with reported numbers come in the order of their numbers."""
    status = transactions.status[transactions.transaction]
    at = np.flatnonzero((transactions.version != NO_VERSION) & (status == OK))
    order = np.lexsort((transactions.version[at], transactions.key[at]))
    at = at[order]
    same = transactions.key[at[1:]] == transactions.key[at[:-1]]
    rising = same & (transactions.version[at[1:]] > transactions.version[at[:-1]])
    return versions.version[at[:-1][rising]], versions.version[at[1:][rising]]


def _touched(transactions: Transactions, versions: Versions) -> tuple[Integers, Integers]:
    """Return for each key of each committed transaction its first and its last micro-operation on it."""
    pair = transactions.transaction * max(versions.keys, 1) + transactions.key
    status = transactions.status[transactions.transaction]
    at = np.flatnonzero((status == OK) & (versions.version >= 0))
    at = at[np.argsort(pair[at], kind="stable")]
    start, end = spans(pair[at])
    return at[start], at[end - 1]


def _by_process(
    transactions: Transactions, versions: Versions, first: Integers, last: Integers
) -> tuple[Integers, Integers]:
    """Order the operations on a key of one process."""
    row = transactions.transaction[first]
    process, key = transactions.process[row], transactions.key[first]
    order = np.lexsort((transactions.called[row], key, process))
    same = (process[order][1:] == process[order][:-1]) & (key[order][1:] == key[order][:-1])
    return (
        versions.version[last[order][:-1][same]],
        versions.version[first[order][1:][same]],
    )


def _by_real_time(
    transactions: Transactions, versions: Versions, first: Integers, last: Integers
) -> tuple[Integers, Integers]:
    """Order the operations on a key by real time, next before next.

    What returned before an operation was called precedes it; it is the *next* before it unless something fits between:
    a call after its return that itself returned in time.
    """
    row = transactions.transaction[first]
    shift = transactions.key[first] * (len(transactions.process) * 2 + 2)
    event = np.concatenate((transactions.called[row], transactions.returned[row]))
    dense = np.unique(event, return_inverse=True)[1]
    called, returned = dense[: len(row)] + shift, dense[len(row) :] + shift
    order = np.argsort(returned)
    by_return = returned[order]
    latest_call = np.maximum.accumulate(called[order]) if len(order) else called
    high = np.searchsorted(by_return, called)
    bound = np.where(high > 0, latest_call[np.maximum(high - 1, 0)], 0)
    bound = np.maximum(bound, shift)
    low = np.minimum(np.searchsorted(by_return, bound), high)
    count = high - low
    target = np.repeat(np.arange(len(row)), count)
    within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    source = order[np.repeat(low, count) + within]
    return versions.version[last[source]], versions.version[first[target]]


def _without_circles(
    transactions: Transactions, versions: Versions, earlier: Integers, later: Integers
) -> tuple[Integers, Integers, list[Anomaly]]:
    """Leave out the keys whose versions precede themselves; each is an anomaly."""
    builder = EdgeBuilder(versions.keys + len(transactions.f))
    builder.add(WW, earlier, later)
    row = transactions.transaction
    origin = np.zeros(versions.keys, np.int64)
    as_transactions = msgspec.structs.replace(
        transactions,
        called=np.concatenate((origin, transactions.called[row])),
        returned=np.full(versions.keys + len(row), INFINITY),
    )
    suspected = suspects(builder.graph(), as_transactions)
    edges = suspected.edges
    circles = components(len(suspected.nodes), edges.source, edges.target)
    if not circles:
        return earlier, later, []
    anomalies, bad = [], []
    for circle in circles:
        members = suspected.nodes[circle]
        writer = versions.writer(members)
        key = int(members[0]) if writer[0] < 0 else int(transactions.key[writer[0]])
        bad.append(key)
        written = writer[writer >= 0][:NAMED_MAX].tolist()
        values = ", ".join(repr(transactions.name(int(transactions.value[p]))) for p in written)
        what = f"key {transactions.keys[key]!r}: each of the values {values} would have to come before the others"
        rows = _of(transactions, *written)
        anomalies.append(Anomaly(name="cyclic-versions", transactions=rows, what=what))
    key_of = np.concatenate((np.arange(versions.keys), transactions.key))
    kept = ~np.isin(key_of[earlier], bad)
    return earlier[kept], later[kept], anomalies[:NAMED_MAX]


def dependencies(
    transactions: Transactions, versions: Versions, pairs: tuple[Integers, Integers]
) -> Graph:
    """Return what follows from pairs of versions (earlier, later) and from the reads."""
    builder = EdgeBuilder(len(transactions.process))
    row = transactions.transaction
    status = transactions.status[row]
    reader = np.flatnonzero((transactions.f == READ) & (status == OK) & (versions.version >= 0))
    version = versions.version[reader]
    writer = versions.writer(version)
    followed = (writer >= 0) & (status[writer] != FAIL)
    builder.add(
        WR, row[writer[followed]], row[reader[followed]], writer[followed], reader[followed]
    )
    foreign = (writer < 0) | (row[writer] != row[reader])
    reader, version = reader[foreign], version[foreign]
    written = np.flatnonzero((transactions.f == WRITE) & (status != FAIL))
    earlier, later = pairs
    behind = versions.writer(later)
    real = (behind >= 0) & (status[behind] != FAIL)
    builder.fan(
        np.concatenate((np.full(len(reader), RW, np.int8), np.full(len(written), WW, np.int8))),
        (
            np.concatenate((version, versions.keys + written)),
            np.concatenate((row[reader], row[written])),
            np.concatenate((reader, written)),
        ),
        (earlier[real], row[behind[real]], behind[real]),
    )
    return builder.graph()
