"""Bad links: for a while the messages of some links are late, lost, doubled, few at a time, and overtake each other.

``degrade`` is one story: the links around drawn nodes, or all of them, get worse and then well again. Nobody is cut off, so
the cluster must go on, only slower; what must not happen is that late or doubled messages change anything. In a scenario file
it may stand without a `duration_ns`; then ``heal`` ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any, cast

from cluster.worlds.world import LinkFault, LinkFaults, World
from harness.generator import SECOND_NS, Context, Generatorish, nemesis, stagger
from harness.operation import Operation
from nemesis.package import Package
from nemesis.targets import meant, shuffled

__all__ = ["PacketNemesis", "packet"]


class PacketNemesis:
    """See the module."""

    fs = frozenset({"degrade"})

    async def setup(self, world: World) -> None:
        """Nothing to prepare."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Make the links around the targets bad, wait, and heal."""
        value = operation.value
        targets = await meant(world, value)
        links = [link for link in permutations(world.nodes, 2) if {*link} & {*targets}]
        await cast("LinkFaults", world).degrade(links, _fault(value))
        if "duration_ns" in value:
            await world.sleep(value["duration_ns"])
            await world.heal()
        return operation.completed("info", {**value, "nodes": targets})

    async def undo(self, world: World) -> None:
        """Heal."""
        await world.heal()


def _fault(value: Mapping[str, Any]) -> LinkFault:
    return LinkFault(
        delay_ns=value.get("delay_ns", 0),
        loss=value.get("loss_percent", 0) / 100,
        duplication=value.get("duplication_percent", 0) / 100,
        jitter_ns=value.get("jitter_ns", 0),
        reordering=value.get("reordering_percent", 0) / 100,
        bandwidth_bps=value.get("bandwidth_bps", 0),
    )


def packet(options: Mapping[str, Any]) -> Package:
    """Bad links now and then."""
    nodes = options["nodes"]

    def strike(context: Context) -> Generatorish:
        draw = context.random.below
        return {
            "f": "degrade",
            "value": {
                "target": ("one", "leader", "minority", "all")[draw(4)],
                "delay_ns": draw(200) * SECOND_NS // 1000,
                "loss_percent": (0, 10, 40)[draw(3)],
                "duplication_percent": (0, 10, 40)[draw(3)],
                "jitter_ns": (0, 10, 100)[draw(3)] * SECOND_NS // 1000,
                "reordering_percent": (0, 0, 25)[draw(3)],
                "bandwidth_bps": (0, 0, 1_000_000)[draw(3)],
                "duration_ns": (200 + draw(1300)) * SECOND_NS // 1000,
                "order": shuffled(context, nodes),
            },
        }

    interval_ns = int(options.get("interval_s", 1.0) * SECOND_NS)
    return Package(
        name="packet",
        nemesis=PacketNemesis(),
        generator=nemesis(stagger(interval_ns, strike)),
        needs=frozenset({"link-faults"}),
    )
