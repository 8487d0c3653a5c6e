"""Clocks that run at the wrong speed: a node's monotonic time goes up to half as fast again, or half as fast.

``skew`` is one story: drawn nodes run fast or slow for a while. Elections may come early or late; no read may be stale
because of it, since nothing in the cluster takes a lease for granted. In a scenario file it may stand without a
`duration_ns`; then the clocks stay wrong until another ``skew`` with `drift_ppm` 0, or the end of the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from cluster.worlds.world import ClockFaults, World
from harness.generator import SECOND_NS, Context, Generatorish, nemesis, stagger
from harness.operation import Operation
from nemesis.package import Package
from nemesis.targets import meant, shuffled

__all__ = ["ClockNemesis", "clock"]


class ClockNemesis:
    """See the module."""

    fs = frozenset({"skew"})

    async def setup(self, world: World) -> None:
        """Nothing to prepare."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Change the rate of the targets' clocks, wait, and set it right."""
        value = operation.value
        clocks = cast("ClockFaults", world)
        targets = await meant(world, value)
        for node in targets:
            await clocks.clock_rate(node, value["drift_ppm"])
        if "duration_ns" in value:
            await world.sleep(value["duration_ns"])
            for node in targets:
                await clocks.clock_rate(node, 0)
        return operation.completed("info", {**value, "nodes": targets})

    async def undo(self, world: World) -> None:
        """Set every clock right."""
        if "clock-rate" in world.capabilities:
            for node in world.nodes:
                await cast("ClockFaults", world).clock_rate(node, 0)


def clock(options: Mapping[str, Any]) -> Package:
    """Wrong clocks now and then."""
    nodes = options["nodes"]

    def strike(context: Context) -> Generatorish:
        draw = context.random.below
        return {
            "f": "skew",
            "value": {
                "target": ("one", "leader", "minority", "all")[draw(4)],
                "drift_ppm": draw(1_000_001) - 500_000,
                "duration_ns": (200 + draw(1300)) * SECOND_NS // 1000,
                "order": shuffled(context, nodes),
            },
        }

    interval_ns = int(options.get("interval_s", 1.0) * SECOND_NS)
    return Package(
        name="clock",
        nemesis=ClockNemesis(),
        generator=nemesis(stagger(interval_ns, strike)),
        needs=frozenset({"clock-rate"}),
    )
