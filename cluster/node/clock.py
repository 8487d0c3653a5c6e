"""A node's own monotonic clock: the world's time, shifted and running a little fast or slow.

Simulated nodes have nothing else; a real node lays it over CLOCK_MONOTONIC and is told by its harness when to run wrong.

A wall clock is another thing: nothing a node decides depends on it, and it may jump. `Stamps` makes timestamps of its readings
that never go back. Integer arithmetic only, so that a deadline converted to world time and back is never early.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

__all__ = ["NodeClock", "Stamp", "Stamps", "WallClock"]

_MILLION = 1_000_000


class NodeClock:
    """`drift_ppm` is parts per million by which the clock runs fast; changing it never moves the reading."""

    __slots__ = ("_drift_ppm", "_local_ns", "_world_ns")

    def __init__(self, *, offset_ns: int = 0, drift_ppm: int = 0) -> None:
        self._local_ns = offset_ns
        self._world_ns = 0
        self._drift_ppm = drift_ppm

    def local_ns(self, world_ns: int) -> int:
        """The clock's reading at world time `world_ns`."""
        elapsed = world_ns - self._world_ns
        return self._local_ns + elapsed + elapsed * self._drift_ppm // _MILLION

    def world_ns(self, local_ns: int) -> int:
        """The first world time at which the clock reads at least `local_ns`."""
        wanted = local_ns - self._local_ns
        if wanted <= 0:
            return self._world_ns
        rate = _MILLION + self._drift_ppm
        return self._world_ns + -(-wanted * _MILLION // rate)

    def set_drift(self, drift_ppm: int, world_ns: int) -> None:
        """Run at another rate from `world_ns` on."""
        self._local_ns = self.local_ns(world_ns)
        self._world_ns = world_ns
        self._drift_ppm = drift_ppm


class WallClock:
    """A wall clock that somebody may set wrong: the world's time since `epoch_ns`, off by an offset and drifting from there."""

    __slots__ = ("_drift_ppm", "_epoch_ns", "_offset_ns", "_since_ns")

    def __init__(self, epoch_ns: int) -> None:
        self._epoch_ns = epoch_ns
        self._offset_ns = 0
        self._drift_ppm = 0
        self._since_ns = 0

    def read_ns(self, world_ns: int) -> int:
        """Nanoseconds since 1970, as far as this clock knows."""
        drifted = (world_ns - self._since_ns) * self._drift_ppm // _MILLION
        return self._epoch_ns + world_ns + self._offset_ns + drifted

    def set(self, offset_ns: int, drift_ppm: int, world_ns: int) -> None:
        """Be off by so much at `world_ns`, and drift from there; zeros put it right."""
        self._offset_ns = offset_ns
        self._drift_ppm = drift_ppm
        self._since_ns = world_ns


class Stamp(msgspec.Struct, frozen=True):
    """What a node answers when it is asked for the time: its wall clock's reading, and its own timestamp."""

    wall_ns: int
    stamp_ns: int


class Stamps:
    """Timestamps of one life of a node: each is later than the one before, whatever the wall clock does meanwhile.

    They follow the wall clock while it goes forward, and count on while it stands behind (the local half of a hybrid
    logical clock; Kulkarni et al. 2014).
    """

    __slots__ = ("_latest_ns", "_wall_ns")

    def __init__(self, wall_ns: Callable[[], int]) -> None:
        self._wall_ns = wall_ns
        self._latest_ns = 0

    def take(self) -> Stamp:
        """The next timestamp."""
        wall_ns = self._wall_ns()
        self._latest_ns = max(self._latest_ns + 1, wall_ns)
        return Stamp(wall_ns, self._latest_ns)
