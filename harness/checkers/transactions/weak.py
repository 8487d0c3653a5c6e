"""Weak models of registers whose order of versions nobody knows: is there *any* order of commits that fits?

Biswas & Enea (2019) state these models as one rule: a transaction T1 that wrote a key and is visible to a reader of that key
must have committed before T2, the one whose value the reader saw. A model says what is visible:

* ``monotonic-atomic-view``: what the same transaction has read from before (their *read committed*);
* ``read-atomic``: what the transaction reads from anywhere;
* causal, with sessions: all that precedes it by reading and by process order.

Some order fits iff these edges, reading and (for causal) process order form no cycle. Few of the edges are needed (AWDIT,
Møldrup & Pavlogiannis 2025): of the visible writers of a key the latest of each process, as the others precede it, and none that
precedes T2 anyway. What precedes what is a vector clock per transaction, one entry a process.

The strongest rule is tried first, for it catches all; only when it finds something it is asked which is the weakest.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import msgspec
import numpy as np

from harness.checkers.transactions.anomalies import NAMED_MAX, Anomaly, label, say
from harness.checkers.transactions.components import forward_order, suspects
from harness.checkers.transactions.cycles import find_cycles
from harness.checkers.transactions.graph import VISIBLE, WR, EdgeBuilder
from harness.checkers.transactions.rw_register import Versions, versions_of
from harness.checkers.transactions.transactions import FAIL, OK, READ, WRITE, Transactions
from harness.checkers.transactions.versions import NOBODY, Writes

__all__ = ["clocks_fit", "find_weak"]

_CLOCK_CELLS_MAX = 1 << 27
"""Entries of all vector clocks together (a gigabyte); histories with more are not judged for causality."""

_INITIAL = -1
"""The transaction that wrote the initial versions."""


class _Read(msgspec.Struct, frozen=True, gc=False):
    """A read of another transaction's write: micro-operation, key, and the transaction it reads from."""

    position: int
    key: int
    source: int


class _Facts(msgspec.Struct, frozen=True):
    """Who read from whom, and who wrote what.

    `reads` has an entry for each transaction; `wrote` maps transaction * `keys` + key to the last such write.
    """

    transactions: Transactions
    keys: int
    reads: list[list[_Read]]
    wrote: dict[int, int]


Visible = tuple[int, _Read]
"""The write of a visible transaction, and the read that must follow from it."""


def clocks_fit(transactions: Transactions) -> bool:
    """Whether the history is small enough to be judged for causality."""
    processes = len(np.unique(transactions.process))
    return processes * len(transactions.process) <= _CLOCK_CELLS_MAX


def find_weak(transactions: Transactions, writes: Writes, *, sessions: bool) -> list[Anomaly]:
    """Return cycles of the weakest model that cannot hold; with `sessions` causality is judged too (see `clocks_fit`)."""
    facts = _facts(transactions, versions_of(transactions, writes))
    if sessions:
        causal = _violations(facts, "causal-cycle-process", _causally_visible(facts))
        if not causal:
            return []
    else:
        causal = []
    atomic = _violations(facts, "read-atomic-cycle", _read_from(facts))
    if not atomic:
        return causal
    return _violations(facts, "monotonic-atomic-view-cycle", _read_before(facts)) or atomic


def _facts(transactions: Transactions, versions: Versions) -> _Facts:
    row, keys = transactions.transaction, max(versions.keys, 1)
    status = transactions.status[row]
    pair = row * keys + transactions.key
    written = np.flatnonzero((transactions.f == WRITE) & (status != FAIL))
    wrote = dict(zip(pair[written].tolist(), written.tolist(), strict=True))
    first = np.zeros(len(row), np.bool_)
    first[np.unique(pair, return_index=True)[1]] = True
    writer = versions.writer(versions.version)
    sound = (writer < 0) | ((status[writer] != FAIL) & (row[writer] != row))
    chosen = first & sound & (transactions.f == READ) & (status == OK) & (versions.version >= 0)
    position = np.flatnonzero(chosen)
    source = np.where(writer[position] < 0, _INITIAL, row[writer[position]])
    reads: list[list[_Read]] = [[] for _ in range(len(transactions.process))]
    columns = (row[position], position, transactions.key[position], source)
    for reader, at, key, origin in zip(*(column.tolist() for column in columns), strict=True):
        reads[reader].append(_Read(at, key, origin))
    return _Facts(transactions, keys, reads, wrote)


def _read_before(facts: _Facts) -> Iterator[Visible]:
    """Visible is what the same transaction has read from before."""
    for reads in facts.reads:
        for number, read in enumerate(reads):
            yield from _writes_among(facts, reads[:number], read)


def _read_from(facts: _Facts) -> Iterator[Visible]:
    """Visible is what the same transaction reads from."""
    for reads in facts.reads:
        if len(reads) > 1:
            for read in reads:
                yield from _writes_among(facts, reads, read)


