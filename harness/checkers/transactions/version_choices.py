"""The orders of versions that a history leaves open, and the graph that follows once one is chosen. Nothing here judges.

Of a register everything is open that `rw_register` did not infer; of a list only the order of the appends that nobody saw. A
choice is a list of transactions for each open key, in the order in which their writes became its versions. To begin with, all keys
follow one order of the transactions: one that explains everything, where there is such a one (`version_witness`), else a guess
that is good where the store respects real time (`version_guess`).

Who ended indeterminate and was never seen may never have happened, and has no place in an order.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Protocol

import msgspec
import numpy as np

from harness.checkers.transactions import list_append, rw_register
from harness.checkers.transactions.graph import Graph
from harness.checkers.transactions.list_versions import Order, Reads, last_writers
from harness.checkers.transactions.rw_register import Versions
from harness.checkers.transactions.transactions import (
    INFO,
    OK,
    READ,
    WRITE,
    Flags,
    Integers,
    Transactions,
)
from harness.checkers.transactions.version_guess import guess
from harness.checkers.transactions.versions import NOBODY, spans

__all__ = ["Choices", "Orders", "of_lists", "of_registers"]

Orders = Mapping[int, list[int]]
"""Key -> transactions in the order of their versions."""


class Choices(Protocol):
    """What is open in a history."""

    first: Orders
    """The order to begin with, of every open key."""

    known: set[tuple[int, int, int]]
    """(key, earlier, later): transactions of open keys whose order is known."""

    def graph(self, orders: Orders) -> Graph:
        """Return the dependencies when these orders are chosen for the open keys."""

    def writer_read(self, position: int) -> int:
        """Return the transaction that wrote what a read saw, `NOBODY` for the initial version."""


class _Writers(msgspec.Struct, frozen=True):
    """Writes that have a place in an order: transaction, key and position, sorted by key, each key's in order of writing."""

    transaction: Integers
    key: Integers
    position: Integers


def _writers(transactions: Transactions, chosen: Flags) -> _Writers:
    position = np.flatnonzero(chosen)
    position = position[np.argsort(transactions.key[position], kind="stable")]
    return _Writers(transactions.transaction[position], transactions.key[position], position)


def _sorted(rows: list[int], place: Integers, known: set[tuple[int, int]]) -> list[int] | None:
    """Return `rows` by place, as far as the `known` pairs allow; None where those go round in a circle."""
    waits = dict.fromkeys(rows, 0)
    behind: dict[int, list[int]] = {row: [] for row in rows}
    for earlier, later in sorted(known):
        waits[later] += 1
        behind[earlier].append(later)
    ready = [(int(place[row]), row) for row in rows if not waits[row]]
    heapify(ready)
    order = []
    while ready:
        _, row = heappop(ready)
        order.append(row)
        for later in behind[row]:
            waits[later] -= 1
            if not waits[later]:
                heappush(ready, (int(place[later]), later))
    return order if len(order) == len(rows) else None


def _orders(
    key: Integers, row: Integers, place: Integers, known: set[tuple[int, int, int]]
) -> dict[int, list[int]]:
    """Return for each key its rows by place, as far as the `known` pairs allow; keys with a single order are left out."""
    pairs: dict[int, set[tuple[int, int]]] = {}
    for of_key, earlier, later in sorted(known):
        pairs.setdefault(of_key, set()).add((earlier, later))
    sequence = np.lexsort((place[row], key))
    key, row = key[sequence], row[sequence]
    start, end = spans(key)
    orders = {}
    for low, high in zip(start.tolist(), end.tolist(), strict=True):
        if high - low < 2:
            continue
        mine = pairs.get(int(key[low]), set())
        order: list[int] | None = row[low:high].tolist()
        if mine:
            order = _sorted(row[low:high].tolist(), place, mine)
        if order and any(pair not in mine for pair in pairwise(order)):
            orders[int(key[low])] = order
    return orders


