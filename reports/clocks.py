"""How wrong each node's clocks were, and when (Jepsen's clock plot).

Wall clocks are measured: the nemesis ``realtime`` asks nodes for the time around each of its acts, and its completions hold the
readings. A clock's first reading is taken before anything was done to it, so offsets are counted from there. Monotonic clocks
cannot be asked, so theirs are reckoned: ``skew`` tells the rate, and the offset is what has gathered by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from harness.operation import NEMESIS, Operation

__all__ = ["ClockSeries", "clock_series"]

_MILLION = 1_000_000


class ClockSeries(msgspec.Struct, frozen=True, kw_only=True):
    """One clock of one node, ``wall`` or ``monotonic``. `points` are time and offset in turn, both in microseconds; time rises."""

    node: str
    clock: str
    points: list[int]


def clock_series(history: Iterable[Operation], end_ns: int) -> list[ClockSeries]:
    """The clocks that were ever wrong or measured, by node, wall clocks first. `end_ns` is when the run ended."""
    acts = [
        (one, one.value)
        for one in history
        if one.process == NEMESIS and isinstance(one.value, dict) and one.value.get("nodes")
    ]
    readings: dict[str, list[tuple[int, int]]] = {}
    rates: dict[str, list[tuple[int, int]]] = {}
    for one, value in acts:
        for reading in value.get("readings", ()):
            offset_ns = reading["wall_ns"] - reading["at_ns"]
            readings.setdefault(reading["node"], []).append((reading["at_ns"], offset_ns))
        if one.f == "skew":
            for node in value["nodes"]:
                rates.setdefault(node, []).extend(_rates(one.time_ns, value))
    return [
        *(_series(node, "wall", _measured(seen)) for node, seen in _by_name(readings)),
        *(_series(node, "monotonic", _gathered(seen, end_ns)) for node, seen in _by_name(rates)),
    ]


def _by_name(found: dict[str, list[tuple[int, int]]]) -> list[tuple[str, list[tuple[int, int]]]]:
    """Nodes in natural order (n2 before n10), what belongs to each in order of time."""
    return [(node, sorted(found[node])) for node in sorted(found, key=lambda n: (len(n), n))]


def _rates(ended_ns: int, value: dict[str, Any]) -> list[tuple[int, int]]:
    """From when on a clock ran at what rate; without a duration the wrong rate stays."""
    if "duration_ns" not in value:
        return [(ended_ns, value["drift_ppm"])]
    return [(max(0, ended_ns - value["duration_ns"]), value["drift_ppm"]), (ended_ns, 0)]


def _measured(readings: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    right_ns = readings[0][1]
    for at_ns, offset_ns in readings:
        yield at_ns, offset_ns - right_ns


def _gathered(rates: Sequence[tuple[int, int]], end_ns: int) -> Iterator[tuple[int, int]]:
    offset_ns = last_ns = ppm = 0
    for at_ns, next_ppm in [*rates, (max(end_ns, rates[-1][0]), 0)]:
        offset_ns += (at_ns - last_ns) * ppm // _MILLION
        yield at_ns, offset_ns
        last_ns, ppm = at_ns, next_ppm


def _series(node: str, clock: str, points: Iterable[tuple[int, int]]) -> ClockSeries:
    flat = [number // 1000 for point in points for number in point]
    return ClockSeries(node=node, clock=clock, points=flat)
