"""The shortest cycle of each kind: what makes a cycle a G0, a G-single or a G2, and the search for it.

A cycle's name (Adya 1999, Cerone & Gotsman 2018) follows from its edges:

* ``G0``: only ww (or what `weak` puts in its place); ``G1c``: ww and wr;
* ``G-single``: exactly one rw; ``G-nonadjacent``: several, no two in a row; ``G2-item``: two in a row;
* ``-process`` behind it where process order is needed, ``-realtime`` where real time is.

Of cycles through one transaction, those are left out that a worse, no longer one with no more order makes superfluous.

Levels of edges are looked at one after another, each in its own strongly connected components, so that a
search meets only what can matter. Every cycle has an edge that leads backward in the guessed order (`components`), so
every search starts with such an edge and goes breadth first through (node, what the way was made of) back to its source.
Hubs cost nothing: they are ways, not transactions. What a breadth-first search finds may cross itself; then it consists of
shorter cycles with names of their own, and is left out.

When a store is thoroughly broken there are thousands of components, or one that is the whole history. Small ones are searched
first, and once something is found, a level ends after `_VISITS_MAX` visits; the outcome says so.
"""

from __future__ import annotations

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
    VISIBLE,
    WR,
    WW,
    Edges,
    with_process_order,
    with_real_time,
)
from harness.checkers.transactions.transactions import Flags, Integers, Transactions

__all__ = ["Found", "find_cycles"]

_VISITS_MAX = 1_000_000
"""Edges looked at on one level after which the search is content with what it has."""

_CLASSES = ("G0", "G1c", "G-single", "G-nonadjacent", "G2-item")
"""From the worst to the mildest: what forbids a later one forbids the earlier ones."""

_ENDINGS = ("", "-process", "-realtime")

_DATA = (WW, WR, RW, VISIBLE, FAN)
_LEVELS: tuple[tuple[str, tuple[int, ...], tuple[str, ...]], ...] = (
    ("", (WW, VISIBLE, FAN), _CLASSES[:1]),
    ("", (WW, WR, VISIBLE, FAN), _CLASSES[1:2]),
    ("", _DATA, _CLASSES[2:]),
    ("-process", (*_DATA, PROCESS), _CLASSES),
    ("-realtime", (*_DATA, PROCESS, REALTIME, BARRIER), _CLASSES),
)
"""(ending of the names, kinds of edges, classes looked for)."""

_NONE, _RW, _OTHER = range(3)
_NOWHERE = -1


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


def _name(way: _Way) -> tuple[str, str]:
    """Return class and ending of a cycle that is closed by this way."""
    ending = _ENDINGS[way.order]
    if way.rw == 0:
        return _CLASSES[1 if way.wr else 0], ending
    if way.rw == 1:
        return _CLASSES[2], ending
    adjacent = way.adjacent or way.first == way.last == _RW
    return _CLASSES[4 if adjacent else 3], ending


def _tabulate() -> tuple[list[list[int]], list[tuple[str, str]]]:
    """Number all ways from the empty one on; returns (way, kind) -> longer way, and way -> name of the cycle."""
    ways = [_Way()]
    numbers = {ways[0]: 0}
    following: list[list[int]] = []
    for way in ways:
        row = []
        for kind in (*_DATA, PROCESS, REALTIME, BARRIER):
            longer = _longer(way, kind)
            if longer not in numbers:
                numbers[longer] = len(ways)
                ways.append(longer)
            row.append((kind, numbers[longer]))
        following.append([number for _, number in sorted(row)])
    return following, [_name(way) for way in ways]


_LONGER, _NAMES = _tabulate()
_WAYS = len(_NAMES)


class Found(msgspec.Struct, frozen=True):
    """Cycles by name, and whether no search ended early."""

    cycles: list[Anomaly]
    complete: bool


class _Cycle(msgspec.Struct, frozen=True):
    """A cycle: number of its class, of its ending, and its edges."""

    sort: int
    order: int
    steps: tuple[Step, ...]


