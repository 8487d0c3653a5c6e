"""What a way through the graph is made of, numbered: the memory of a search for cycles of a certain kind.

A search that looks for a cycle of one name must know of every way what its edges were, and no more than that. So the things
worth knowing are a small struct, all of its values are tabulated once, and a search steps from number to number
(`Automaton.longer`) and asks at the end what it has closed (`Automaton.names`). Hubs and barriers are no edges of their own.

Two automata: `CLASSES` tells Adya's classes and Cerone & Gotsman's G-nonadjacent; `PREFIX` tells the cycles that prefix
consistency forbids, in which every rw stands directly behind a wr, process order or real time (Cerone, Gotsman & Yang 2017).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec

from harness.checkers.transactions.graph import (
    BARRIER,
    FAN,
    PROCESS,
    REALTIME,
    RW,
    VISIBLE,
    WR,
    WW,
)
from harness.checkers.transactions.lattice import ENDINGS

__all__ = ["CLASSES", "CLASS_NAMES", "DATA", "PREFIX", "PREFIX_NAMES", "Automaton", "order_of"]

DATA: Final = (WW, WR, RW, VISIBLE, FAN)
"""Kinds of edges that follow from the data."""

CLASS_NAMES: Final = ("G0", "G1c", "G-single", "G-nonadjacent", "G2-item")
"""From the worst to the mildest: what forbids a later one forbids the earlier ones."""

PREFIX_NAMES: Final = ("prefix-cycle",)

_NONE, _RW, _WW, _BEFORE = range(4)
_SORTS: Final = {RW: _RW, WW: _WW, VISIBLE: _WW, WR: _BEFORE, PROCESS: _BEFORE, REALTIME: _BEFORE}

W = TypeVar("W")


class Automaton(msgspec.Struct, frozen=True):
    """`longer[way][kind]` is the way with one more edge, `names[way]` the class and ending of the cycle it closes.

    Way 0 is the empty one. A class is ``""`` where the cycle is none that is looked for.
    """

    longer: list[list[int]]
    names: list[tuple[str, str]]


def order_of(kind: int) -> int:
    """Return which of `ENDINGS` an edge of this kind needs."""
    return {PROCESS: 1, REALTIME: 2}.get(kind, 0)


class _Way(msgspec.Struct, frozen=True):
    """`rw` counts to two, `first` and `last` tell rw from other edges, `order` is the most that was needed."""

    rw: int = 0
    first: int = _NONE
    last: int = _NONE
    adjacent: bool = False
    wr: bool = False
    order: int = 0


def _longer(way: _Way, kind: int) -> _Way:
    sort = _RW if kind == RW else _WW
    return _Way(
        rw=min(2, way.rw + (kind == RW)),
        first=way.first or sort,
        last=sort,
        adjacent=way.adjacent or way.last == sort == _RW,
        wr=way.wr or kind == WR,
        order=max(way.order, order_of(kind)),
    )


def _class(way: _Way) -> tuple[str, str]:
    ending = ENDINGS[way.order]
    if way.rw < 2:
        return CLASS_NAMES[2 if way.rw else 1 if way.wr else 0], ending
    adjacent = way.adjacent or way.first == way.last == _RW
    return CLASS_NAMES[4 if adjacent else 3], ending


class _PrefixWay(msgspec.Struct, frozen=True):
    """As `_Way`; `alone` says that some rw stands behind no edge that shows what came before it."""

    rw: bool = False
    first: int = _NONE
    last: int = _NONE
    alone: bool = False
    order: int = 0


def _longer_prefix(way: _PrefixWay, kind: int) -> _PrefixWay:
    sort = _SORTS[kind]
    return _PrefixWay(
        rw=way.rw or sort == _RW,
        first=way.first or sort,
        last=sort,
        alone=way.alone or (sort == _RW and way.last not in (_NONE, _BEFORE)),
        order=max(way.order, order_of(kind)),
    )


def _prefix(way: _PrefixWay) -> tuple[str, str]:
    alone = way.alone or not way.rw or (way.first == _RW and way.last != _BEFORE)
    return ("" if alone else PREFIX_NAMES[0]), ENDINGS[way.order]


class _Tabulated(Generic[W]):
    """All ways from the empty one on."""

    def __init__(
        self, empty: W, longer: Callable[[W, int], W], name: Callable[[W], tuple[str, str]]
    ) -> None:
        ways = [empty]
        numbers = {empty: 0}
        table: list[list[int]] = []
        for number, way in enumerate(ways):
            row = [number] * (max(*_SORTS, FAN, BARRIER) + 1)
            for kind in _SORTS:
                following = longer(way, kind)
                if following not in numbers:
                    numbers[following] = len(ways)
                    ways.append(following)
                row[kind] = numbers[following]
            table.append(row)
        self.automaton = Automaton(table, [name(way) for way in ways])


CLASSES: Final = _Tabulated(_Way(), _longer, _class).automaton
PREFIX: Final = _Tabulated(_PrefixWay(), _longer_prefix, _prefix).automaton
