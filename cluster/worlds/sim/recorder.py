"""The trace of a simulated run, and its fingerprint.

Events are stamped here, because only the world knows its time and a node's earlier lives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b

import msgspec

from cluster.trace import Applied, Event, Fault
from cluster.worlds.sim.kernel import Kernel
from cluster.worlds.sim.place import Place

__all__ = ["Recorder"]

_stamp = msgspec.structs.force_setattr


class Recorder:
    """Keeps `trace`; `observers` see every event as it happens."""

    def __init__(
        self,
        kernel: Kernel,
        places: Mapping[str, Place],
        observers: Sequence[Callable[[Event], None]],
    ) -> None:
        self.trace: list[Event] = []
        self._kernel = kernel
        self._places = places
        self._observers = observers
        self._applied_high: dict[tuple[str, int], int] = {}
        self._mix = 0

    def record(self, event: Event) -> None:
        """Stamp an event, keep it, show it around."""
        now_ns = self._kernel.now_ns
        place = self._places.get(event.node)
        if place is not None:
            now_ns += place.disk.elapsed_ns
        _stamp(event, "at_ns", now_ns)
        if type(event) is Applied:
            key = (event.node, event.group)
            high = self._applied_high.get(key, 0)
            if event.index <= high:
                _stamp(event, "replay", True)
            elif event.decision != "halt":
                self._applied_high[key] = event.index
        self.trace.append(event)
        for observe in self._observers:
            observe(event)

    def fault(self, action: str, target: str, amount: int = 0) -> None:
        """The world did `action` to a node, or to links in words; see `Fault`."""
        node = target if target in self._places else ""
        fault = Fault(node=node, incarnation=0, action=action, target=target, amount=amount)
        self.record(fault)

    def delivered(self, place: Place, what: int) -> None:
        """A message (`what`: its term) or request (its number) arrives: part of the fingerprint, not of the trace."""
        self._mix = hash((self._mix, self._kernel.now_ns, place.number, what))

    def fingerprint(self) -> str:
        """A hash over every event and every delivery: equal runs have equal fingerprints."""
        digest = blake2b(self._mix.to_bytes(8, "big", signed=True), digest_size=16)
        digest.update(msgspec.msgpack.encode(self.trace))
        return digest.hexdigest()
