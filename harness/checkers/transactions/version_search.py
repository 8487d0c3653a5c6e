"""Is there any order of versions under which the claimed models hold? A search, where the history leaves the order open.

Finding one is NP-hard (Papadimitriou 1979), so the search is lazy (as in PolySI, Huang et al. 2023): choose an order, look for
cycles that the models forbid (`cycles`), and learn from each that its versions cannot stand in that order all at once. What was
learnt goes to a SAT solver as a clause over ``version a of this key comes before version b``, and the solver's answer is the
next choice. Only keys that a cycle went through are ever given variables; all others keep the order they began with, which
for a store that respects real time is nearly always right (`version_choices`), and then no solver is needed at all.

The end is an order without forbidden cycles, or a contradiction: the few cycles of which one is there in every order, which is
what a reader is told. The budget counts edges looked at, so that it ends at the same place on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any, Literal

import msgspec

from harness.checkers.transactions.anomalies import Anomaly
from harness.checkers.transactions.components import Suspects, suspects
from harness.checkers.transactions.cycles import find_cycles
from harness.checkers.transactions.graph import RW, WW
from harness.checkers.transactions.special import named
from harness.checkers.transactions.transactions import Transactions
from harness.checkers.transactions.version_choices import Choices, Orders
from harness.checkers.transactions.ways import CLASS_NAMES, PREFIX_NAMES

__all__ = ["EDGES_MAX", "WRITERS_MAX", "Searched", "search"]

EDGES_MAX = 50_000_000
"""Edges looked at before the search gives up, where nobody says otherwise: about a minute at worst."""

_ROUND_EDGES = 5_000
"""What a round costs beside its edges."""

WRITERS_MAX = 400
"""Writers of a key that may be put in order by the solver; each pair of them is a variable."""

Literals = tuple[tuple[int, int, int], ...]
"""(key, a, b) for each version of transaction a that must come before that of b."""


class Searched(msgspec.Struct, frozen=True):
    """How a search ended: with an order (``found``), with cycles of which every order has one (``none``), or without either.

    `rounds` are orders tried; `doubtful` says how many transactions may be on a cycle in the best of them.
    """

    outcome: Literal["found", "none", "out of budget", "too many writers", "no solver"]
    rounds: int
    doubtful: int
    cycles: tuple[Anomaly, ...] = ()


def search(
    transactions: Transactions,
    choices: Choices,
    forbidden: frozenset[str],
    endings: tuple[str, ...],
    edges_max: int = EDGES_MAX,
) -> Searched:
    """Look for an order under which no cycle has a `forbidden` name."""
    chosen: dict[int, list[int]] = {key: list(order) for key, order in choices.first.items()}
    solver: _Solver | None = None
    edges = rounds = 0
    doubtful = len(transactions.process)
    while True:
        graph = choices.graph(chosen)
        edges += _ROUND_EDGES + len(graph.edges.source)
        rounds += 1
        suspected = suspects(graph, transactions)
        doubtful = min(doubtful, int((suspected.nodes < graph.transactions).sum()))
        cycles = _forbidden_cycles(suspected, transactions, endings, forbidden)
        if not cycles:
            return Searched("found", rounds, doubtful)
        if edges > edges_max:
            return Searched("out of budget", rounds, doubtful)
        solver = solver or _solver(choices)
        if solver is None:
            return Searched("no solver", rounds, doubtful)
        for cycle in cycles:
            literals = _literals(cycle, transactions, choices)
            if any(len(chosen[key]) > WRITERS_MAX for key, _, _ in literals):
                return Searched("too many writers", rounds, doubtful)
            solver.learn(literals, cycle)
        changed = solver.next_orders()
        if changed is None:
            return Searched("none", rounds, doubtful, solver.contradiction())
        chosen |= changed


def _forbidden_cycles(
    suspected: Suspects,
    transactions: Transactions,
    endings: tuple[str, ...],
    forbidden: frozenset[str],
) -> list[Anomaly]:
    for names in (CLASS_NAMES, PREFIX_NAMES):
        found = find_cycles(suspected, transactions, endings, names)
        cycles = [
            cycle
            for cycle in named(found.cycles, transactions)
            if not forbidden.isdisjoint((cycle.name, *cycle.also))
        ]
        if cycles or not suspected.nodes.size:
            return cycles
    return []


def _literals(cycle: Anomaly, transactions: Transactions, choices: Choices) -> Literals:
    """Return the choices that a cycle rests on."""
    found = []
    for step in cycle.steps:
        if step.kind not in (WW, RW):
            continue
        key = int(transactions.key[step.target_position])
        before = step.source if step.kind == WW else choices.writer_read(step.source_position)
        of_key = choices.first.get(key, ())
        if before in of_key and step.target in of_key and before != step.target:
            found.append((key, before, step.target))
    return tuple(dict.fromkeys(found))


class _Solver:
    """Clauses over the order of versions. Each cycle learnt has a switch, so that a contradiction can name its cycles."""

    def __init__(self, choices: Choices, make: Callable[..., Any]) -> None:
        self._first = choices.first
        self._known = choices.known
        self._solver = make(name="glucose4", incr=False)
        self._variables: dict[tuple[int, int, int], int] = {}
        self._count = 0
        self._bounds: dict[int, tuple[int, int]] = {}
        self._answers: dict[int, list[bool]] = {}
        self._cycles: dict[int, Anomaly] = {}

    def learn(self, literals: Literals, cycle: Anomaly) -> None:
        """Note that the literals cannot hold together, for `cycle` would be there."""
        for key, _, _ in literals:
            self._open_key(key)
        self._count += 1
        self._cycles[self._count] = cycle
        self._solver.add_clause([-self._count, *(-self._literal(*one) for one in literals)])

    def next_orders(self) -> Orders | None:
        """Return orders of the keys whose answer changed, which fit all that was learnt; None where there are none."""
        changed: dict[int, list[int]] = {}
        while self._solver.solve(assumptions=list(self._cycles)):
            model = self._solver.get_model()
            circles = False
            for key, (begin, end) in self._bounds.items():
                answer = [number > 0 for number in model[begin - 1 : end]]
                answer += [True] * (end + 1 - begin - len(answer))
                if answer == self._answers.get(key):
                    continue
                self._answers[key] = answer
                changed[key] = self._sorted(key)
                for a, b, c in self._circles(key, changed[key]):
                    circles = True
                    literals = ((key, a, b), (key, b, c), (key, c, a))
                    self._solver.add_clause([-self._literal(*one) for one in literals])
            if not circles:
                return changed
        return None

    def contradiction(self) -> tuple[Anomaly, ...]:
        """Return the cycles that leave no order, as few as leaving out one after the other gives."""
        kept = sorted(self._solver.get_core() or ())
        for switch in tuple(kept):
            fewer = [other for other in kept if other != switch]
            if not self._without_order(fewer):
                continue
            kept = fewer
        return tuple(self._cycles[switch] for switch in kept)

    def _without_order(self, switches: list[int]) -> bool:
        return not self._solver.solve(assumptions=switches)

    def _open_key(self, key: int) -> None:
        if key in self._bounds:
            return
        begin = self._count + 1
        for a, b in combinations(self._first[key], 2):
            self._count += 1
            self._variables[key, a, b] = self._count
            for one, literal in (((key, a, b), self._count), ((key, b, a), -self._count)):
                if one in self._known:
                    self._solver.add_clause([literal])
        self._bounds[key] = begin, self._count
        self._solver.set_phases(list(range(begin, self._count + 1)))

    def _literal(self, key: int, a: int, b: int) -> int:
        number = self._variables.get((key, a, b))
        return number if number is not None else -self._variables[key, b, a]

    def _is_before(self, key: int, a: int, b: int) -> bool:
        literal = self._literal(key, a, b)
        return self._answers[key][abs(literal) - self._bounds[key][0]] == (literal > 0)

    def _sorted(self, key: int) -> list[int]:
        """Return the writers of `key` by how many others they come before: their order, where there is one."""
        rows = self._first[key]
        wins = dict.fromkeys(rows, 0)
        for (a, b), is_first in zip(combinations(rows, 2), self._answers[key], strict=True):
            wins[a if is_first else b] += 1
        return sorted(rows, key=lambda row: -wins[row])

    def _circles(self, key: int, order: list[int]) -> Iterator[tuple[int, int, int]]:
        """Yield circles of three for versions that come before one in front of them."""
        for at, row in enumerate(order):
            for back in order[:at]:
                if not self._is_before(key, row, back):
                    continue
                for middle in order:
                    between = middle not in (row, back) and self._is_before(key, back, middle)
                    if between and self._is_before(key, middle, row):
                        yield row, back, middle
                        break


def _solver(choices: Choices) -> _Solver | None:
    """Return a solver, where one is installed."""
    try:
        from pysat.solvers import Solver  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return _Solver(choices, Solver)