class _Search:
    """Searches the components of one level."""

    def __init__(self, rows: Integers, count: int, edges: Edges) -> None:
        """`rows` says which transactions the first nodes of `count` are, negative for hubs as the others are."""
        self._rows = rows.tolist()
        self._stops = [row >= 0 for row in self._rows] + [False] * (count - len(rows))
        self.edges = edges
        self._source = edges.source.tolist()
        self._target = edges.target.tolist()
        self._kind = edges.kind.tolist()
        self.visits = 0

    def leaving(self, inside: list[int]) -> dict[int, list[int]]:
        """Return node -> its edges, of those in `inside`."""
        found: dict[int, list[int]] = {}
        for edge in inside:
            found.setdefault(self._source[edge], []).append(edge)
        return found

    def from_edge(
        self,
        anchor: int,
        leaving: dict[int, list[int]],
        wanted: dict[str, str],
        *,
        content: bool,
    ) -> dict[str, list[int]]:
        """Return class -> edges of the shortest cycle through `anchor`, for the wanted ones (class -> ending).

        When `content`, the search may end without having found any.
        """
        goal = self._source[anchor]
        start = self._target[anchor] * _WAYS + _LONGER[0][self._kind[anchor]]
        came: dict[int, tuple[int, int]] = {start: (_NOWHERE, anchor)}
        found: dict[str, list[int]] = {}
        layer = [start]
        while layer and len(found) < len(wanted):
            if self.visits > _VISITS_MAX and (content or found):
                break
            following: list[int] = []
            for place in layer:
                node, way = divmod(place, _WAYS)
                edges = leaving.get(node, ())
                self.visits += len(edges)
                for edge in edges:
                    longer = _LONGER[way][self._kind[edge]]
                    target = self._target[edge]
                    if target == goal:
                        name, ending = _NAMES[longer]
                        if wanted.get(name) == ending and name not in found:
                            found[name] = self._walk(came, place, edge)
                        continue
                    reached = target * _WAYS + longer
                    if reached not in came:
                        came[reached] = (place, edge)
                        (following if self._stops[target] else layer).append(reached)
            layer = following
        return found

    @staticmethod
    def _walk(came: dict[int, tuple[int, int]], place: int, last: int) -> list[int]:
        edges = [last]
        while place != _NOWHERE:
            place, edge = came[place]
            edges.append(edge)
        return edges[::-1]

    def steps(self, cycle: list[int]) -> tuple[Step, ...]:
        """Return the cycle from its first transaction on and without its hubs; nothing when it crosses itself."""
        begin = next(i for i, edge in enumerate(cycle) if self._stops[self._source[edge]])
        cycle = cycle[begin:] + cycle[:begin]
        steps = []
        first = cycle[0]
        for edge in cycle:
            if self._stops[self._source[edge]]:
                first = edge
            if self._stops[self._target[edge]]:
                steps.append(
                    Step(
                        self._kind[first],
                        self._rows[self._source[first]],
                        self._rows[self._target[edge]],
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

    Where the data alone make a worse class in the same component, milder ones with more order are not looked for.
    """
    if not len(suspected.nodes):
        return Found([], complete=True)
    count = len(suspected.nodes)
    rows = np.where(suspected.nodes < len(transactions.process), suspected.nodes, -1)
    edges = suspected.edges
    cycles: list[_Cycle] = []
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
        search = _Search(rows, count, edges.where(chosen))
        level, all_tried = _on_level(search, count, backward[chosen], (ending, classes), worst)
        complete = complete and all_tried
        cycles += level
    kept = [cycle for cycle in cycles if not _said_already(cycle, cycles)]
    return Found(
        [
            Anomaly(
                name=_CLASSES[cycle.sort] + _ENDINGS[cycle.order],
                transactions=tuple(step.source for step in cycle.steps),
                steps=cycle.steps,
            )
            for cycle in kept
        ],
        complete,
    )


def _said_already(cycle: _Cycle, cycles: list[_Cycle]) -> bool:
    """Whether a worse and no longer cycle through one of its transactions, with no more order, says it all."""
    mine = {step.source for step in cycle.steps}
    return any(
        other is not cycle
        and other.sort <= cycle.sort
        and other.order <= cycle.order
        and len(other.steps) <= len(cycle.steps)
        and any(step.source in mine for step in other.steps)
        for other in cycles
    )


def _on_level(
    search: _Search,
    count: int,
    backward: Flags,
    names: tuple[str, tuple[str, ...]],
    worst: dict[int, int],
) -> tuple[list[_Cycle], bool]:
    """Search every component; `worst` keeps for each node the worst class that the data make around it."""
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
    for number in sorted(range(len(parts)), key=lambda number: len(parts[number])):
        part = parts[number]
        if all(len(by_name.get(name, ())) >= NAMED_MAX for name in classes):
            break
        inside = order[bounds[number] : bounds[number + 1]]
        mildest = min((worst.get(node, len(_CLASSES)) for node in part), default=len(_CLASSES))
        wanted = {name: ending for name in classes if not ending or _CLASSES.index(name) < mildest}
        if not wanted:
            continue
        best = _in_component(
            search,
            inside.tolist(),
            inside[backward[inside]],
            wanted,
            content=mildest < len(_CLASSES) or bool(by_name),
        )
        for name, steps in best.items():
            by_name.setdefault(name, []).append(steps)
        if best and not ending:
            reached = min(mildest, *map(_CLASSES.index, best))
            worst.update(dict.fromkeys(part, reached))
    cycles = [
        _Cycle(_CLASSES.index(name), _ENDINGS.index(ending), steps)
        for name in classes
        for steps in sorted(by_name.get(name, []), key=len)[:NAMED_MAX]
    ]
    return cycles, search.visits <= _VISITS_MAX


def _in_component(
    search: _Search, inside: list[int], anchors: Integers, wanted: dict[str, str], *, content: bool
) -> dict[str, tuple[Step, ...]]:
    """Return class -> its shortest cycle in one component."""
    leaving = search.leaving(inside)
    best: dict[str, tuple[Step, ...]] = {}
    for anchor in anchors.tolist():
        content = content or bool(best)
        if content and search.visits > _VISITS_MAX:
            break
        found = search.from_edge(anchor, leaving, wanted, content=content)
        for name, cycle in found.items():
            steps = search.steps(cycle)
            if steps and (name not in best or len(steps) < len(best[name])):
                best[name] = steps
    return best
