"""Process faults: kill, power loss and pause, each with its way back.

`kill` and `power-loss` end nodes, `start` starts every node that is down, `pause` and `resume` stop and continue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.worlds.world import World
from harness.generator import SECOND_NS, Context, Generatorish, cycle, flip_flop, nemesis, stagger
from harness.operation import Operation
from nemesis.package import Package
from nemesis.targets import resolve, shuffled

__all__ = ["ProcessNemesis", "kill", "pause", "power"]


class ProcessNemesis:
    """Ends, starts, pauses and resumes nodes."""

    fs = frozenset({"kill", "power-loss", "start", "pause", "resume"})

    async def setup(self, world: World) -> None:
        """Nothing to prepare."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Act on every target, one after the other."""
        act = {
            "kill": world.kill,
            "power-loss": world.power_loss,
            "start": world.start,
            "pause": world.pause,
            "resume": world.resume,
        }[operation.f]
        value = operation.value or {}
        if operation.f in ("start", "resume"):
            targets = list(world.nodes)
        else:
            targets = await resolve(world, value["target"], value["order"])
        for node in targets:
            await act(node)
        return operation.completed("info", {**value, "nodes": targets})

    async def undo(self, world: World) -> None:
        """Resume and start everything."""
        for node in world.nodes:
            await world.resume(node)
            await world.start(node)


def _package(name: str, f: str, back: str, needs: str, options: Mapping[str, Any]) -> Package:
    nodes = options["nodes"]
    targets = options.get("targets", ("one", "minority", "leader", "all"))

    def strike(context: Context) -> Generatorish:
        target = targets[context.random.below(len(targets))]
        return {"f": f, "value": {"target": target, "order": shuffled(context, nodes)}}

    interval_ns = int(options.get("interval_s", 2.0) * SECOND_NS)
    return Package(
        name=name,
        nemesis=ProcessNemesis(),
        generator=nemesis(stagger(interval_ns, flip_flop(strike, cycle({"f": back})))),
        final_generator=nemesis({"f": back}),
        needs=frozenset({needs}),
    )


def kill(options: Mapping[str, Any]) -> Package:
    """SIGKILL and start again, in turn."""
    return _package("kill", "kill", "start", "kill", options)


def power(options: Mapping[str, Any]) -> Package:
    """Lose power and start again, in turn."""
    return _package("power", "power-loss", "start", "power", options)


def pause(options: Mapping[str, Any]) -> Package:
    """SIGSTOP and SIGCONT, in turn."""
    return _package("pause", "pause", "resume", "pause", options)
