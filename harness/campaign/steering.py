"""What a search tries next: something fresh, or another future of a run that reached what few have reached. Pure: data in, data out.

The archive knows of each cell (`harness.campaign.coverage`) how many runs reached it, and of a rare one a run that did, with its tape
and the event at which it did. An attempt is one of three, drawn by the search's own seed:

* *fresh*: everything is drawn;
* *branch*: the run that reached a rare cell is repeated up to that event, and from there on everything is drawn anew. What
  takes several rare steps in a row then need not wait until one seed takes all of them (Go-Explore, Ecoffet et al. 2021);
* *again*: the scenario and the plan of such a run, with everything else drawn anew: what was a matter of configuration comes back.

Rare cells that were not tried often come first. A run is looked at in the order of attempts and at least `LAG` attempts after it was
decided, so that what is tried depends on the search's seed and not on how many processes carry it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Final

import msgspec

from cluster.worlds.tape import Stream
from harness.campaign.attempt import Attempt, packed, unpacked
from harness.campaign.coverage import Cell
from harness.scenario import Scenario

__all__ = ["LAG", "Steering"]

LAG: Final = 16
"""So many attempts may be under way before the first of them is looked at."""
RARE_RUNS: Final = 3
"""A cell that more runs have reached is not rare."""
TAPES_MAX: Final = 300
"""So many tapes are kept; the oldest goes first. One is some 50 kB."""
_PLAN_STREAMS: Final = ("plan", "swarm")


class _Kept(msgspec.Struct):
    """A tape of the archive, and of how many rare cells it is the way."""

    scenario: Scenario
    tape: bytes


class _Seen(msgspec.Struct):
    """What is known of a cell: how many runs reached it, which was the first, at which event; how often it was branched from."""

    first: int
    at_event: int
    runs: int = 1
    tried: int = 0


class Steering:
    """See the module."""

    def __init__(self, draw: Stream, fresh_percent: int = 50, branch_percent: int = 35) -> None:
        self._draw = draw
        self._fresh, self._branch = fresh_percent, branch_percent
        self._seen: dict[Cell, _Seen] = {}
        self._kept: dict[int, _Kept] = {}

    def attempt(self, fresh: Attempt) -> Attempt:
        """Return `fresh`, or what is tried in its stead under its number and seed."""
        way, lot = self._draw.below(100), self._draw.fraction()
        if way < self._fresh or not self._kept:
            return fresh
        chosen = self._rare(lot)
        if chosen is None:
            return fresh
        chosen.tried += 1
        kept = self._kept[chosen.first]
        scenario = msgspec.structs.replace(kept.scenario, seed=fresh.scenario.seed)
        if way < self._fresh + self._branch:
            return Attempt(
                fresh.number, scenario, "branch", chosen.first, kept.tape, chosen.at_event + 1
            )
        plan = {name: drawn for name, drawn in unpacked(kept.tape).items() if name in _PLAN_STREAMS}
        return Attempt(fresh.number, scenario, "again", chosen.first, packed(plan))

    def took(self, attempt: Attempt, cells: Mapping[Cell, int], tape: bytes) -> list[Cell]:
        """Take in what a run reached, and its tape (empty: nobody shall follow it); return the cells that it opened."""
        opened = []
        for cell, at_event in cells.items():
            seen = self._seen.get(cell)
            if seen is None:
                self._seen[cell] = _Seen(attempt.number, at_event)
                opened.append(cell)
            else:
                seen.runs += 1
        if opened and tape:
            self._kept[attempt.number] = _Kept(attempt.scenario, tape)
            if len(self._kept) > TAPES_MAX:
                del self._kept[next(iter(self._kept))]
        return opened

    def remember(self, number: int, opened: Iterable[Cell]) -> None:
        """Take in what a run of an earlier process opened. Its tape is gone, so nobody follows it."""
        for cell in opened:
            self._seen[cell] = _Seen(number, 0)

    def runs_by_cell(self) -> dict[Cell, int]:
        """Return how many runs reached each cell."""
        return {cell: seen.runs for cell, seen in self._seen.items()}

    def _rare(self, lot: float) -> _Seen | None:
        rare = [
            one
            for one in self._seen.values()
            if one.runs <= RARE_RUNS + one.tried and one.first in self._kept
        ]
        if not rare:
            return None
        sums = list(accumulate(1 / (1 + one.tried) ** 2 for one in rare))
        mark = lot * sums[-1]
        return next(one for one, total in zip(rare, sums, strict=True) if total > mark)
