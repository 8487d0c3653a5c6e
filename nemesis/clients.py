"""Clients that cannot reach a node, while the nodes hear each other as ever.

A leader whom no client reaches still leads; clients must go elsewhere, and what they had asked ends unknown.
``cut-clients`` is one story with a `duration_ns`, and one act without: then ``heal`` ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from cluster.worlds.world import ClientFaults, World
from harness.generator import SECOND_NS, Context, Generatorish, nemesis, stagger
from harness.operation import Operation
from nemesis.package import Package
from nemesis.targets import meant, shuffled

__all__ = ["ClientsNemesis", "clients"]


class ClientsNemesis:
    """See the module."""

    fs = frozenset({"cut-clients"})

    async def setup(self, world: World) -> None:
        """Nothing to prepare."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Cut clients off from the targets; wait and undo it where the schedule says how long."""
        value = operation.value
        targets = await meant(world, value)
        network = cast("ClientFaults", world)
        await network.cut_clients(targets)
        if "duration_ns" in value:
            await world.sleep(value["duration_ns"])
            await network.cut_clients([])
        return operation.completed("info", {**value, "nodes": targets})

    async def undo(self, world: World) -> None:
        """Heal."""
        await world.heal()


def clients(options: Mapping[str, Any]) -> Package:
    """Unreachable nodes now and then."""
    nodes = options["nodes"]

    def strike(context: Context) -> Generatorish:
        draw = context.random.below
        return {
            "f": "cut-clients",
            "value": {
                "target": ("one", "leader", "minority", "majority")[draw(4)],
                "duration_ns": (200 + draw(1300)) * SECOND_NS // 1000,
                "order": shuffled(context, nodes),
            },
        }

    interval_ns = int(options.get("interval_s", 1.0) * SECOND_NS)
    return Package(
        name="clients",
        nemesis=ClientsNemesis(),
        generator=nemesis(stagger(interval_ns, strike)),
        final_generator=nemesis({"f": "heal"}),
        needs=frozenset({"cut-clients"}),
    )
