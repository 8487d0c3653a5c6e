"""Whether a cycle of a class exists at all, and one that shows it: what is asked where the search of `cycles` gave up.

A search for the shortest cycle of each class can meet many milder ones first. That there is one is decided in time that grows
with the edges:

* G0, G1c, G-nonadjacent and prefix-cycle say what may follow what on their cycles: any ww (and wr), no rw behind an rw, no rw but behind a
  wr or an order. So each node is taken once for every *state* in which a walk may stand there (what its last edge was), and
  a cycle exists iff these nodes have a strongly connected component: a walk that comes round and passes a
  transaction twice falls into two, and one of them keeps the rule (of the two ways into the transaction, the one that its own way out
  may follow).
* G-single exists iff some rw leads to where its source can be reached without one. That is asked of many sources at once, a
  bit for each, against the order of what has no rw.
"""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Final

import numpy as np

from harness.checkers.transactions.components import components
from harness.checkers.transactions.graph import (
    BARRIER,
    FAN,
    PROCESS,
    REALTIME,
    RW,
    VISIBLE,
    WR,
    WW,
    Edges,
)
from harness.checkers.transactions.transactions import Flags

__all__ = ["cycle_of"]

_STARTS_MAX = 8
"""Nodes of a component from which a short way round is looked for."""

_SOURCES_AT_ONCE = 4096

_Rule = dict[int, tuple[tuple[int, int], ...]]
"""Kind of edge -> (state before, state behind)."""

_ANY: Final = ((0, 0),)
_CARRIED: Final = ((0, 0), (1, 1))
_TO_0: Final = ((0, 0), (1, 0))
_TO_1: Final = ((0, 1), (1, 1))
_WRITES: Final[_Rule] = dict.fromkeys((WW, VISIBLE, FAN, PROCESS, REALTIME, BARRIER), _ANY)
_RULES: Final[dict[str, _Rule]] = {
    "G0": _WRITES,
    "G1c": _WRITES | {WR: _ANY},
    "G-nonadjacent": dict.fromkeys((WW, VISIBLE, WR, PROCESS, REALTIME), _TO_0)
    | dict.fromkeys((FAN, BARRIER), _CARRIED)
    | {RW: ((0, 1),)},
    "prefix-cycle": dict.fromkeys((WR, PROCESS, REALTIME), _TO_1)
    | dict.fromkeys((WW, VISIBLE), _TO_0)
    | dict.fromkeys((FAN, BARRIER), _CARRIED)
    | {RW: ((1, 0),)},
}


def cycle_of(name: str, count: int, edges: Edges, stops: Sequence[bool]) -> list[int]:
    """Return the edges of a cycle of class `name` or a worse one, nothing where there is none.

    Nodes are 0 to `count` - 1, `stops` says which are transactions. Whether there is a G-single can only be said where there is no
    G1c, which is worse.
    """
    if name == "G-single":
        return _single(count, edges)
    return _by_rule(_RULES[name], count, edges, stops)


def _by_rule(rule: _Rule, count: int, edges: Edges, stops: Sequence[bool]) -> list[int]:
    source, target, kind = edges.source, edges.target, edges.kind
    parts = [
        (np.flatnonzero(kind == one), before, behind)
        for one, moves in rule.items()
        for before, behind in moves
    ]
    origin = np.concatenate([edge for edge, _, _ in parts])
    start = np.concatenate([source[edge] * 2 + before for edge, before, _ in parts])
    end = np.concatenate([target[edge] * 2 + behind for edge, _, behind in parts])
    found = [part for part in components(count * 2, start, end) if len(part) > 1]
    if not found:
        return []
    smallest = min(found, key=len)
    member = np.zeros(count * 2, np.bool_)
    member[smallest] = True
    inside = np.flatnonzero(member[start] & member[end])
    leaving: dict[int, list[tuple[int, int]]] = {}
    for place in inside.tolist():
        leaving.setdefault(int(start[place]), []).append((int(end[place]), int(origin[place])))
    starts = [int(node) for node in smallest if stops[int(node) // 2]][:_STARTS_MAX]
    rounds = [_way(node, node, leaving) for node in starts]
    walk = min(rounds, key=len)
    return _simple(walk, rule, (source.tolist(), kind.tolist()), stops)


def _way(begin: int, goal: int, leaving: dict[int, list[tuple[int, int]]]) -> list[int]:
    """Return the edges of a shortest way, at least one edge long; nothing where there is none."""
    came: dict[int, tuple[int, int]] = {}
    layer = [begin]
    while layer:
        following = []
        for node in layer:
            for reached, edge in leaving.get(node, ()):
                if reached in came:
                    continue
                came[reached] = (node, edge)
                if reached == goal:
                    return _back(came, begin, goal)
                following.append(reached)
        layer = following
    return []


def _back(came: dict[int, tuple[int, int]], begin: int, goal: int) -> list[int]:
    node, edge = came[goal]
    edges = [edge]
    while node != begin:
        node, edge = came[node]
        edges.append(edge)
    return edges[::-1]


def _simple(
    walk: list[int], rule: _Rule, edges: tuple[list[int], list[int]], stops: Sequence[bool]
) -> list[int]:
    """Return a part of a walk that comes round, keeps the rule and passes no transaction twice."""
    source, kind = edges
    while True:
        seen: dict[int, int] = {}
        again = next(
            (
                (seen[source[edge]], place)
                for place, edge in enumerate(walk)
                if stops[source[edge]] and seen.setdefault(source[edge], place) != place
            ),
            None,
        )
        if again is None:
            return walk
        first, second = again
        halves = (walk[first:second], walk[second:] + walk[:first])
        walk = next(half for half in halves if _keeps(half, rule, kind))


def _keeps(walk: list[int], rule: _Rule, kind: list[int]) -> bool:
    for begin in (0, 1):
        state: int | None = begin
        for edge in walk:
            state = dict(rule[kind[edge]]).get(state) if state is not None else None
        if state == begin:
            return True
    return False


def _single(count: int, edges: Edges) -> list[int]:
    source, target = edges.source.tolist(), edges.target.tolist()
    missing: Flags = edges.kind == RW
    after: dict[int, list[int]] = {}
    leaving: dict[int, list[tuple[int, int]]] = {}
    for edge in np.flatnonzero(~missing).tolist():
        after.setdefault(source[edge], []).append(target[edge])
        leaving.setdefault(source[edge], []).append((target[edge], edge))
    try:
        order = list(TopologicalSorter(after).static_order())
    except CycleError:
        return []
    entering: dict[int, list[int]] = {}
    for edge in np.flatnonzero(missing).tolist():
        entering.setdefault(source[edge], []).append(edge)
    sources = list(entering)
    for begin in range(0, len(sources), _SOURCES_AT_ONCE):
        block = sources[begin : begin + _SOURCES_AT_ONCE]
        bits = {node: 1 << place for place, node in enumerate(block)}
        reached = [0] * count
        for node in order:
            met = bits.get(node, 0)
            for following in after.get(node, ()):
                met |= reached[following]
            reached[node] = met
        for node in block:
            for edge in entering[node]:
                if reached[target[edge]] & bits[node] or target[edge] == node:
                    return [edge, *_way(target[edge], node, leaving)]
    return []
