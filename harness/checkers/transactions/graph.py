"""Dependencies between transactions as columns of edges, in linear size; nothing here judges.

Nodes below `Graph.transactions` are transactions, those above are hubs. Hubs keep edges linear where many depend on many:

* `EdgeBuilder.fan` lets every source of a group precede every member but itself. Members stand in a row; one chain of hubs
  runs through it in each direction, and a source that is a member enters both chains beside itself.
* `with_real_time` orders transactions by a chain of barriers, one for each return: a transaction leads to its own barrier,
  and the last barrier before its call leads to it (3 edges each instead of n).

An edge keeps the two micro-operations it rests on. The first edge of a way through hubs carries the kind and the source's
micro-operation, the last one the target's.
"""

from __future__ import annotations

import msgspec
import numpy as np

from harness.checkers.transactions.transactions import (
    INFINITY,
    Bytes,
    Flags,
    Integers,
    Transactions,
)
from harness.checkers.transactions.versions import NOBODY, spans

__all__ = [
    "BARRIER",
    "FAN",
    "KIND_NAMES",
    "PROCESS",
    "REALTIME",
    "RW",
    "VISIBLE",
    "WR",
    "WW",
    "EdgeBuilder",
    "Edges",
    "Graph",
    "with_process_order",
    "with_real_time",
]

WW, WR, RW, PROCESS, REALTIME, VISIBLE, FAN, BARRIER = range(8)
KIND_NAMES = ("ww", "wr", "rw", "process", "realtime", "visible")


class Edges(msgspec.Struct, frozen=True):
    """Columns of edges; `source_position` and `target_position` are micro-operations or `NOBODY`."""

    source: Integers
    target: Integers
    kind: Bytes
    source_position: Integers
    target_position: Integers

    def where(self, chosen: Flags) -> Edges:
        """Return the chosen edges."""
        return Edges(
            self.source[chosen],
            self.target[chosen],
            self.kind[chosen],
            self.source_position[chosen],
            self.target_position[chosen],
        )

    def among(self, nodes: Integers, count: int) -> Edges:
        """Return the edges that stay inside `nodes` of `count`, which are numbered anew in their order."""
        number = np.full(count, NOBODY, np.int64)
        number[nodes] = np.arange(len(nodes))
        source, target = number[self.source], number[self.target]
        inside = (source >= 0) & (target >= 0)
        kept = self.where(inside)
        return Edges(
            source[inside],
            target[inside],
            kept.kind,
            kept.source_position,
            kept.target_position,
        )

    def and_also(self, kind: int, source: Integers, target: Integers) -> Edges:
        """Return these edges and further ones that rest on no micro-operation."""
        nothing = np.full(len(source), NOBODY, np.int64)
        return Edges(
            np.concatenate((self.source, source)),
            np.concatenate((self.target, target)),
            np.concatenate((self.kind, np.full(len(source), kind, np.int8))),
            np.concatenate((self.source_position, nothing)),
            np.concatenate((self.target_position, nothing)),
        )


_NO_NODES = np.zeros(0, np.int64)
_NO_EDGES = Edges(_NO_NODES, _NO_NODES, np.zeros(0, np.int8), _NO_NODES, _NO_NODES)


class Graph(msgspec.Struct, frozen=True):
    """Nodes 0 to `transactions` - 1 are transactions, hubs follow up to `nodes` - 1."""

    transactions: int
    nodes: int
    edges: Edges


