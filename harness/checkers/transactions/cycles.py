"""The shortest cycle of each kind: what makes a cycle a G0, a G-single or a G2, and the search for it.

A cycle's name (Adya 1999, Cerone & Gotsman 2018) follows from its edges:

* ``G0``: only ww (or what `weak` puts in its place); ``G1c``: ww and wr;
* ``G-single``: exactly one rw; ``G-nonadjacent``: several, no two in a row; ``G2-item``: two in a row;
* ``prefix-cycle``, looked for apart from them: each rw directly behind a wr or behind process order;
* ``-process`` behind it where process order is needed, ``-realtime`` where real time is.

Of cycles through one transaction, those are left out that a worse, no longer one with no more order makes superfluous.

Levels of edges are looked at one after another, each in its own strongly connected components, so that a
search meets only what can matter. Every cycle has an edge that leads backward in the guessed order (`components`), so
every search starts with such an edge and goes breadth first through (node, what the way was made of: `ways`) back to its
source. Hubs cost nothing: they are ways, not transactions. What a breadth-first search finds may cross itself; then it
consists of shorter cycles with names of their own, and is left out.

When a store is thoroughly broken there are thousands of components, or one that is the whole history. Small ones are searched
first, and once something is found, a level ends after `_VISITS_MAX` visits. Of the classes that were not found by then it is decided
whether there is any (`existence`), so nothing that rules out a model is missed.
"""

from __future__ import annotations

import msgspec
import numpy as np

from harness.checkers.transactions.anomalies import NAMED_MAX, Anomaly, Step
from harness.checkers.transactions.components import Suspects, components
from harness.checkers.transactions.existence import cycle_of
from harness.checkers.transactions.graph import (
    BARRIER,
    FAN,
    PROCESS,
    REALTIME,
    VISIBLE,
    WR,
    WW,
    Edges,
    with_process_order,
    with_real_time,
)
from harness.checkers.transactions.lattice import ENDINGS
from harness.checkers.transactions.transactions import Flags, Integers, Transactions
from harness.checkers.transactions.ways import (
    CLASS_NAMES,
    CLASSES,
    DATA,
    PREFIX,
    PREFIX_NAMES,
    Automaton,
)

__all__ = ["Found", "find_cycles"]

_VISITS_MAX = 1_000_000
"""Edges looked at on one level after which the search is content with what it has."""

_LEVELS: tuple[tuple[str, tuple[int, ...], tuple[str, ...], Automaton], ...] = (
    ("", (WW, VISIBLE, FAN), CLASS_NAMES[:1], CLASSES),
    ("", (WW, WR, VISIBLE, FAN), CLASS_NAMES[1:2], CLASSES),
    ("", DATA, CLASS_NAMES[2:], CLASSES),
    ("-process", (*DATA, PROCESS), CLASS_NAMES, CLASSES),
    ("-realtime", (*DATA, PROCESS, REALTIME, BARRIER), CLASS_NAMES, CLASSES),
    ("", DATA, PREFIX_NAMES, PREFIX),
    ("-process", (*DATA, PROCESS), PREFIX_NAMES, PREFIX),
)
"""(ending of the names, kinds of edges, classes looked for, what tells them)."""

_SEVERITY = {name: number for number, name in enumerate((*CLASS_NAMES, *PREFIX_NAMES))}
_MILDER = len(_SEVERITY)
_NOWHERE = -1


class Found(msgspec.Struct, frozen=True):
    """Cycles by name, and whether the shortest of every name was looked for to the end."""

    cycles: list[Anomaly]
    complete: bool


class _Cycle(msgspec.Struct, frozen=True):
    """A cycle: its name, how bad that is (0 is worst), the number of its ending, and its edges."""

    name: str
    sort: int
    order: int
    steps: tuple[Step, ...]


