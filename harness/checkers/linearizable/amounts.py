"""The gaps of `counter` where increments are of several amounts, all of them positive.

In each gap increments of exactly the amount take effect by which the reads around it differ. Who must take effect in a gap at the latest
does; the rest of the amount comes from those that may wait, in every way that time allows, and a *place* is what is left waiting then. Of
equal amounts the one that returns first goes first, and crashed ones, which may never come, go last, in order of their calls: whoever
takes another can change these two. So a place is the definite increments that wait, and how many crashed ones of each amount are used.

All places together are a proof. Where there are too many, those that used fewest crashed increments stay: an order found is still one,
but a dead end is no opinion.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from harness.checkers.linearizable.calls import INFINITY

__all__ = ["Add", "Filling", "fill"]

_PLACES_MAX = 128
_TRIES_MAX = 2048
"""Places kept, and increments tried in one gap for each of them."""

Waiting = tuple["Add", ...]
Used = tuple[int, ...]
Taken = tuple["Add", ...]


class Add(NamedTuple):
    """An increment, with the first and the last gap for it."""

    returned: int
    row: int
    called: int
    amount: int
    opens: int
    closes: int


class Filling(NamedTuple):
    """What came of it: rows behind each other (those of each gap, then the rest), or the gap at which it failed and who waited.

    `known` is false where something was left out, so that nothing is proven.
    """

    gaps: list[list[int]]
    failed: int = -1
    waiting: tuple[int, ...] = ()
    known: bool = True


class _Trail(NamedTuple):
    before: _Trail | None
    taken: Taken


def fill(adds: list[Add], room: list[int]) -> Filling:
    """Fill the gaps, of which each takes the amount `room`."""
    definite = sorted((add for add in adds if add.returned < INFINITY), key=lambda add: add.opens)
    crashed: dict[int, list[Add]] = {}
    for add in sorted(adds, key=lambda add: add.called):
        if add.returned >= INFINITY:
            crashed.setdefault(add.amount, []).append(add)
    kinds = list(crashed.values())
    places: dict[tuple[Waiting, Used], _Trail | None] = {((), (0,) * len(kinds)): None}
    following = 0
    known = True
    for gap, needed in enumerate(room):
        begin = following
        while following < len(definite) and definite[following].opens <= gap:
            following += 1
        found: dict[tuple[Waiting, Used], _Trail | None] = {}
        for (waiting, used), trail in places.items():
            together = tuple(sorted((*waiting, *definite[begin:following])))
            must = bisect_left(together, gap + 1, key=lambda add: add.closes)
            forced, rest = together[:must], together[must:]
            left = needed - sum(add.amount for add in forced)
            ways = _Ways(kinds, gap)
            for place, taken in ways.found(rest, used, left):
                found.setdefault(place, _Trail(trail, forced + taken))
            known = known and not ways.cut
        if not found:
            last = (place[0] for place in places)
            return Filling([], gap, _rows((*next(last), *definite[begin:following])), known)
        if len(found) > _PLACES_MAX:
            fewest = sorted(found, key=lambda place: sum(place[1]))[:_PLACES_MAX]
            found, known = {place: found[place] for place in fewest}, False
        places = found
    (waiting, _), trail = next(iter(places.items()))
    gaps = [[*_rows((*waiting, *definite[following:]))]]
    while trail is not None:
        gaps.append([*_rows(trail.taken)])
        trail = trail.before
    return Filling(gaps[::-1])


def _rows(adds: Taken) -> tuple[int, ...]:
    return tuple(sorted(add.row for add in adds))


class _Ways:
    """The ways to take an amount from those that may wait, in one gap."""

    def __init__(self, kinds: list[list[Add]], gap: int) -> None:
        self._kinds = kinds
        self._gap = gap
        self.cut = False
        """Whether something was left out."""

    def found(
        self, waiting: Waiting, used: Used, left: int
    ) -> Iterator[tuple[tuple[Waiting, Used], Taken]]:
        """Yield each place behind the gap once, with what was taken."""
        if left < 0:
            return
        stack: list[tuple[Waiting, Used, int, Taken]] = [(waiting, used, left, ())]
        seen = {(waiting, used)}
        while stack:
            waiting, used, left, taken = stack.pop()
            if not left:
                yield (waiting, used), taken
                continue
            for rest, count, add in self._choices(waiting, used, left):
                if (rest, count) not in seen:
                    if len(seen) > _TRIES_MAX:
                        self.cut = True
                        return
                    seen.add((rest, count))
                    stack.append((rest, count, left - add.amount, (*taken, add)))

    def _choices(
        self, waiting: Waiting, used: Used, left: int
    ) -> Iterator[tuple[Waiting, Used, Add]]:
        """Yield who may come next, crashed ones first for the last is tried first."""
        bound = waiting[0].returned if waiting else INFINITY
        free: dict[int, int] = {}
        for place, add in enumerate(waiting):
            if add.called < bound and add.amount <= left:
                free.setdefault(add.amount, place)
        for kind, adds in enumerate(self._kinds):
            if used[kind] < len(adds):
                add = adds[used[kind]]
                fits = add.amount <= left and add.opens <= self._gap and add.called < bound
                if fits and add.amount not in free:
                    yield waiting, (*used[:kind], used[kind] + 1, *used[kind + 1 :]), add
        for place in reversed(free.values()):
            yield waiting[:place] + waiting[place + 1 :], used, waiting[place]
