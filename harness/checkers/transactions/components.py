"""What can be on a cycle: a guess at the order sets nearly everything aside, Tarjan (1972) takes the rest.

Peeling a graph of a million transactions node by node is slow in Python, and a valid history leaves nothing. So a serial
order is guessed instead, and checked: each transaction is placed at its call and moved behind what it depends on, but never
behind its return. If all edges then lead forward there is no cycle, and because every place lies between call and
return, none with process order or real time either. However bad the guess is, the answer is right:
a cycle that crosses a place forward must cross it back, so what no backward edge spans is on no cycle.
"""

from __future__ import annotations

import msgspec
import numpy as np

from harness.checkers.transactions.graph import Edges, Graph
from harness.checkers.transactions.transactions import INFINITY, Flags, Integers, Transactions

__all__ = ["Suspects", "components", "forward_order", "places_of", "suspects", "windows_of"]

_ROUNDS_MAX = 64
"""Rounds of the guess; chains of dependencies between overlapping transactions are rarely longer."""

_STEP_BITS = 20
"""Between two positions of the history there is room for a million dependent transactions."""


class Suspects(msgspec.Struct, frozen=True):
    """The nodes that may be on a cycle, the edges between them (nodes numbered anew), and which lead backward."""

    nodes: Integers
    edges: Edges
    backward: Flags


def suspects(graph: Graph, transactions: Transactions) -> Suspects:
    """Set aside every node that is on no cycle, whatever process order and real time add."""
    place = places_of(graph, transactions)
    edges = graph.edges
    back = place[edges.source] >= place[edges.target]
    low, high = place[edges.target[back]], place[edges.source[back]]
    order = np.argsort(low)
    low, high = low[order], np.maximum.accumulate(high[order])
    nodes = np.zeros(0, np.int64)
    if len(low):
        latest = np.searchsorted(low, place, side="right") - 1
        nodes = np.flatnonzero((latest >= 0) & (place <= high[latest]))
    inside = edges.among(nodes, graph.nodes)
    local_place = place[nodes]
    return Suspects(nodes, inside, local_place[inside.source] >= local_place[inside.target])


def forward_order(graph: Graph, transactions: Transactions) -> list[int] | None:
    """Return the nodes in an order in which every edge leads forward; None where the guess is none."""
    place = places_of(graph, transactions)
    if bool(np.any(place[graph.edges.source] >= place[graph.edges.target])):
        return None
    order: list[int] = np.argsort(place, kind="stable").tolist()
    return order


def places_of(graph: Graph, transactions: Transactions) -> Integers:
    """Return a place for every node: a transaction's lies between its call and its return, behind what it depends on if it can."""
    begun, ended = _windows(graph, transactions)
    return _pushed(graph.edges.source, graph.edges.target, begun, ended)


def windows_of(graph: Graph, transactions: Transactions) -> tuple[Integers, Integers]:
    """Return for every node the first and the last place that the graph leaves it between its call and its return."""
    begun, ended = _windows(graph, transactions)
    first = _pushed(graph.edges.source, graph.edges.target, begun, ended)
    return first, -_pushed(graph.edges.target, graph.edges.source, -ended, -begun)


def _windows(graph: Graph, transactions: Transactions) -> tuple[Integers, Integers]:
    hubs = graph.nodes - graph.transactions
    called = np.concatenate((transactions.called, np.zeros(hubs, np.int64)))
    returned = np.concatenate((transactions.returned, np.full(hubs, INFINITY)))
    return called << _STEP_BITS, (returned << _STEP_BITS) - 1


def _pushed(source: Integers, target: Integers, first: Integers, last: Integers) -> Integers:
    """Return a place for each node from `first` to `last`, behind the sources of its edges if it can."""
    place = first.copy()
    active = np.arange(len(source))
    for _ in range(_ROUNDS_MAX):
        behind = np.minimum(place[source[active]] + 1, last[target[active]])
        late = behind > place[target[active]]
        if not late.any():
            break
        moved = target[active[late]]
        np.maximum.at(place, moved, behind[late])
        touched = np.zeros(len(place), np.bool_)
        touched[moved] = True
        active = np.flatnonzero(touched[source])
    return place


def components(count: int, source: Integers, target: Integers) -> list[list[int]]:
    """Return the strongly connected components of more than one of `count` nodes."""
    order = np.argsort(source, kind="stable")
    targets = target[order].tolist()
    bounds = np.searchsorted(source[order], np.arange(count + 1)).tolist()
    reached = [0] * count
    lowest = [0] * count
    cursor = bounds[:-1]
    clock = 0
    open_nodes: list[int] = []
    found: list[list[int]] = []
    closed = count + 1
    for root in np.unique(source).tolist():
        if reached[root]:
            continue
        way = [root]
        while way:
            node = way[-1]
            if not reached[node]:
                clock += 1
                reached[node] = lowest[node] = clock
                open_nodes.append(node)
            deeper = False
            while cursor[node] < bounds[node + 1]:
                following = targets[cursor[node]]
                cursor[node] += 1
                if not reached[following]:
                    way.append(following)
                    deeper = True
                    break
                lowest[node] = min(lowest[node], lowest[following])
            if deeper:
                continue
            way.pop()
            if way:
                lowest[way[-1]] = min(lowest[way[-1]], lowest[node])
            if lowest[node] < reached[node]:
                continue
            at = len(open_nodes) - 1
            while open_nodes[at] != node:
                at -= 1
            members = open_nodes[at:]
            del open_nodes[at:]
            for member in members:
                lowest[member] = closed
            if len(members) > 1:
                found.append(sorted(members))
    return found
