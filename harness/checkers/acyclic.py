"""Whether relations can be put in one order: a topological order of a graph, or a short cycle in it. Nothing here judges.

Kahn's peeling takes nodes that nothing precedes; when some are left, each of them has a predecessor among them, and walking back
must come round. From the nodes of that cycle a breadth-first search looks for a shorter one.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Ordered", "ordered"]

STARTS_MAX = 64
"""Nodes of the first cycle from which a shorter one is looked for."""

VISITS_MAX = 200_000
"""Nodes that this may visit in all."""

Ordered = tuple[list[int], list[int]]
"""An order of all nodes and no cycle, or no order and a cycle: each node of it precedes the next, the last the first."""


def ordered(count: int, edges: Iterable[tuple[int, int]]) -> Ordered:
    """Put nodes 0 to `count` - 1 in an order in which every edge (before, after) points forwards."""
    after: list[list[int]] = [[] for _ in range(count)]
    missing = [0] * count
    for source, target in edges:
        after[source].append(target)
        missing[target] += 1
    order = [node for node in range(count) if not missing[node]]
    for node in order:
        for target in after[node]:
            missing[target] -= 1
            if not missing[target]:
                order.append(target)
    if len(order) == count:
        return order, []
    left = {node: None for node in range(count) if missing[node]}
    within = {node: [target for target in after[node] if target in left] for node in left}
    return [], _short_cycle(within)


def _short_cycle(after: dict[int, list[int]]) -> list[int]:
    """A cycle of a graph in which every node has a predecessor."""
    before: dict[int, int] = {}
    for node, targets in after.items():
        for target in targets:
            before.setdefault(target, node)
    node = next(iter(after))
    place: dict[int, int] = {}
    walked: list[int] = []
    while node not in place:
        place[node] = len(walked)
        walked.append(node)
        node = before[node]
    best = walked[: place[node] - 1 if place[node] else None : -1]
    visits = VISITS_MAX
    for start in best[:STARTS_MAX]:
        if visits <= 0:
            break
        shorter, visited = _back_to(start, after, len(best), visits)
        visits -= visited
        best = shorter or best
    return best


def _back_to(
    start: int, after: dict[int, list[int]], length: int, visits: int
) -> tuple[list[int], int]:
    """The shortest way from `start` to itself if it has fewer than `length` nodes and is found, and how many were visited."""
    came: dict[int, int] = {}
    frontier = [start]
    for _ in range(length - 1):
        reached = []
        for node in frontier:
            for target in after[node]:
                if target == start:
                    way = [node]
                    while way[-1] != start:
                        way.append(came[way[-1]])
                    return way[::-1], len(came)
                if target not in came:
                    came[target] = node
                    reached.append(target)
        frontier = reached
        if len(came) > visits:
            break
    return [], len(came)
