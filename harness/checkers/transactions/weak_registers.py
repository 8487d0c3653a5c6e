"""Weak models of registers whose order of versions nobody knows: is there *any* order of commits that fits?

Biswas & Enea (2019) state these models as one rule: a transaction T1 that wrote a key and is visible to a reader of that key
must have committed before T2, the one whose value the reader saw. A model says what is visible:

* ``monotonic-atomic-view-cycle``: what the same transaction has read from before (their *read committed*);
* ``read-atomic-cycle``: what the transaction reads from anywhere; ``-process``: and what its process ran before it;
* ``causal-cycle``: all that precedes it by reading; ``-process``: by reading and process order.

Some order fits iff these edges, reading and (for ``-process``) process order form no cycle. Few of the edges are needed (AWDIT,
Møldrup & Pavlogiannis 2025): of a transaction read from, either its writes or the reads are gone through, whichever are
fewer (O(n^1.5)); of the visible writers of a key the latest of each of k processes, as the others precede it, and none that
precedes T2 anyway (O(n k), a vector clock of k entries a transaction). Without sessions no writer precedes another of its
process, and what precedes what is a set of bits for each transaction.

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
from harness.checkers.transactions.rw_register import Versions
from harness.checkers.transactions.transactions import FAIL, OK, READ, WRITE, Transactions
from harness.checkers.transactions.versions import NOBODY

__all__ = ["find_weak"]

_CLOCK_CELLS_MAX = 1 << 27
"""Entries of all vector clocks together (a gigabyte); histories with more are not judged for causality."""

_SETS_MAX = 20_000
"""Transactions whose precedence without sessions is kept, a bit for each pair (50 megabytes)."""

_INITIAL = -1
"""The transaction that wrote the initial versions."""


class _Read(msgspec.Struct, frozen=True, gc=False):
    """A read of another transaction's write: micro-operation, key, and the transaction it reads from.

    `last` is the last micro-operation that reads the same there.
    """

    position: int
    key: int
    source: int
    last: int


class _Facts(msgspec.Struct, frozen=True):
    """Who read from whom, and who wrote what.

    `reads` and `written` have an entry for each transaction; `written` maps a key to its last write.
    """

    transactions: Transactions
    reads: list[list[_Read]]
    written: list[dict[int, int]]


Visible = tuple[int, _Read]
"""The write of a visible transaction, and the read that must follow from it."""


def find_weak(
    transactions: Transactions, versions: Versions, *, sessions: bool
) -> tuple[list[Anomaly], bool]:
    """Return cycles of the weakest models that cannot hold, and whether causality was judged.

    With `sessions` process order counts. A history that is too large for its precedence to be kept is not judged for causality.
    """
    facts = _facts(transactions, versions)
    count = len(transactions.process)
    if sessions:
        strongest, visible = "causal-cycle-process", _causally_visible
        fits = len(np.unique(transactions.process)) * count <= _CLOCK_CELLS_MAX
    else:
        strongest, visible = "causal-cycle", _visible_by_reading
        fits = count <= _SETS_MAX
    found = _violations(facts, strongest, visible(facts)) if fits else []
    if fits and not found:
        return [], True
    weaker = _violations(facts, "monotonic-atomic-view-cycle", _read_before(facts))
    weaker = weaker or _violations(facts, "read-atomic-cycle", _read_from(facts))
    if weaker or not sessions:
        return weaker or found, fits
    weaker = _violations(facts, "read-atomic-cycle-process", _read_from_or_run_before(facts))
    if count <= _SETS_MAX:
        weaker += _violations(facts, "causal-cycle", _visible_by_reading(facts))
    return weaker or found, fits


def _facts(transactions: Transactions, versions: Versions) -> _Facts:
    row = transactions.transaction
    status = transactions.status[row]
    pair = row * max(versions.keys, 1) + transactions.key
    written = np.flatnonzero((transactions.f == WRITE) & (status != FAIL))
    of_each: list[dict[int, int]] = [{} for _ in range(len(transactions.process))]
    writing = (row[written], transactions.key[written], written)
    for writer, key, position in zip(*(column.tolist() for column in writing), strict=True):
        of_each[writer][key] = position
    first = np.zeros(len(row), np.bool_)
    found, index, group = np.unique(pair, return_index=True, return_inverse=True)
    first[index] = True
    again = (transactions.f == READ) & (versions.version == versions.version[index[group]])
    last = np.zeros(len(found), np.int64)
    np.maximum.at(last, group[again], np.flatnonzero(again))
    writer = versions.writer(versions.version)
    sound = (writer < 0) | ((status[writer] != FAIL) & (row[writer] != row))
    chosen = first & sound & (transactions.f == READ) & (status == OK) & (versions.version >= 0)
    at = np.flatnonzero(chosen)
    source = np.where(writer[at] < 0, _INITIAL, row[writer[at]])
    reads: list[list[_Read]] = [[] for _ in range(len(transactions.process))]
    reading = (row[at], at, transactions.key[at], source, last[group[at]])
    for reader, *read in zip(*(c.tolist() for c in reading), strict=True):
        reads[reader].append(_Read(*read))
    return _Facts(transactions, reads, of_each)


def _read_before(facts: _Facts) -> Iterator[Visible]:
    """Visible is what the same transaction has read from before."""
    for reads in facts.reads:
        for source, write, read in _writes_of_sources(facts, reads):
            if reads[source].position < read.last:
                yield write, read


def _read_from(facts: _Facts) -> Iterator[Visible]:
    """Visible is what the same transaction reads from."""
    for reads in facts.reads:
        for _, write, read in _writes_of_sources(facts, reads):
            yield write, read


def _writes_of_sources(facts: _Facts, reads: list[_Read]) -> Iterator[tuple[int, int, _Read]]:
    """Yield (first read of a source, write of that source, read of the same key from another one)."""
    if len(reads) < 2:
        return
    of_key = {read.key: read for read in reads}
    first: dict[int, int] = {}
    for number, read in enumerate(reads):
        first.setdefault(read.source, number)
    first.pop(_INITIAL, None)
    for source, number in first.items():
        written = facts.written[source]
        smaller, larger = (written, of_key) if len(written) < len(of_key) else (of_key, written)
        for key in smaller:
            if key in larger and of_key[key].source != source:
                yield number, written[key], of_key[key]


def _read_from_or_run_before(facts: _Facts) -> Iterator[Visible]:
    """Visible is what the transaction reads from, and what its process ran before it."""
    yield from _read_from(facts)
    latest: dict[tuple[int, int], int] = {}
    for row, process in enumerate(facts.transactions.process.tolist()):
        for read in facts.reads[row]:
            write = latest.get((process, read.key), NOBODY)
            if write != NOBODY and facts.transactions.transaction[write] != read.source:
                yield write, read
        for key, write in facts.written[row].items():
            latest[process, key] = write


def _visible_by_reading(facts: _Facts) -> Iterator[Visible]:
    """Visible is all that precedes by reading."""
    order = _in_causal_order(facts, [NOBODY] * len(facts.reads))
    writers: dict[int, int] = {}
    for row, written in enumerate(facts.written):
        for key in written:
            writers[key] = writers.get(key, 0) | 1 << row
    before = [0] * len(facts.reads)
    for row in order:
        known = 0
        for read in facts.reads[row]:
            if read.source != _INITIAL:
                known |= before[read.source] | 1 << read.source
        before[row] = known
        for read in facts.reads[row]:
            seen = known & writers.get(read.key, 0)
            if read.source != _INITIAL:
                seen &= ~(before[read.source] | 1 << read.source)
            while seen:
                lowest = seen & -seen
                yield facts.written[lowest.bit_length() - 1][read.key], read
                seen ^= lowest


def _causally_visible(facts: _Facts) -> Iterator[Visible]:
    """Visible is all that precedes by reading and process order; the latest of each process."""
    transactions = facts.transactions
    process = np.unique(transactions.process, return_inverse=True)[1].tolist()
    width = max(process, default=-1) + 1
    number, before = _in_sessions(process, width)
    order = _in_causal_order(facts, before)
    writers: dict[int, dict[int, tuple[list[int], list[int]]]] = {}
    for row, written in enumerate(facts.written):
        for key, position in written.items():
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
    origin = [facts.written[read.source][read.key] for read in seen]
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
