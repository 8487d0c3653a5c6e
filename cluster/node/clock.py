"""A node's own monotonic clock: the world's time, shifted and running a little fast or slow.

Simulated nodes have nothing else; a real node lays it over CLOCK_MONOTONIC and is told by its harness when to run wrong.

Integer arithmetic only, so that a deadline converted to world time and back is never early.
"""

from __future__ import annotations

__all__ = ["NodeClock"]

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
