"""Clock offsets as the report draws them: measured for wall clocks, reckoned for monotonic ones."""

from __future__ import annotations

from typing import Any

from harness.operation import NEMESIS, Operation
from reports.clocks import ClockSeries, clock_series

S = 1_000_000_000


def act(at_s: float, f: str, **value: Any) -> Operation:
    """A completion of the nemesis."""
    return Operation(process=NEMESIS, type="info", f=f, time_ns=int(at_s * S), value=value)


def reading(node: str, at_s: float, offset_s: float) -> dict[str, Any]:
    """What a node said of the time, by a clock that stands at a thousand seconds when it is right."""
    return {"node": node, "at_ns": int(at_s * S), "wall_ns": int((1000 + at_s + offset_s) * S)}


def test_wall_clocks_are_measured_from_their_first_reading() -> None:
    """Offsets are those of the readings, less the first of the node, in order of time and nodes in natural order."""
    history = [
        act(3, "bump-clock", nodes=["n10", "n2"], readings=[reading("n10", 1, 0), reading("n10", 2, 5)]),
        act(4, "reset-clock", nodes=["n2"], readings=[reading("n2", 3.5, 0), reading("n2", 3.75, -0.25)]),
    ]  # fmt: skip

    assert clock_series(history, 10 * S) == [
        ClockSeries(node="n2", clock="wall", points=[3_500_000, 0, 3_750_000, -250_000]),
        ClockSeries(node="n10", clock="wall", points=[1_000_000, 0, 2_000_000, 5_000_000]),
    ]


def test_monotonic_clocks_gather_what_their_rate_was() -> None:
    """Half as fast again for two seconds is a second, which stays; without a duration it goes on to the end of the run."""
    history = [
        act(4, "skew", nodes=["n1"], drift_ppm=500_000, duration_ns=2 * S),
        act(6, "skew", nodes=["n1"], drift_ppm=-250_000),
    ]

    (series,) = clock_series(history, 10 * S)
    assert series.clock == "monotonic"
    points = [2_000_000, 0, 4_000_000, 1_000_000, 6_000_000, 1_000_000, 10_000_000, 0]
    assert series.points == points


def test_what_is_no_clock_fault_has_no_series() -> None:
    """Clients, other faults and invocations are passed over."""
    history = [
        Operation(f="read", value={"nodes": ["n1"], "readings": [reading("n1", 1, 1)]}),
        act(1, "kill", nodes=["n1"]),
        act(2, "skew", target="one"),
        act(3, "heal"),
    ]

    assert clock_series(history, 5 * S) == []