class _OfRegisters:
    """The choices of registers."""

    def __init__(
        self,
        transactions: Transactions,
        versions: Versions,
        pairs: tuple[Integers, Integers],
        graph: Graph,
        place: Integers | None,
    ) -> None:
        row, keys = transactions.transaction, versions.keys
        self._transactions, self._versions = transactions, versions
        self._writer = versions.writer(versions.version)
        reading = (transactions.f == READ) & (self._writer >= 0)
        seen = np.zeros(len(transactions.process), np.bool_)
        foreign = reading & (row[self._writer] != row)
        seen[row[self._writer[foreign]]] = True
        exists = (transactions.status == OK) | ((transactions.status == INFO) & seen)
        writers = _writers(transactions, (transactions.f == WRITE) & exists[row])
        placed = np.zeros(len(row), np.bool_)
        placed[writers.position] = True
        before, behind = versions.writer(pairs[0]), versions.writer(pairs[1])
        both = (before >= 0) & (behind >= 0) & placed[before] & placed[behind]
        both &= row[before] != row[behind]
        columns = (transactions.key[before[both]], row[before[both]], row[behind[both]])
        known = set(zip(*(column.tolist() for column in columns), strict=True))
        width = max(len(transactions.process), 1)
        code = np.unique(writers.key * width + writers.transaction)
        self._key, self._row = code // width, code % width
        if place is None or (place[row[before[both]]] > place[row[behind[both]]]).any():
            place = guess(transactions, versions, pairs, graph, writers.position)
        self.first: Orders = _orders(self._key, self._row, place, known)
        self.known = {pair for pair in known if pair[0] in self.first}
        key_of = np.concatenate((np.arange(keys), transactions.key))
        closed = ~np.isin(key_of[pairs[0]], list(self.first))
        self._closed = pairs[0][closed], pairs[1][closed]
        mine = np.isin(writers.key, list(self.first))
        self._mine = _Writers(*(getattr(writers, n)[mine] for n in _Writers.__struct_fields__))

    def graph(self, orders: Orders) -> Graph:
        width = len(self._transactions.process)
        codes = [key * width + row for key, order in orders.items() for row in order]
        code = np.array(codes, np.int64)
        rank = np.argsort(code, kind="stable")
        mine = self._mine.key * width + self._mine.transaction
        place = rank[np.searchsorted(code[rank], mine)]
        sequence = np.argsort(place, kind="stable")
        key = self._mine.key[sequence]
        version = self._mine.position[sequence] + self._versions.keys
        fresh = np.concatenate(([True], key[1:] != key[:-1]))
        earlier = np.where(fresh, key, np.roll(version, 1))
        pairs = (
            np.concatenate((self._closed[0], earlier)),
            np.concatenate((self._closed[1], version)),
        )
        return rw_register.dependencies(self._transactions, self._versions, pairs)

    def writer_read(self, position: int) -> int:
        writer = int(self._writer[position])
        return NOBODY if writer < 0 else int(self._transactions.transaction[writer])


class _OfLists:
    """The choices of lists."""

    def __init__(self, transactions: Transactions, order: Order, reads: Reads) -> None:
        row = transactions.transaction
        self._transactions, self._order, self._reads = transactions, order, reads
        exists = transactions.status == OK
        exists[row[(order.place >= 0) & (transactions.status[row] == INFO)]] = True
        unseen = (transactions.f == WRITE) & exists[row] & (order.place < 0)
        self._writers = _writers(transactions, unseen)
        self.known = self._begun()
        width = max(len(transactions.process), 1)
        code = np.unique(self._writers.key * width + self._writers.transaction)
        place = transactions.called
        self.first: Orders = _orders(code // width, code % width, place, self.known)
        self._last = dict(
            zip(reads.position.tolist(), last_writers(order, reads).tolist(), strict=True)
        )

    def _begun(self) -> set[tuple[int, int, int]]:
        """Return that whoever wrote the last element that was seen comes before all others with what else it appended."""
        keys = np.flatnonzero(self._order.length > 0)
        newest = self._order.writer[self._order.start[keys] + self._order.length[keys] - 1]
        row = self._transactions.transaction
        begun = {
            key: int(row[at])
            for key, at in zip(keys.tolist(), newest.tolist(), strict=True)
            if at >= 0
        }
        pairs = set(
            zip(self._writers.key.tolist(), self._writers.transaction.tolist(), strict=True)
        )
        return {
            (key, begun[key], other)
            for key, other in pairs
            if (key, begun.get(key, NOBODY)) in pairs and other != begun[key]
        }

    def graph(self, orders: Orders) -> Graph:
        appends: dict[tuple[int, int], list[int]] = {}
        columns = (self._writers.key, self._writers.transaction, self._writers.position)
        for key, row, position in zip(*(column.tolist() for column in columns), strict=True):
            appends.setdefault((key, row), []).append(position)
        chosen = [
            position
            for key, order in orders.items()
            for row in order
            for position in appends[key, row]
        ]
        longer = _longer(self._order, self._transactions, np.array(chosen, np.int64))
        return list_append.dependencies(self._transactions, longer, self._reads)

    def writer_read(self, position: int) -> int:
        writer = self._last[position]
        return NOBODY if writer < 0 else int(self._transactions.transaction[writer])


def _longer(order: Order, transactions: Transactions, appends: Integers) -> Order:
    """Return the order with `appends` behind what was seen of their keys."""
    keys = np.concatenate((order.key, transactions.key[appends]))
    writer = np.concatenate((order.writer, appends))
    value = np.concatenate((order.value, transactions.value[appends]))
    sequence = np.argsort(keys, kind="stable")
    length = np.bincount(keys, minlength=len(order.start))
    start = np.cumsum(length) - length
    place = order.place.copy()
    key, writer = keys[sequence], writer[sequence]
    index = np.arange(len(key)) - start[key]
    place[writer[writer >= 0]] = index[writer >= 0]
    return msgspec.structs.replace(
        order,
        start=start,
        length=length,
        key=key,
        value=value[sequence],
        writer=writer,
        place=place,
    )


def of_registers(
    transactions: Transactions,
    versions: Versions,
    pairs: tuple[Integers, Integers],
    graph: Graph,
    place: Integers | None = None,
) -> Choices:
    """Return what is open where `pairs` of versions (earlier, later) are known, and `graph` follows from them.

    `place` of every transaction says in what order to begin with, where one is known that is better than a guess and does not contradict
    the pairs (as it may where numbers of versions were reported).
    """
    return _OfRegisters(transactions, versions, pairs, graph, place)


def of_lists(transactions: Transactions, order: Order, reads: Reads) -> Choices:
    """Return what is open beyond what the longest reads show."""
    return _OfLists(transactions, order, reads)
