"""A first guess at the order of registers' versions: how a store may have carried the transactions out. Nothing here judges.

It is needed where no order explains everything within real time (`version_witness`).

A wrong guess costs the search for an order time (`version_search`) and nothing else, so real time and processes count here for
every model. Each step takes what the one before left open:

* *Windows*: dependencies narrow the time at which a transaction can have taken effect. A version comes before another when
  somebody who wrote or read it must be done before somebody who wrote or read the other can begin (Gibbons & Korach
  1997); what that adds to the dependencies narrows the windows further.
* *Clocks*: whoever wrote or read a version and precedes somebody who wrote or read another, by dependencies, processes and real
  time together, tells the same of their versions. A vector clock of the processes says who precedes whom.
* *Just in time*: transactions are carried out when their windows end, each behind what it depends on and behind the readers of
  what it overwrites (as late as possible, after Lowe 2017). The places in that order are the guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import msgspec
import numpy as np

from harness.checkers.transactions.components import windows_of
from harness.checkers.transactions.graph import Graph
from harness.checkers.transactions.rw_register import Versions, dependencies
from harness.checkers.transactions.transactions import Flags, Integers, Transactions
from harness.checkers.transactions.versions import NOBODY, spans

__all__ = ["guess"]

_ROUNDS = 16
"""How often versions are ordered by windows, and windows narrowed by that, at most."""

_NEIGHBOURS = 4
"""How many neighbours of a version are compared with it."""

_CELLS_MAX = 1 << 26
"""Entries of all vector clocks together; histories with more go without."""

_DEMANDS_MAX = 3
"""How often it is asked anew who still reads what is to be overwritten, as carrying out one may bring up another."""

Pairs = tuple[Integers, Integers]


class _Touched(msgspec.Struct, frozen=True):
    """Who wrote or read which version: columns, one entry for each micro-operation that did; and the versions that have a place."""

    transaction: Integers
    key: Integers
    version: Integers
    placed: Flags


def guess(
    transactions: Transactions, versions: Versions, pairs: Pairs, graph: Graph, writes: Integers
) -> Integers:
    """Return a place for every transaction; versions in the order of their writers are the guess.

    `pairs` of versions (earlier, later) are known, and `graph` follows from them; `writes` are the micro-operations whose versions exist.
    """
    placed = np.zeros(versions.keys + len(versions.version), np.bool_)
    placed[: versions.keys] = True
    placed[versions.keys + writes] = True
    at = np.flatnonzero((versions.version >= 0) & placed[versions.version])
    columns = transactions.transaction[at], transactions.key[at], versions.version[at]
    touched = _Touched(*columns, placed)
    windows = windows_of(graph, transactions)
    ordered = 0
    for _ in range(_ROUNDS):
        found = _by_windows(transactions, touched, windows)
        if len(found[0]) <= ordered:
            break
        ordered = len(found[0])
        graph = dependencies(transactions, versions, _joined(pairs, found))
        windows = windows_of(graph, transactions)
    if len(np.unique(transactions.process)) * graph.nodes <= _CELLS_MAX:
        found = _by_clocks(transactions, touched, graph, windows)
        graph = dependencies(transactions, versions, _joined(pairs, found))
        windows = windows_of(graph, transactions)
    return _JustInTime(transactions, touched, graph).places(windows[1])


def _joined(one: Pairs, other: Pairs) -> Pairs:
    return np.concatenate((one[0], other[0])), np.concatenate((one[1], other[1]))


def _by_windows(transactions: Transactions, touched: _Touched, windows: Pairs) -> Pairs:
    """Return pairs of versions that windows put in order, as far as neighbours show it."""
    first, last = windows
    keys = len(transactions.keys)
    first_end = np.full(len(touched.placed), last.max(initial=0), np.int64)
    last_begin = np.zeros(len(touched.placed), np.int64)
    np.minimum.at(first_end, touched.version, last[touched.transaction])
    np.maximum.at(last_begin, touched.version, first[touched.transaction])
    write = np.flatnonzero(touched.placed[keys:])
    version, key = keys + write, transactions.key[write]
    first_end, last_begin = first_end[version], last_begin[version]
    sequence = np.lexsort((np.minimum(first_end, last_begin), key))
    earlier, later = [], []
    for distance in range(1, _NEIGHBOURS + 1):
        one, other = sequence[:-distance], sequence[distance:]
        forced = (key[one] == key[other]) & (first_end[one] < last_begin[other])
        earlier.append(version[one[forced]])
        later.append(version[other[forced]])
    return np.concatenate(earlier), np.concatenate(later)


def _by_clocks(
    transactions: Transactions, touched: _Touched, graph: Graph, windows: Pairs
) -> Pairs:
    """Return pairs of versions of which somebody with the first precedes somebody with the second.

    Left out are versions of which all is over before the other one can begin: they are in order anyway.
    """
    keys, count = len(transactions.keys), len(touched.placed)
    process, number = _numbered(transactions)
    width, wide = int(process.max(initial=0)) + 1, int(number.max(initial=0)) + 2
    row, key, version = touched.transaction, touched.key, touched.version
    begin = (key[:, None] * width + np.arange(width)) * wide
    code = (key * width + process[row]) * wide + number[row]
    order = np.argsort(code, kind="stable")
    before = _clocks(transactions, graph, windows[0])[row]
    before[np.arange(len(row)), process[row]] = number[row]
    at = np.searchsorted(code[order], (begin + before).ravel()).reshape(begin.shape) - 1
    there = (at >= 0) & (code[order][np.maximum(at, 0)] >= begin)
    over = np.zeros(count, np.int64)
    np.maximum.at(over, version, windows[1][row])
    earlier = version[order][np.maximum(at, 0)]
    later = np.broadcast_to(version[:, None], earlier.shape)
    writer_first = np.zeros(count, np.int64)
    writer_first[keys:] = windows[0][transactions.transaction]
    there &= (earlier != later) & (later >= keys) & (over[earlier] >= writer_first[later])
    pairs = np.unique(earlier[there] * count + later[there])
    return pairs // count, pairs % count


def _numbered(transactions: Transactions) -> Pairs:
    """Return each transaction's process as a dense number, and how many of that process were called before it."""
    process = np.unique(transactions.process, return_inverse=True)[1]
    order = np.argsort(process, kind="stable")
    start, end = spans(process[order])
    number = np.empty(len(process), np.int64)
    number[order] = np.arange(len(process)) - np.repeat(start, end - start)
    return process, number


