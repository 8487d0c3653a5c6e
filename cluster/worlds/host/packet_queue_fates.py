"""What becomes of one packet on a bad link. Pure: a fate is a function of seed, link and the packet's number on that link.

Nothing is remembered between packets, so a daemon that starts anew, or counts differently on one link, changes no fate of
another. What a fault means is netem's: each packet is late by `delay_ns` and up to `jitter_ns` more, drawn on its own (so
jitter reorders); with probability `reordering` it is not held at all and overtakes those that are.
"""

from __future__ import annotations

import heapq
import struct
from hashlib import blake2b
from typing import Generic, TypeVar

import msgspec

from cluster.worlds.world import LinkFault

__all__ = ["Fate", "Held", "fate_of"]

Item = TypeVar("Item")

_DRAWS = struct.Struct(">5Q")
_STEPS = 1 << 64


class Fate(msgspec.Struct, frozen=True):
    """When the packet goes on, and its double: nanoseconds from now; an empty tuple is a lost packet."""

    delays_ns: tuple[int, ...]
    overtakes: bool = False


_LOST = Fate(())


def fate_of(fault: LinkFault, seed: int, link: str, number: int) -> Fate:
    """Return what becomes of packet `number` of `link` under `fault`."""
    digest = blake2b(f"{seed}/{link}/{number}".encode(), digest_size=_DRAWS.size).digest()
    lost, doubled, first, second, early = _DRAWS.unpack(digest)
    if lost < fault.loss * _STEPS:
        return _LOST
    overtakes = early < fault.reordering * _STEPS
    delays = [0 if overtakes else fault.delay_ns + _share(fault.jitter_ns, first)]
    if doubled < fault.duplication * _STEPS:
        delays.append(fault.delay_ns + _share(fault.jitter_ns, second))
    return Fate(tuple(delays), overtakes)


def _share(most_ns: int, draw: int) -> int:
    """A uniform draw in [0, `most_ns`]."""
    return (most_ns + 1) * draw >> 64


class Held(Generic[Item]):
    """What waits for its time; equal times go in the order in which they came."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Item]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._heap)

    def hold(self, due_ns: int, item: Item) -> None:
        """Keep `item` until `due_ns`."""
        self._count += 1
        heapq.heappush(self._heap, (due_ns, self._count, item))

    def due(self, now_ns: int) -> list[Item]:
        """Take out everything whose time has come, in order."""
        items = []
        while self._heap and self._heap[0][0] <= now_ns:
            items.append(heapq.heappop(self._heap)[2])
        return items

    def wait_ns(self, now_ns: int) -> int | None:
        """How long until the next is due, at least 0; None when nothing is held."""
        return max(0, self._heap[0][0] - now_ns) if self._heap else None