class EdgeBuilder:
    """Collects edges; self-dependencies are dropped."""

    def __init__(self, transactions: int) -> None:
        self._transactions = transactions
        self._nodes = transactions
        self._parts: list[Edges] = []

    def add(
        self,
        kind: int | Bytes,
        source: Integers,
        target: Integers,
        source_position: Integers | None = None,
        target_position: Integers | None = None,
    ) -> None:
        """Add edges of one kind, or of a kind each."""
        nothing = np.full(len(source), NOBODY, np.int64)
        edges = Edges(
            source,
            target,
            np.broadcast_to(np.asarray(kind, np.int8), source.shape),
            nothing if source_position is None else source_position,
            nothing if target_position is None else target_position,
        )
        self._parts.append(edges.where(source != target))

    def fan(
        self,
        kind: Bytes,
        sources: tuple[Integers, Integers, Integers],
        members: tuple[Integers, Integers, Integers],
    ) -> None:
        """Let each source precede every member of its group except itself.

        Both are columns (group, transaction, position).
        """
        width = self._transactions
        code, chosen = np.unique(members[0] * width + members[1], return_index=True)
        group, node, position = (column[chosen] for column in members)
        start, end = spans(group)
        if not len(start) or not len(sources[0]):
            return
        slot = np.minimum(np.searchsorted(group[start], sources[0]), len(start) - 1)
        met = group[start[slot]] == sources[0]
        kind, slot = kind[met], slot[met]
        source, source_position = sources[1][met], sources[2][met]
        first, last = start[slot], end[slot] - 1
        alone = first == last
        self.add(
            kind[alone],
            source[alone],
            node[first[alone]],
            source_position[alone],
            position[first[alone]],
        )
        wanted = sources[0][met] * width + source
        place = np.minimum(np.searchsorted(code, wanted), len(code) - 1)
        inside = code[place] == wanted
        forward, backward = self._chains(node, position, start, end)
        enter = np.where(inside, place + 1, first)
        for chain, index, possible in (
            (forward, enter, ~alone & (enter <= last)),
            (backward, place - 1, ~alone & inside & (place > first)),
        ):
            self.add(
                kind[possible],
                source[possible],
                chain[index[possible]],
                source_position[possible],
            )

    def _chains(
        self, node: Integers, position: Integers, start: Integers, end: Integers
    ) -> tuple[Integers, Integers]:
        """Make the two chains of hubs through every group of more than one."""
        shared = np.repeat(end - start > 1, end - start)
        index = np.cumsum(shared) - 1
        count = int(shared.sum())
        forward, backward = self._nodes + index, self._nodes + count + index
        self._nodes += 2 * count
        linked = shared.copy()
        linked[end - 1] = False
        at = np.flatnonzero(linked)
        self.add(FAN, forward[at], forward[at + 1])
        self.add(FAN, backward[at + 1], backward[at])
        for chain in (forward, backward):
            self.add(FAN, chain[shared], node[shared], None, position[shared])
        return forward, backward

    def graph(self) -> Graph:
        """Return what was collected."""
        edges = Edges(
            *(
                np.concatenate([getattr(part, name) for part in (_NO_EDGES, *self._parts)])
                for name in Edges.__struct_fields__
            )
        )
        return Graph(self._transactions, self._nodes, edges)


def with_process_order(edges: Edges, of_nodes: Integers, transactions: Transactions) -> Edges:
    """Add each process's order; node i is transaction `of_nodes[i]`, or none of them when negative."""
    nodes = np.flatnonzero(of_nodes >= 0)
    rows = of_nodes[nodes]
    order = np.lexsort((transactions.called[rows], transactions.process[rows]))
    nodes, process = nodes[order], transactions.process[rows][order]
    follows = process[1:] == process[:-1]
    return edges.and_also(PROCESS, nodes[:-1][follows], nodes[1:][follows])


def with_real_time(
    edges: Edges, of_nodes: Integers, transactions: Transactions
) -> tuple[Edges, int]:
    """Add barriers behind the nodes of `of_nodes`; returns the edges and the number of nodes now."""
    nodes = np.flatnonzero(of_nodes >= 0)
    called, returned = transactions.called[of_nodes[nodes]], transactions.returned[of_nodes[nodes]]
    ended = np.flatnonzero(returned < INFINITY)
    ended = ended[np.argsort(returned[ended])]
    barrier = len(of_nodes) + np.arange(len(ended))
    before = np.searchsorted(returned[ended], called) - 1
    late = before >= 0
    edges = edges.and_also(REALTIME, nodes[ended], barrier)
    edges = edges.and_also(BARRIER, barrier[:-1], barrier[1:])
    edges = edges.and_also(BARRIER, len(of_nodes) + before[late], nodes[late])
    return edges, len(of_nodes) + len(ended)