class _Search:
    """Searches the components of one level."""

    def __init__(self, rows: Integers, count: int, edges: Edges, automaton: Automaton) -> None:
        """`rows` says which transactions the first nodes of `count` are, negative for hubs as the others are."""
        self._rows = rows.tolist()
        self._stops = [row >= 0 for row in self._rows] + [False] * (count - len(rows))
        self.edges = edges
        self._source = edges.source.tolist()
        self._target = edges.target.tolist()
        self._kind = edges.kind.tolist()
        self._longer = automaton.longer
        self._names = automaton.names
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
        longer_ways, ways = self._longer, len(self._longer)
        start = self._target[anchor] * ways + longer_ways[0][self._kind[anchor]]
        came: dict[int, tuple[int, int]] = {start: (_NOWHERE, anchor)}
        found: dict[str, list[int]] = {}
        layer = [start]
        while layer and len(found) < len(wanted):
            if self.visits > _VISITS_MAX and (content or found):
                break
            following: list[int] = []
            for place in layer:
                node, way = divmod(place, ways)
                edges = leaving.get(node, ())
                self.visits += len(edges)
                for edge in edges:
                    longer = longer_ways[way][self._kind[edge]]
                    target = self._target[edge]
                    if target == goal:
                        name, ending = self._names[longer]
                        if wanted.get(name) == ending and name not in found:
                            found[name] = self._walk(came, place, edge)
                        continue
                    reached = target * ways + longer
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

    def any_of(self, name: str, count: int) -> _Cycle | None:
        """Return a cycle of a class, or of a worse one; None where there is none."""
        walk = cycle_of(name, count, self.edges, self._stops)
        if not walk:
            return None
        way = 0
        for edge in walk:
            way = self._longer[way][self._kind[edge]]
        name, ending = self._names[way]
        return _Cycle(name, _SEVERITY[name], ENDINGS.index(ending), self.steps(walk))

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


def find_cycles(
    suspected: Suspects,
    transactions: Transactions,
    endings: tuple[str, ...],
    names: tuple[str, ...] = CLASS_NAMES,
) -> Found:
    """Find the shortest cycles of every name with one of the `endings` (of ``""``, ``-process``, ``-realtime``).

    `names` are `CLASS_NAMES` or `PREFIX_NAMES`. Nodes of `suspected` that are no row of `transactions` are hubs; several nodes
    may be one transaction. Where the data alone make a worse class in the same component, milder ones with more order
    are not looked for.
    """
    if not len(suspected.nodes):
        return Found([], complete=True)
    count = len(suspected.nodes)
    rows = np.where(suspected.nodes < len(transactions.process), suspected.nodes, -1)
    edges = suspected.edges
    cycles: list[_Cycle] = []
    worst: dict[int, int] = {}
    complete = True
    for ending, kinds, classes, automaton in _LEVELS:
        if ending not in endings or not set(classes) <= set(names):
            continue
        if ending == "-process":
            edges = with_process_order(suspected.edges, rows, transactions)
        elif ending == "-realtime":
            edges = with_process_order(suspected.edges, rows, transactions)
            edges, count = with_real_time(edges, rows, transactions)
        backward = np.zeros(len(edges.source), np.bool_)
        backward[: len(suspected.backward)] = suspected.backward
        chosen = np.isin(edges.kind, kinds)
        search = _Search(rows, count, edges.where(chosen), automaton)
        level, all_tried = _on_level(search, count, backward[chosen], (ending, classes), worst)
        if not all_tried:
            known = {(cycle.name, cycle.order) for cycle in cycles}
            decided = _decided(search, count, classes, level)
            level += [one for one in decided if (one.name, one.order) not in known]
        complete = complete and all_tried
        cycles += level
    kept = [cycle for cycle in cycles if not _said_already(cycle, cycles)]
    return Found(
        [
            Anomaly(
                name=cycle.name + ENDINGS[cycle.order],
                transactions=tuple(step.source for step in cycle.steps),
                steps=cycle.steps,
            )
            for cycle in kept
        ],
        complete,
    )


def _decided(
    search: _Search, count: int, classes: tuple[str, ...], level: list[_Cycle]
) -> list[_Cycle]:
    """The worst cycle of a level that ended early, where the search met none of its class; what it found is worse than all milder ones."""
    found = {cycle.name for cycle in level}
    for name in classes:
        if name in found or name == CLASS_NAMES[-1]:
            return []
        cycle = search.any_of(name, count)
        if cycle is not None:
            return [cycle]
    return []


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
        mildest = min((worst.get(node, _MILDER) for node in part), default=_MILDER)
        wanted = {name: ending for name in classes if not ending or _SEVERITY[name] < mildest}
        if not wanted:
            continue
        best = _in_component(
            search,
            inside.tolist(),
            inside[backward[inside]],
            wanted,
            content=mildest < _MILDER or bool(by_name),
        )
        for name, steps in best.items():
            by_name.setdefault(name, []).append(steps)
        if best and not ending:
            reached = min(mildest, *map(_SEVERITY.__getitem__, best))
            worst.update(dict.fromkeys(part, reached))
    cycles = [
        _Cycle(name, _SEVERITY[name], ENDINGS.index(ending), steps)
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
