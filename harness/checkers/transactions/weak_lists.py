"""Weak models of lists: who saw a transaction, and still missed what it appended elsewhere?

A read of a list shows the transactions of all its elements, not only the last one (the register's rule in `weak`): appends are seen,
not overwritten. What a transaction must not miss is what is visible to it (Cerone, Bernardi & Gotsman 2015, Biswas & Enea 2019):

* ``monotonic-atomic-view-cycle``: of transactions that one of its earlier reads shows;
* ``read-atomic-cycle``: of those that any of its reads shows; ``-process``: or that ran before it in its process;
* ``causal-cycle``: of those that precede it by showing; ``-process``: by showing and process order.

The order of versions is known, so an append that is missed stands behind what was read, and each of these is a cycle of the
dependencies: only transactions that are on a cycle are looked at. Each is told by the weakest name it deserves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import msgspec
import numpy as np

from harness.checkers.transactions.anomalies import NAMED_MAX, Anomaly, Step
from harness.checkers.transactions.graph import PROCESS, RW, WR
from harness.checkers.transactions.list_versions import Order, Reads
from harness.checkers.transactions.transactions import INFO, OK, WRITE, Integers, Transactions
from harness.checkers.transactions.versions import NOBODY

__all__ = ["find_weak"]

_ROWS_MAX = 20_000
"""Transactions whose precedence is kept, a bit for each pair (50 megabytes)."""

_NAMES = (
    "monotonic-atomic-view-cycle",
    "read-atomic-cycle",
    "read-atomic-cycle-process",
    "causal-cycle",
    "causal-cycle-process",
)
"""Weakest model first."""


class _Shown(msgspec.Struct, frozen=True, gc=False):
    """One transaction that a read shows: its first append among the elements, and the read."""

    append: int
    read: int


class _Facts(msgspec.Struct, frozen=True):
    """The suspected transactions; all lists and dictionaries speak of their numbers, from 0.

    `shown` has for each the transactions it sees, `before` the one that its process ran before (`NOBODY`: none), `reads`
    its (read, key, length).
    """

    rows: list[int]
    shown: list[dict[int, _Shown]]
    before: list[int]
    reads: list[list[tuple[int, int, int]]]


def find_weak(
    transactions: Transactions, order: Order, reads: Reads, suspected: Integers, *, sessions: bool
) -> tuple[list[Anomaly], bool]:
    """Return the cycles, and whether all of the `suspected` transactions were looked at.

    With `sessions` process order counts.
    """
    rows = suspected[:_ROWS_MAX]
    if not len(rows):
        return [], True
    facts = _facts(transactions, order, reads, rows)
    behind = _Behind(transactions, order, facts.rows)
    visible = [_precedence(facts, with_process=False)]
    if sessions:
        visible.append(_precedence(facts, with_process=True))
    found: dict[str, list[Anomaly]] = {name: [] for name in _NAMES}
    for number in range(len(facts.rows)):
        worst = _worst(facts, number, behind, visible)
        if worst is None:
            continue
        name, read, missed, append = worst
        if len(found[name]) < NAMED_MAX:
            steps = _way(facts, missed, number, name)
            last = Step(RW, facts.rows[number], facts.rows[missed], read, append)
            told = tuple(step.source for step in (*steps, last))
            found[name].append(Anomaly(name=name, transactions=told, steps=(*steps, last)))
    anomalies = [anomaly for name in _NAMES for anomaly in found[name]]
    return anomalies, len(rows) == len(suspected)


def _facts(transactions: Transactions, order: Order, reads: Reads, rows: Integers) -> _Facts:
    number_of = np.full(len(transactions.process), NOBODY, np.int64)
    number_of[rows] = np.arange(len(rows))
    number = number_of[transactions.transaction[reads.position]]
    chosen = np.flatnonzero(reads.fits & (number >= 0))
    shown: list[dict[int, _Shown]] = [{} for _ in rows]
    of_each: list[list[tuple[int, int, int]]] = [[] for _ in rows]
    for at in chosen.tolist():
        read, key, length = (
            int(column[at]) for column in (reads.position, reads.key, reads.length)
        )
        reader = int(number[at])
        of_each[reader].append((read, key, length))
        start = int(order.start[key])
        writers = order.writer[start : start + length]
        for append in writers[writers >= 0].tolist():
            writer = int(number_of[transactions.transaction[append]])
            if writer not in (NOBODY, reader):
                shown[reader].setdefault(writer, _Shown(append, read))
    last: dict[int, int] = {}
    before = []
    for at, process in enumerate(transactions.process[rows].tolist()):
        before.append(last.get(process, NOBODY))
        last[process] = at
    return _Facts(rows.tolist(), shown, before, of_each)


class _Behind:
    """Knows what stands behind the first elements of a list."""

    def __init__(self, transactions: Transactions, order: Order, rows: list[int]) -> None:
        numbers = {row: number for number, row in enumerate(rows)}
        self._places: dict[int, list[tuple[int, int, int]]] = {}
        exists = transactions.status == OK
        seen = transactions.transaction[order.place >= 0]
        exists[seen[transactions.status[seen] == INFO]] = True
        for row in rows:
            begin, end = transactions.begin[row : row + 2].tolist()
            for position in range(begin, end):
                if transactions.f[position] == WRITE and exists[row]:
                    place = int(order.place[position])
                    key = int(transactions.key[position])
                    late = place if place != NOBODY else 1 << 60
                    self._places.setdefault(key, []).append((late, numbers[row], position))
        for places in self._places.values():
            places.sort(reverse=True)

    def missed(self, key: int, length: int) -> Iterator[tuple[int, int]]:
        """Yield (number, append) of what comes behind the first `length` elements."""
        for place, number, position in self._places.get(key, ()):
            if place < length:
                break
            yield number, position


def _precedence(facts: _Facts, *, with_process: bool) -> list[int]:
    """Return for each the set of those that precede it, as bits; empty sets where it goes round in a circle."""
    sorter: TopologicalSorter[int] = TopologicalSorter()
    for number, shown in enumerate(facts.shown):
        sorter.add(number, *shown)
        if with_process and facts.before[number] != NOBODY:
            sorter.add(number, facts.before[number])
    sets = [0] * len(facts.rows)
    try:
        order = list(sorter.static_order())
    except CycleError:
        return sets  # a G1c, which is told without us
    for number in order:
        earlier = list(facts.shown[number])
        if with_process and facts.before[number] != NOBODY:
            earlier.append(facts.before[number])
        known = 0
        for one in earlier:
            known |= sets[one] | 1 << one
        sets[number] = known
    return sets


def _worst(
    facts: _Facts, number: int, behind: _Behind, visible: list[list[int]]
) -> tuple[str, int, int, int] | None:
    """Return (name, read, whom it missed, which append) of the weakest model that a transaction breaks."""
    shown = facts.shown[number]
    sessions = len(visible) > 1
    ran_before = _process_of(facts, number) if sessions else frozenset()
    worst: tuple[int, int, int, int] | None = None
    for read, key, length in facts.reads[number]:
        for missed, append in behind.missed(key, length):
            if missed == number:
                continue
            if missed in shown:
                level = 0 if shown[missed].read < read else 1
            elif missed in ran_before:
                level = 2
            elif visible[0][number] >> missed & 1:
                level = 3
            elif sessions and visible[1][number] >> missed & 1:
                level = 4
            else:
                continue
            if worst is None or level < worst[0]:
                worst = level, read, missed, append
    return worst and (_NAMES[worst[0]], *worst[1:])


def _process_of(facts: _Facts, number: int) -> frozenset[int]:
    """Return those that its process ran before."""
    earlier = []
    while (number := facts.before[number]) != NOBODY:
        earlier.append(number)
    return frozenset(earlier)


def _way(facts: _Facts, source: int, target: int, name: str) -> tuple[Step, ...]:
    """Return the shortest way on which `source` precedes `target`."""
    came: dict[int, tuple[int, Step]] = {}
    waiting = deque([target])
    while source not in came:
        number = waiting.popleft()
        steps = {
            earlier: Step(WR, facts.rows[earlier], facts.rows[number], one.append, one.read)
            for earlier, one in facts.shown[number].items()
        }
        if name.endswith("-process"):
            for earlier in _process_of(facts, number):
                steps.setdefault(
                    earlier,
                    Step(PROCESS, facts.rows[earlier], facts.rows[number], NOBODY, NOBODY),
                )
        for earlier in sorted(steps):
            if earlier not in came:
                came[earlier] = (number, steps[earlier])
                waiting.append(earlier)
    way = []
    while source != target:
        source, step = came[source]
        way.append(step)
    return tuple(way)
