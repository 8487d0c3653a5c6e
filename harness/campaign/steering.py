"""What a search tries next: something fresh, or once more what led a run to where few have been. Pure: data in, data out.

The archive knows of each cell (`harness.campaign.coverage`) how many runs reached it, and of a rare one which run was the first, with its
scenario and the draws of its plan. An attempt is one of three:

* *fresh*: everything is drawn;
* *again*: scenario and plan of a run that reached a rare cell, with everything else drawn anew: other moments, other messages lost;
* *altered*: the same, but for one side of the scenario (size, load, patience, faults), which is that of the fresh attempt.

Rare cells that were not tried often come first. Which of the three it is hangs on what they brought of late: cells opened per run,
with a floor under each. Fresh runs open most in the beginning; when they have seen what is easily seen, the others do.

What was tried and left: repeating a run up to the event of its rare cell and drawing anew from there. Such a run pays for the whole past
and has only the rest of its time for something new. What steering is worth stands in docs/search.md.

A run is looked at in the order of attempts and `LAG` attempts after it was decided, so that what is tried depends on the search's
seed and not on how many processes carry it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Final

import msgspec

from cluster.worlds.tape import Stream
from harness.campaign.attempt import Attempt, How
from harness.campaign.coverage import Cell
from harness.scenario import Scenario

__all__ = ["ARCHIVE_MAX", "LAG", "PLAN_STREAMS", "Steering", "altered"]

LAG: Final = 16
"""So many attempts may be under way before the first of them is looked at."""
ARCHIVE_MAX: Final = 1000
"""So many runs are kept; the oldest goes first."""
PLAN_STREAMS: Final = ("plan", "swarm")
"""The streams that decide what a run is like, before anything happens in it."""

_RARE_RUNS: Final = 3
"""A cell that more runs have reached is not rare; each attempt that followed it allows one more."""
_WAYS: Final[tuple[How, ...]] = ("fresh", "again", "altered")
_FLOOR: Final = 0.2
"""The least share of a way."""
_MEMORY: Final = 0.05
"""What the last run weighs in what a way brings."""

_SIDES: Final[tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = (
    (("nodes",), ()),
    (("concurrency", "rate"), ()),
    ((), ("election_timeout_ms", "heartbeat_ms", "loss_percent")),
    (("nemesis",), ("interval_s",)),
)
"""Sides of a scenario: fields and options that are drawn together."""


class _Kept(msgspec.Struct, frozen=True):
    """A run of the archive."""

    scenario: Scenario
    plan: dict[str, list[int]]


class _Seen(msgspec.Struct):
    """What is known of a cell: how many runs reached it, which was the first, and how often that was followed."""

    first: int
    runs: int = 1
    tried: int = 0


class Steering:
    """See the module. It draws from `draw` and from nothing else."""

    def __init__(self, draw: Stream) -> None:
        self._draw = draw
        self._seen: dict[Cell, _Seen] = {}
        self._kept: dict[int, _Kept] = {}
        self._brings = dict.fromkeys(_WAYS, 1.0)

    def attempt(self, fresh: Attempt) -> Attempt:
        """Return `fresh`, or what is tried in its stead under its number and seed."""
        way, lot = self._way(self._draw.fraction()), self._draw.fraction()
        side = self._draw.below(len(_SIDES))
        chosen = None if way == "fresh" else self._rare(lot)
        if chosen is None:
            return fresh
        chosen.tried += 1
        kept = self._kept[chosen.first]
        scenario = msgspec.structs.replace(kept.scenario, seed=fresh.scenario.seed)
        if way == "altered":
            scenario = altered(scenario, fresh.scenario, side)
        return Attempt(fresh.number, scenario, way, chosen.first, kept.plan)

    def took(
        self, attempt: Attempt, cells: Iterable[Cell], plan: Mapping[str, list[int]] | None
    ) -> list[Cell]:
        """Take in what a run reached, and the draws of its plan (None: nobody shall follow it); return the cells that it opened."""
        opened = []
        for cell in cells:
            seen = self._seen.get(cell)
            if seen is None:
                self._seen[cell] = _Seen(attempt.number)
                opened.append(cell)
            else:
                seen.runs += 1
        before = self._brings[attempt.how]
        self._brings[attempt.how] = before + _MEMORY * (len(opened) - before)
        if opened and plan is not None:
            self._kept[attempt.number] = _Kept(attempt.scenario, dict(plan))
            if len(self._kept) > ARCHIVE_MAX:
                del self._kept[next(iter(self._kept))]
        return opened

    def remember(self, number: int, opened: Iterable[Cell]) -> None:
        """Take in what a run of an earlier process opened. Its plan is gone, so nobody follows it."""
        for cell in opened:
            self._seen[cell] = _Seen(number)

    def runs_by_cell(self) -> dict[Cell, int]:
        """Return how many runs reached each cell."""
        return {cell: seen.runs for cell, seen in self._seen.items()}

    def _way(self, lot: float) -> How:
        """Each way has its floor, and of the rest what its runs bring of all that runs bring."""
        rest = (1 - _FLOOR * len(_WAYS)) / (sum(self._brings.values()) or 1.0)
        sums = accumulate(_FLOOR + rest * self._brings[way] for way in _WAYS)
        return next((way for way, total in zip(_WAYS, sums, strict=True) if total > lot), "fresh")

    def _rare(self, lot: float) -> _Seen | None:
        rare = [
            one
            for one in self._seen.values()
            if one.runs <= _RARE_RUNS + one.tried and one.first in self._kept
        ]
        if not rare:
            return None
        sums = list(accumulate(1 / (1 + one.tried) ** 2 for one in rare))
        mark = lot * sums[-1]
        return next(one for one, total in zip(rare, sums, strict=True) if total > mark)


def altered(scenario: Scenario, other: Scenario, side: int) -> Scenario:
    """Return `scenario` with one side of `other`, by its number."""
    fields, names = _SIDES[side]
    options = {name: value for name, value in scenario.options.items() if name not in names}
    options |= {name: other.options[name] for name in names if name in other.options}
    return msgspec.structs.replace(
        scenario, **{name: getattr(other, name) for name in fields}, options=options
    )
