"""The shortest cycle of each kind: what makes a cycle a G0, a G-single or a G2, and the search for it.

A cycle's name (Adya 1999, Cerone & Gotsman 2018) follows from its edges:

* ``G0``: only ww; ``G1c``: ww and wr;
* ``G-single``: exactly one rw; ``G-nonadjacent``: several, no two in a row; ``G2-item``: two in a row;
* ``-process`` behind it where process order is needed, ``-realtime`` where real time is.

Levels of edges are looked at one after another, each in its own strongly connected components, so that a
search meets only what can matter. Every cycle has an edge that leads backward in the guessed order (`components`), so
every search starts with such an edge and goes breadth first through (node, what the way was made of) back to its source.
Hubs cost nothing: they are ways, not transactions. What a breadth-first search finds may cross itself; then it consists of
shorter cycles with names of their own, and is left out.

A component can be the whole history when a store is thoroughly broken. Once something is found, a level gives up after
`_VISITS_MAX` visits, and the outcome says so.
"""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np

from harness.checkers.transactions.anomalies import NAMED_MAX, Anomaly, Step
from harness.checkers.transactions.components import Suspects, components
from harness.checkers.transactions.graph import (
    BARRIER,
    FAN,
    PROCESS,
    REALTIME,
    RW,
    WR,
    WW,
    Edges,
    with_process_order,
    with_real_time,
)
from harness.checkers.transactions.transactions import Flags, Integers, Transactions

__all__ = ["Found", "find_cycles"]

_VISITS_MAX = 1_000_000
"""Visits of the search on one level after which it is content with what it has."""

_CLASSES = ("G0", "G1c", "G-single", "G-nonadjacent", "G2-item")
"""From the worst to the mildest: what forbids a later one forbids the earlier ones."""

_DATA = (WW, WR, RW, FAN)
_LEVELS: tuple[tuple[str, tuple[int, ...], tuple[str, ...]], ...] = (
    ("", (WW, FAN), _CLASSES[:1]),
    ("", (WW, WR, FAN), _CLASSES[1:2]),
    ("", _DATA, _CLASSES[2:]),
    ("-process", (*_DATA, PROCESS), _CLASSES),
    ("-realtime", (*_DATA, PROCESS, REALTIME, BARRIER), _CLASSES),
)
"""(ending of the names, kinds of edges, classes looked for)."""

_NONE, _RW, _OTHER = range(3)


class _Way(msgspec.Struct, frozen=True):
    """What a way was made of.

    `rw` counts to two, `first` and `last` tell rw from other edges, `order` is the worst of nothing, process order and
    real time.
    """

    rw: int = 0
    first: int = _NONE
    last: int = _NONE
    adjacent: bool = False
    wr: bool = False
    order: int = 0


@cache
def _longer(way: _Way, kind: int) -> _Way:
    """Return what the way is made of with one more edge."""
    if kind in (FAN, BARRIER):
        return way
    sort = _RW if kind == RW else _OTHER
    order = {PROCESS: 1, REALTIME: 2}.get(kind, 0)
    return _Way(
        rw=min(2, way.rw + (kind == RW)),
        first=way.first or sort,
        last=sort,
        adjacent=way.adjacent or way.last == sort == _RW,
        wr=way.wr or kind == WR,
        order=max(way.order, order),
    )


@cache
def _name(way: _Way) -> tuple[str, str]:
    """Return class and ending of a cycle that is closed by this way."""
    ending = ("", "-process", "-realtime")[way.order]
    if way.rw == 0:
        return _CLASSES[1 if way.wr else 0], ending
    if way.rw == 1:
        return _CLASSES[2], ending
    adjacent = way.adjacent or way.first == way.last == _RW
    return _CLASSES[4 if adjacent else 3], ending


class Found(msgspec.Struct, frozen=True):
    """Cycles by name, and whether every start was tried."""

    cycles: list[Anomaly]
    complete: bool


