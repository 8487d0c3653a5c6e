"""The orders of versions that a history leaves open, and the graph that follows once one is chosen. Nothing here judges.

Of a register everything is open that `rw_register` did not infer; of a list only the order of the appends that nobody saw. A
choice is a list of transactions for each open key, in the order in which their writes became its versions. The order to begin
with puts each version where its zone begins (Gibbons & Korach 1997: the smaller of the first return and the last call among its
writer and its readers), which is right for every key of a store that respects real time.

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
    INFINITY,
    INFO,
    OK,
    READ,
    WRITE,
    Flags,
    Integers,
    Transactions,
)
from harness.checkers.transactions.versions import NOBODY

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


def _zones(transactions: Transactions, source: Integers, reader: Integers) -> Integers:
    """Return where the zone of every write begins; `reader` holds reads, `source` the write that each saw."""
    row = transactions.transaction
    first_return = transactions.returned[row].copy()
    last_call = transactions.called[row].copy()
    np.minimum.at(first_return, source, transactions.returned[row[reader]])
    np.maximum.at(last_call, source, transactions.called[row[reader]])
    zones: Integers = np.minimum(first_return, last_call)
    return zones


def _sorted(
    rows: list[int], zone: Mapping[int, int], known: set[tuple[int, int]]
) -> list[int] | None:
    """Return `rows` by zone, as far as the `known` pairs allow; None where those go round in a circle."""
    waits = dict.fromkeys(rows, 0)
    behind: dict[int, list[int]] = {row: [] for row in rows}
    for earlier, later in sorted(known):
        waits[later] += 1
        behind[earlier].append(later)
    ready = [(zone[row], row) for row in rows if not waits[row]]
    heapify(ready)
    order = []
    while ready:
        _, row = heappop(ready)
        order.append(row)
        for later in behind[row]:
            waits[later] -= 1
            if not waits[later]:
                heappush(ready, (zone[later], later))
    return order if len(order) == len(rows) else None


def _open_keys(
    writers: _Writers, zones: Integers, known: set[tuple[int, int, int]]
) -> dict[int, list[int]]:
    """Return the first order of every key with more than one order."""
    by_key: dict[int, dict[int, int]] = {}
    columns = (writers.key, writers.transaction, zones[writers.position])
    for key, row, zone in zip(*(column.tolist() for column in columns), strict=True):
        mine = by_key.setdefault(key, {})
        mine[row] = min(zone, mine.get(row, INFINITY))
    pairs: dict[int, set[tuple[int, int]]] = {}
    for key, earlier, later in sorted(known):
        pairs.setdefault(key, set()).add((earlier, later))
    first = {}
    for key, zone_of in by_key.items():
        of_key = pairs.get(key, set())
        order = _sorted(list(zone_of), zone_of, of_key)
        if order and any(pair not in of_key for pair in pairwise(order)):
            first[key] = order
    return first


class _OfRegisters:
    """The choices of registers."""

    def __init__(
        self, transactions: Transactions, versions: Versions, pairs: tuple[Integers, Integers]
    ) -> None:
        row, keys = transactions.transaction, versions.keys
        self._transactions, self._versions = transactions, versions
        self._earlier, self._later = pairs
        self._writer = versions.writer(versions.version)
        reading = (transactions.f == READ) & (self._writer >= 0)
        seen = np.zeros(len(transactions.process), np.bool_)
        foreign = reading & (row[self._writer] != row)
        seen[row[self._writer[foreign]]] = True
        exists = (transactions.status == OK) | ((transactions.status == INFO) & seen)
        self._writers = _writers(transactions, (transactions.f == WRITE) & exists[row])
        placed = np.zeros(len(row), np.bool_)
        placed[self._writers.position] = True
        before, behind = versions.writer(self._earlier), versions.writer(self._later)
        both = (before >= 0) & (behind >= 0) & placed[before] & placed[behind]
        both &= row[before] != row[behind]
        columns = (transactions.key[before[both]], row[before[both]], row[behind[both]])
        self.known = set(zip(*(column.tolist() for column in columns), strict=True))
        reader = np.flatnonzero(reading)
        zones = _zones(transactions, self._writer[reader], reader)
        self.first: Orders = _open_keys(self._writers, zones, self.known)
        self.known = {pair for pair in self.known if pair[0] in self.first}
        key_of = np.concatenate((np.arange(keys), transactions.key))
        closed = ~np.isin(key_of[self._earlier], list(self.first))
        self._closed = self._earlier[closed], self._later[closed]
        mine = np.isin(self._writers.key, list(self.first))
        self._mine = _Writers(
            *(getattr(self._writers, n)[mine] for n in _Writers.__struct_fields__)
        )

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
        nobody = np.zeros(0, np.int64)
        zones = _zones(transactions, nobody, nobody)
        self.known = self._begun()
        self.first: Orders = _open_keys(self._writers, zones, self.known)
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
    transactions: Transactions, versions: Versions, pairs: tuple[Integers, Integers]
) -> Choices:
    """Return what is open where `pairs` of versions (earlier, later) are known."""
    return _OfRegisters(transactions, versions, pairs)


def of_lists(transactions: Transactions, order: Order, reads: Reads) -> Choices:
    """Return what is open beyond what the longest reads show."""
    return _OfLists(transactions, order, reads)
