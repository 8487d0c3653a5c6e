"""What a node tells about itself while it runs, and where a fault may strike it.

This module is the bottom of `cluster`: every layer below the node reports through a `Probe` that is
handed in, and imports nothing else for it. It holds the protocol, its silent version, the exception
of a simulated crash, and nothing that decides.

A *crash point* is a named line of node code (`apply.after_set` style names, catalogue in
`cluster.node.crash_points`). Passing it costs one call. An armed point strikes there:

* `kill`  – the process is gone; what was written (page cache) stays;
* `power` – everything not fsynced is gone too;
* `stall` – the node stands still for a while and then goes on.

In simulation `kill` and `power` raise `Crash`, which unwinds to the scheduler; in a real process the
probe ends the process and never returns. Code between a crash point and the scheduler therefore must
not catch `BaseException`, and `finally` blocks must not write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cluster.trace import Event

__all__ = ["Crash", "Probe", "SilentProbe"]


class Crash(BaseException):
    """A simulated node died at a crash point.

    Derives from BaseException because it is not an error of anybody: nothing in a node may handle
    it. Only the simulated world catches it. `kind` is ``"kill"`` or ``"power"``.
    """

    def __init__(self, point: str, kind: str) -> None:
        super().__init__(f"{kind} at {point}")
        self.point = point
        self.kind = kind


class Probe(Protocol):
    """Receives crash points, trace events and durability claims of one raft group of one node."""

    tracing: bool
    """False when nobody listens: then events need not be built at all."""

    def reach(self, point: str) -> None:
        """Say that execution passes `point` now. May not return (kill, power) or return late (stall)."""

    def armed(self, point: str) -> bool:
        """Whether the *next* `reach(point)` would strike: lets the log write half a record first."""

    def claim(self, durable_id: str, path: str) -> None:
        """Claim that everything written below `path` so far is on stable storage.

        `durable_id` names the entry of the durable-write catalogue (``"D1"`` ... ``"D9"``). The
        ledger of the disk decides whether the claim is true; a false one is a violation of I12.
        """

    def emit(self, event: Event) -> None:
        """Append `event` to the trace. Only called when `tracing` is true."""


class SilentProbe:
    """A probe that nobody listens to: unit tests and benchmark nodes use it."""

    tracing = False

    def reach(self, point: str) -> None:
        """Pass every point."""

    def armed(self, point: str) -> bool:
        """Arm nothing."""
        return False

    def claim(self, durable_id: str, path: str) -> None:
        """Believe every claim."""

    def emit(self, event: Event) -> None:
        """Drop the event."""
