"""Process faults: kill, power loss and pause, each a short story with its way back; and nodes that are started over and over.

``kill``, ``power-loss`` and ``pause`` strike the drawn nodes, all at once, wait as long as the schedule drew, and bring them back;
without a `duration_ns`, as in scenario files, they leave them as they are. ``start`` and ``resume`` bring back the targets that need
it; with no targets they mean every node, for the end of a run. ``restart-loop`` strikes and starts its targets so many `times`,
one right after the other, as a supervisor does with a process that keeps dying. ``reconfigure`` starts them again with another
configuration, which holds from then on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from cluster.worlds.world import Mailbox, World
from harness.generator import SECOND_NS, Context, Generatorish, nemesis, stagger
from harness.operation import Operation
from nemesis.package import Package
from nemesis.targets import meant, resolve, resolve_all, shuffled

__all__ = ["CHANGES", "ProcessNemesis", "kill", "pause", "power", "reconfigure", "restart_loop"]

_MS = 1_000_000

CHANGES = {
    "durability": "applied_index_durability",
    "snapshot_threshold": "snapshot_threshold",
    "log_entries_kept": "log_entries_kept",
}
"""What a node may be started with anew, as scenarios call it -> the field of its configuration."""


class ProcessNemesis:
    """Ends, starts, pauses and resumes nodes."""

    fs = frozenset(
        {"kill", "power-loss", "start", "pause", "resume", "restart-loop", "reconfigure"}
    )

    async def setup(self, world: World) -> None:
        """Nothing to prepare."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Strike the targets; the completion says which nodes they were."""
        if operation.f in ("restart-loop", "reconfigure"):
            return await self._start_again(world, operation)
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
            await _at_once(world, strike, targets)
            await world.sleep(value.get("duration_ns", 0))
        if strike is None or "duration_ns" in value:
            for node in targets:
                await back(node)
        return operation.completed("info", {**value, "nodes": targets})

    async def _start_again(self, world: World, operation: Operation) -> Operation:
        """Strike and start: often, or once with another configuration."""
        value = operation.value
        targets = await meant(world, value)
        strike = world.power_loss if value.get("power") else world.kill
        changes = {field: value[name] for name, field in CHANGES.items() if name in value}
        for _ in range(value.get("times", 1)):
            await _at_once(world, strike, targets)
            for node in targets:
                await world.start(node, **changes)
            await world.sleep(value.get("pause_ns", 0))
        return operation.completed("info", {**value, "nodes": targets})

    async def undo(self, world: World) -> None:
        """Resume and start everything."""
        for node in world.nodes:
            await world.resume(node)
            await world.start(node)


async def _at_once(
    world: World, strike: Callable[[str], Awaitable[None]], nodes: Sequence[str]
) -> None:
    """Strike all `nodes` at one moment: none of them sees another one go. Returns when all are struck; raises what one raised."""
    if len(nodes) == 1:
        await strike(nodes[0])
        return
    struck: Mailbox[Exception | str] = world.mailbox()

    async def one(node: str) -> None:
        try:
            await strike(node)
        except Exception as error:  # noqa: BLE001 - raised again below, where the nemesis can tell of it
            struck.put(error)
        else:
            struck.put(node)

    for node in nodes:
        world.spawn(one(node))
    results = [await struck.get(None) for _ in nodes]
    for error in results:
        if isinstance(error, Exception):
            raise error


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


def restart_loop(options: Mapping[str, Any]) -> Package:
    """A node, or a few, killed and started several times without a breath between."""
    nodes = options["nodes"]

    def strike(context: Context) -> Generatorish:
        draw = context.random.below
        return {
            "f": "restart-loop",
            "value": {
                "target": ("one", "leader", "minority", "all")[draw(4)],
                "times": 2 + draw(4),
                "power": draw(2) == 1,
                "pause_ns": (0, 0, draw(200) * _MS)[draw(3)],
                "order": shuffled(context, nodes),
            },
        }

    interval_ns = int(options.get("interval_s", 2.0) * SECOND_NS)
    return Package(
        name="restart-loop",
        nemesis=ProcessNemesis(),
        generator=nemesis(stagger(interval_ns, strike)),
        needs=frozenset({"kill", "power"}),
    )


def reconfigure(options: Mapping[str, Any]) -> Package:
    """A node starts again with another replay mode, rhythm of snapshots, or tail of its log kept."""
    nodes = options["nodes"]

    def strike(context: Context) -> Generatorish:
        draw = context.random.below
        return {
            "f": "reconfigure",
            "value": {
                "target": ("one", "leader", "minority")[draw(3)],
                "durability": ("every", "data", "snapshot")[draw(3)],
                "snapshot_threshold": (8, 16, 32, 64)[draw(4)],
                "log_entries_kept": (0, 8)[draw(2)],
                "power": draw(2) == 1,
                "order": shuffled(context, nodes),
            },
        }

    interval_ns = int(options.get("interval_s", 2.0) * SECOND_NS)
    return Package(
        name="reconfigure",
        nemesis=ProcessNemesis(),
        generator=nemesis(stagger(interval_ns, strike)),
        needs=frozenset({"kill", "power"}),
    )