class _Search:
    """Searches the components of one level."""

    def __init__(self, nodes: Integers, transactions: int, edges: Edges) -> None:
        self._nodes = nodes.tolist()
        self._transactions = transactions
        self.edges = edges
        self._source = edges.source.tolist()
        self._target = edges.target.tolist()
        self._kind = edges.kind.tolist()
        self.visits = 0

    def is_transaction(self, node: int) -> bool:
        """Whether a node is a transaction, not a hub."""
        return node < len(self._nodes) and self._nodes[node] < self._transactions

    def leaving(self, inside: list[int]) -> dict[int, list[int]]:
        """Return node -> its edges, of those in `inside`."""
        found: dict[int, list[int]] = {}
        for edge in inside:
            found.setdefault(self._source[edge], []).append(edge)
        return found

    def from_edge(
        self, anchor: int, leaving: dict[int, list[int]], wanted: dict[str, str]
    ) -> dict[str, list[int]]:
        """Return class -> edges of the shortest cycle through `anchor`, for the wanted ones (class -> ending)."""
        goal = self._source[anchor]
        start = (self._target[anchor], _longer(_Way(), self._kind[anchor]))
        came: dict[tuple[int, _Way], tuple[tuple[int, _Way] | None, int]] = {start: (None, anchor)}
        found: dict[str, list[int]] = {}
        layer = [start]
        while layer and len(found) < len(wanted):
            following: list[tuple[int, _Way]] = []
            for place in layer:
                node, way = place
                for edge in leaving.get(node, ()):
                    self.visits += 1
                    longer = _longer(way, self._kind[edge])
                    target = self._target[edge]
                    if target == goal:
                        name, ending = _name(longer)
                        if wanted.get(name) == ending and name not in found:
                            found[name] = self._walk(came, place, edge)
                        continue
                    reached = (target, longer)
                    if reached not in came:
                        came[reached] = (place, edge)
                        (following if self.is_transaction(target) else layer).append(reached)
            layer = following
        return found

    @staticmethod
    def _walk(
        came: dict[tuple[int, _Way], tuple[tuple[int, _Way] | None, int]],
        place: tuple[int, _Way],
        last: int,
    ) -> list[int]:
        edges = [last]
        back: tuple[int, _Way] | None = place
        while back is not None:
            back, edge = came[back]
            edges.append(edge)
        return edges[::-1]

    def steps(self, cycle: list[int]) -> tuple[Step, ...]:
        """Return the cycle from its first transaction on and without its hubs; nothing when it crosses itself."""
        begin = next(i for i, edge in enumerate(cycle) if self.is_transaction(self._source[edge]))
        cycle = cycle[begin:] + cycle[:begin]
        steps = []
        first = cycle[0]
        for edge in cycle:
            if self.is_transaction(self._source[edge]):
                first = edge
            if self.is_transaction(self._target[edge]):
                steps.append(
                    Step(
                        self._kind[first],
                        self._nodes[self._source[first]],
                        self._nodes[self._target[edge]],
                        int(self.edges.source_position[first]),
                        int(self.edges.target_position[edge]),
                    )
                )
        if len({step.source for step in steps}) < len(steps):
            return ()
        lowest = min(range(len(steps)), key=lambda number: steps[number].source)
        return tuple(steps[lowest:] + steps[:lowest])


def find_cycles(suspected: Suspects, transactions: Transactions, endings: tuple[str, ...]) -> Found:
    """Find the shortest cycles of every name with one of the `endings` (of ``""``, ``-process``, ``-realtime``).

    Where a level with less order found a worse class in the same component, milder ones are not looked for.
    """
    if not len(suspected.nodes):
        return Found([], complete=True)
    count = len(suspected.nodes)
    rows = np.where(suspected.nodes < len(transactions.process), suspected.nodes, -1)
    edges = suspected.edges
    cycles: list[Anomaly] = []
    worst: dict[int, int] = {}
    complete = True
    for ending, kinds, classes in _LEVELS:
        if ending not in endings:
            continue
        if ending == "-process":
            edges = with_process_order(suspected.edges, rows, transactions)
        elif ending == "-realtime":
            edges = with_process_order(suspected.edges, rows, transactions)
            edges, count = with_real_time(edges, rows, transactions)
        backward = np.zeros(len(edges.source), np.bool_)
        backward[: len(suspected.backward)] = suspected.backward
        chosen = np.isin(edges.kind, kinds)
        search = _Search(suspected.nodes, len(transactions.process), edges.where(chosen))
        level, all_tried = _on_level(search, count, backward[chosen], (ending, classes), worst)
        complete = complete and all_tried
        cycles += level
    return Found(cycles, complete)


def _on_level(
    search: _Search,
    count: int,
    backward: Flags,
    names: tuple[str, tuple[str, ...]],
    worst: dict[int, int],
) -> tuple[list[Anomaly], bool]:
    """Search every component; `worst` keeps for each node the worst class found around it on levels with less order."""
    ending, classes = names
    edges = search.edges
    member = np.full(count, -1)
    parts = components(count, edges.source, edges.target)
    for number, part in enumerate(parts):
        member[part] = number
    of_edge = np.where(member[edges.source] == member[edges.target], member[edges.source], -1)
    order = np.argsort(of_edge, kind="stable")
    bounds = np.searchsorted(of_edge[order], np.arange(len(parts) + 1))
    by_name: dict[str, list[tuple[Step, ...]]] = {}
    complete = True
    for number, part in enumerate(parts):
        inside = order[bounds[number] : bounds[number + 1]]
        mildest = min((worst.get(node, len(_CLASSES)) for node in part), default=len(_CLASSES))
        wanted = {name: ending for name in classes if not ending or _CLASSES.index(name) < mildest}
        if not wanted:
            continue
        best, all_tried = _in_component(search, inside.tolist(), inside[backward[inside]], wanted)
        complete = complete and all_tried
        for name, steps in best.items():
            by_name.setdefault(name, []).append(steps)
        if best:
            reached = min(mildest, *map(_CLASSES.index, best))
            worst.update(dict.fromkeys(part, reached))
    anomalies = [
        Anomaly(name=name + ending, transactions=tuple(step.source for step in steps), steps=steps)
        for name in classes
        for steps in sorted(by_name.get(name, []), key=len)[:NAMED_MAX]
    ]
    return anomalies, complete


def _in_component(
    search: _Search, inside: list[int], anchors: Integers, wanted: dict[str, str]
) -> tuple[dict[str, tuple[Step, ...]], bool]:
    """Return class -> its shortest cycle in one component, and whether every anchor was tried."""
    leaving = search.leaving(inside)
    best: dict[str, tuple[Step, ...]] = {}
    search.visits = 0
    for anchor in anchors.tolist():
        if best and search.visits > _VISITS_MAX:
            return best, False
        for name, cycle in search.from_edge(anchor, leaving, wanted).items():
            steps = search.steps(cycle)
            if steps and (name not in best or len(steps) < len(best[name])):
                best[name] = steps
    return best, True
