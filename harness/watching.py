"""Watching a run for the triggers of its faults: what the world has traced and the run has recorded since the last look.

A simulated world traces as it happens. A real one collects the files of its nodes, so that an event may arrive behind a later
one, and its trace is put in order again; whatever is new in it is found by counting. Simulated nodes do a step at
once and charge its time to their disk, so that an event may be traced before its time: it is kept until then. Between two looks
everything is taken in order of time. Nothing is looked at once every trigger has come about, or where there are none.
"""

from __future__ import annotations

from collections.abc import Sequence

from cluster.trace import Event
from cluster.worlds.world import World
from harness.operation import NEMESIS, Operation
from harness.triggers import Lookout, Trigger, told

__all__ = ["LOOK_NS", "Watching"]

LOOK_NS = {True: 1_000_000, False: 20_000_000}
"""How often the run is looked at, by whether its time is simulated. A real look reads files."""


class Watching:
    """See the module."""

    def __init__(self, world: World, triggers: Sequence[Trigger]) -> None:
        self._world = world
        self._lookout = Lookout(triggers)
        self._seen: set[int] = set()
        """Identities of the events that were taken in: the world keeps them all."""
        self._ahead: list[Event] = []
        self._recorded: list[Operation] = []
        self.interval_ns = LOOK_NS["simulated-time" in world.capabilities] if triggers else 0

    @property
    def active(self) -> bool:
        """Whether anything is still waited for."""
        return self._lookout.watching

    def record(self, operation: Operation) -> None:
        """Take note of an operation of the history."""
        if self.active:
            self._recorded.append(operation)

    def look(self, now_ns: int) -> list[Operation]:
        """Return one event for each trigger that came about since the last look, for the generator to be told of."""
        recorded, self._recorded = self._recorded, []
        events = [*self._ahead, *self._new_events()]
        self._ahead = [one for one in events if one.at_ns > now_ns]
        news: list[tuple[int, Event | Operation]] = [
            (one.at_ns, one) for one in events if one.at_ns <= now_ns
        ]
        news += [(one.time_ns, one) for one in recorded]
        news.sort(key=lambda pair: pair[0])
        return [
            Operation(time_ns=now_ns, process=NEMESIS, type="info", f=told(number), node=node)
            for _, event in news
            for number, node in self._lookout.see(event)
        ]

    def _new_events(self) -> list[Event]:
        trace = self._world.trace()
        missing = len(trace) - len(self._seen)
        new: list[Event] = []
        for event in reversed(trace):
            if len(new) == missing:
                break
            if id(event) not in self._seen:
                new.append(event)
        self._seen.update(map(id, new))
        return new[::-1]