def _clocks(transactions: Transactions, graph: Graph, first: Integers) -> Integers:
    """Return for each transaction how many of each process precede it, itself included."""
    process, number = _numbered(transactions)
    width = int(process.max(initial=0)) + 1
    clocks = np.zeros((graph.nodes, width), np.int64)
    for column in range(width):
        returned = np.sort(transactions.returned[process == column])
        clocks[: graph.transactions, column] = np.searchsorted(returned, transactions.called)
    clocks[np.arange(graph.transactions), process] = number + 1
    sources = _sources(graph)
    maximum = np.maximum
    for node in np.argsort(first, kind="stable").tolist():
        clock = clocks[node]
        for source in sources[node]:
            maximum(clock, clocks[source], out=clock)
    return clocks[: graph.transactions]


def _sources(graph: Graph) -> list[list[int]]:
    """Return for each node what its edges come from."""
    order = np.argsort(graph.edges.target, kind="stable")
    source = graph.edges.source[order].tolist()
    bounds = np.searchsorted(graph.edges.target[order], np.arange(graph.nodes + 1)).tolist()
    return [source[low:high] for low, high in pairwise(bounds)]


class _JustInTime:
    """Carries transactions out, each at the last moment."""

    def __init__(self, transactions: Transactions, touched: _Touched, graph: Graph) -> None:
        self._count = graph.transactions
        self._sources = _sources(graph)
        self._readers: dict[int, list[int]] = {}
        """Version -> who read it."""
        self._written: dict[int, dict[int, int]] = {}
        """Transaction -> key -> the last version that it wrote."""
        keys = len(transactions.keys)
        self._current = list(range(keys))
        writer = np.full(len(touched.placed), NOBODY, np.int64)
        writer[keys:] = transactions.transaction
        columns = (touched.transaction, touched.key, touched.version, writer[touched.version])
        for row, key, version, by in zip(*(one.tolist() for one in columns), strict=True):
            if by == row:
                self._written.setdefault(row, {})[key] = version
            else:
                self._readers.setdefault(version, []).append(row)
        self._begun = [False] * graph.nodes
        self._order: list[int] = []

    def places(self, last: Integers) -> Integers:
        """Return the place of each transaction in the order of carrying out; it is asked for by the end of its window."""
        for row in np.argsort(last[: self._count], kind="stable").tolist():
            self._carry_out(row)
        places = np.empty(self._count, np.int64)
        places[self._order] = np.arange(self._count)
        return places

    def _carry_out(self, row: int) -> None:
        """Carry out a transaction behind all that has to come before it; who is on the way already is not waited for."""
        if self._begun[row]:
            return
        self._begun[row] = True
        way = [(row, self._demands(row))]
        while way:
            node, demands = way[-1]
            wanted = next((one for one in demands if not self._begun[one]), None)
            if wanted is not None:
                self._begun[wanted] = True
                way.append((wanted, self._demands(wanted)))
                continue
            way.pop()
            if node < self._count:
                self._order.append(node)
                for key, version in self._written.get(node, {}).items():
                    self._current[key] = version

    def _demands(self, node: int) -> Iterator[int]:
        """Yield what has to come before a node: what it depends on, then the readers of what it is going to overwrite."""
        yield from self._sources[node]
        for _ in range(_DEMANDS_MAX):
            for key in self._written.get(node, ()):
                yield from self._readers.get(self._current[key], ())