def _writes_among(facts: _Facts, visible: list[_Read], read: _Read) -> Iterator[Visible]:
    for other in visible:
        if other.source not in (_INITIAL, read.source):
            write = facts.wrote.get(other.source * facts.keys + read.key, NOBODY)
            if write != NOBODY:
                yield write, read


def _causally_visible(facts: _Facts) -> Iterator[Visible]:
    """Visible is all that precedes by reading and process order; the latest of each process."""
    transactions = facts.transactions
    process = np.unique(transactions.process, return_inverse=True)[1].tolist()
    width = max(process, default=-1) + 1
    number, before = _in_sessions(process, width)
    order = _in_causal_order(facts, before)
    writers: dict[int, dict[int, tuple[list[int], list[int]]]] = {}
    for pair, position in facts.wrote.items():
        row, key = divmod(pair, facts.keys)
        numbers, positions = writers.setdefault(key, {}).setdefault(process[row], ([], []))
        numbers.append(number[row])
        positions.append(position)
    clocks = np.zeros((len(process), width), np.int64)
    for row in order:
        clock = clocks[row]
        if before[row] != NOBODY:
            clock[:] = clocks[before[row]]
        for read in facts.reads[row]:
            if read.source != _INITIAL:
                np.maximum(clock, clocks[read.source], out=clock)
        seen = clock.tolist()
        for read in facts.reads[row]:
            known = clocks[read.source].tolist() if read.source != _INITIAL else None
            for session, (numbers, positions) in writers.get(read.key, {}).items():
                latest = bisect_left(numbers, seen[session]) - 1
                if latest >= 0 and (known is None or numbers[latest] >= known[session]):
                    yield positions[latest], read
        clock[process[row]] = number[row] + 1


def _in_sessions(process: list[int], width: int) -> tuple[list[int], list[int]]:
    """Return each transaction's number in its process, and the one before it there."""
    number: list[int] = []
    before: list[int] = []
    last = [NOBODY] * width
    for row, session in enumerate(process):
        before.append(last[session])
        number.append(0 if last[session] == NOBODY else number[last[session]] + 1)
        last[session] = row
    return number, before


def _in_causal_order(facts: _Facts, before: list[int]) -> list[int]:
    """Return the transactions so that each stands behind what precedes it; none when that goes round in a circle."""
    pairs = [
        (read.source, row)
        for row, reads in enumerate(facts.reads)
        for read in reads
        if read.source != _INITIAL
    ]
    pairs += [(earlier, row) for row, earlier in enumerate(before) if earlier != NOBODY]
    columns = np.array(pairs, np.int64).reshape(-1, 2)
    builder = EdgeBuilder(len(before))
    builder.add(WR, columns[:, 0], columns[:, 1])
    order = forward_order(builder.graph(), facts.transactions)
    if order is not None:
        return order
    sorter: TopologicalSorter[int] = TopologicalSorter(dict.fromkeys(range(len(before)), ()))
    for earlier, later in pairs:
        sorter.add(later, earlier)
    try:
        return list(sorter.static_order())
    except CycleError:
        return []  # a G1c or G1c-process, which is told without us


def _violations(facts: _Facts, name: str, visible: Iterator[Visible]) -> list[Anomaly]:
    """Return the cycles that visible writes close, each under `name`."""
    transactions = facts.transactions
    row = transactions.transaction
    pairs = list(visible)
    initial = [(write, read) for write, read in pairs if read.source == _INITIAL]
    anomalies = [_missed(transactions, name, write, read) for write, read in initial[:NAMED_MAX]]
    ordered = [(write, read) for write, read in pairs if read.source != _INITIAL]
    builder = EdgeBuilder(len(transactions.process))
    write = np.array([write for write, _ in ordered], np.int64)
    builder.add(
        VISIBLE,
        row[write],
        np.array([read.source for _, read in ordered], np.int64),
        write,
        np.array([read.position for _, read in ordered], np.int64),
    )
    seen = [read for reads in facts.reads for read in reads if read.source != _INITIAL]
    reader = np.array([read.position for read in seen], np.int64)
    source = np.array([read.source for read in seen], np.int64)
    origin = [facts.wrote[read.source * facts.keys + read.key] for read in seen]
    builder.add(WR, source, row[reader], np.array(origin, np.int64), reader)
    endings = ("", "-process") if name.endswith("-process") else ("",)
    found = find_cycles(suspects(builder.graph(), transactions), transactions, endings)
    for cycle in found.cycles:
        readers = [int(row[step.target_position]) for step in cycle.steps if step.kind == VISIBLE]
        if readers:
            rows = tuple(dict.fromkeys((*cycle.transactions, *readers)))
            anomalies.append(Anomaly(name=name, transactions=rows, steps=cycle.steps))
    return anomalies[:NAMED_MAX]


def _missed(transactions: Transactions, name: str, write: int, read: _Read) -> Anomaly:
    writer, reader = (int(transactions.transaction[at]) for at in (write, read.position))
    what = f"{say(transactions, write)}, {label(reader)} saw {label(writer)}, and still {say(transactions, read.position)}"
    return Anomaly(name=name, transactions=(writer, reader), what=what)
