"""Process faults: kill, power loss and pause, each a short story with its way back.

``kill``, ``power-loss`` and ``pause`` strike the drawn nodes, wait as long as the schedule drew, and bring them back; without a
`duration_ns`, as in scenario files, they leave them as they are. ``start`` and ``resume`` bring back the targets that need it; with no
targets they mean every node, for the end of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.worlds.world import World
from harness.generator import SECOND_NS, Context, Generatorish, nemesis, stagger
from harness.operation import Operation
from nemesis.package import Package
from nemesis.targets import resolve, resolve_all, shuffled

__all__ = ["ProcessNemesis", "kill", "pause", "power"]


class ProcessNemesis:
    """Ends, starts, pauses and resumes nodes."""

    fs = frozenset({"kill", "power-loss", "start", "pause", "resume"})

    async def setup(self, world: World) -> None:
        """Nothing to prepare."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Strike every target, one after the other; the completion says which nodes they were."""
        strike, back = {
            "kill": (world.kill, world.start),
            "power-loss": (world.power_loss, world.start),
            "pause": (world.pause, world.resume),
            "start": (None, world.start),
            "resume": (None, world.resume),
        }[operation.f]
        value = operation.value or {}
        if value.get("targets"):
            targets = await resolve_all(world, value["targets"], world.nodes)
        elif strike is not None:
            targets = await resolve(world, value["target"], value["order"])
        else:
            targets = list(world.nodes)
        if strike is not None:
            for node in targets:
                await strike(node)
            await world.sleep(value.get("duration_ns", 0))
        if strike is None or "duration_ns" in value:
            for node in targets:
                await back(node)
        return operation.completed("info", {**value, "nodes": targets})

    async def undo(self, world: World) -> None:
        """Resume and start everything."""
        for node in world.nodes:
            await world.resume(node)
            await world.start(node)


def _package(name: str, f: str, needs: str, options: Mapping[str, Any]) -> Package:
    nodes = options["nodes"]
    targets = ("one", "minority", "leader", "all")

    def strike(context: Context) -> Generatorish:
        draw = context.random.below
        return {
            "f": f,
            "value": {
                "target": targets[draw(len(targets))],
                "duration_ns": (20 + draw(600)) * SECOND_NS // 1000,
                "order": shuffled(context, nodes),
            },
        }

    interval_ns = int(options.get("interval_s", 2.0) * SECOND_NS)
    return Package(
        name=name,
        nemesis=ProcessNemesis(),
        generator=nemesis(stagger(interval_ns, strike)),
        needs=frozenset({needs}),
    )


def kill(options: Mapping[str, Any]) -> Package:
    """SIGKILL, and start again a moment later."""
    return _package("kill", "kill", "kill", options)


def power(options: Mapping[str, Any]) -> Package:
    """Lose power, and start again a moment later."""
    return _package("power", "power-loss", "power", options)


def pause(options: Mapping[str, Any]) -> Package:
    """SIGSTOP, and SIGCONT a moment later."""
    return _package("pause", "pause", "pause", options)
