"""Crash-replay: strike a node at a named crash point, bring it back, and strike again while it replays.

One operation, ``crash-point``, is one whole story: arm a point on a drawn node, wait until it strikes, start the node
again (perhaps with the same point armed, so that it dies a second time during recovery), and leave it
running. Points that need a stimulus get it: a local snapshot is asked for, a follower is left behind until its leader
can only send a snapshot. What was done is in the operation's completion.

The story never leaves a fault behind: orders that did not strike are disarmed, a row that was damaged on purpose is
repaired by rebuilding the store from the snapshot and the log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.machine.entries import OPCODE_REGISTRATION
from cluster.node.crash_points import CATALOGUE, FAILURE_POINTS
from cluster.node.requests import CrashOrder, Request
from cluster.worlds.world import World
from harness.generator import SECOND_NS, Context, Generatorish, nemesis, once, stagger
from harness.operation import Operation
from nemesis.members import configuration_of, members_in
from nemesis.package import Package
from nemesis.targets import leader_of, resolve, shuffled

__all__ = ["STRIKE_WAIT_NS", "CrashReplayNemesis", "crash_replay"]

_MS = 1_000_000

STRIKE_WAIT_NS = 1000 * _MS
"""How long an armed point may take to strike before it is disarmed, unless the story says otherwise (`wait_ns`)."""
_LAG_NS = 800 * _MS
"""How long a node stays down so that the others compact their logs behind it."""

OPENING = (
    "reg.after_set",
    "eng.after_apply_before_set_applied",
    "eng.after_set_applied_before_resolve",
    "eng.after_resolve",
    "reg.after_return",
)
"""Points between the effect of an entry and everything that would make its replay needless."""

_POINTS = tuple(point for point in CATALOGUE if point != "eng.halt")
"""Points of random stories. Only a halt passes the one left out: workloads that make one arm it themselves."""


class CrashReplayNemesis:
    """See the module."""

    fs = frozenset({"crash-point"})

    async def setup(self, world: World) -> None:
        """Nothing to prepare."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Play one story; the completion's value says which node, and how often it was struck."""
        value = operation.value
        order = CrashOrder(
            point=value["point"],
            nth=value["nth"],
            opcode=value["opcode"],
            action=value["action"],
            stall_ns=value.get("stall_ns", 0),
        )
        if order.point.startswith("inst."):
            node, exits = await self._install_story(world, value, order)
        else:
            node, exits = await self._story(world, value, order)
        return operation.completed("info", {**value, "node": node, "exits": exits}, node=node)

    async def undo(self, world: World) -> None:
        """Forget what has not struck, and start what is down."""
        for node in world.nodes:
            await world.disarm(node)
            await world.start(node)

    async def _story(
        self, world: World, value: Mapping[str, Any], order: CrashOrder
    ) -> tuple[str, list[int]]:
        """Strike a running node, then its replay."""
        targets = await resolve(world, value["target"], value["order"])
        for node in targets:
            await world.arm(node, order)
        if order.point.startswith("snap."):
            for node in targets:
                await world.connect(node).call(Request("inspect.snapshot", {}), 200 * _MS)
        exits: list[int] = []
        deadline_ns = world.now_ns() + value.get("wait_ns", STRIKE_WAIT_NS)
        for node in targets:
            code = await world.wait_exit(node, max(0, deadline_ns - world.now_ns()))
            if code is None:
                await world.disarm(node)
                continue
            exits.append(code)
            exits += await self._bring_back(world, node, order, again=value["again"])
        return targets[0], exits

    async def _install_story(
        self, world: World, value: Mapping[str, Any], order: CrashOrder
    ) -> tuple[str, list[int]]:
        """Leave a follower behind until only a snapshot helps it, and strike while it installs that."""
        leader = await leader_of(world)
        members = members_in(await configuration_of(world), value["order"])
        node = next((name for name in members if name != leader), "")
        if not node:
            return "", []  # A cluster of one: nobody ever installs a snapshot.
        await world.kill(node)
        await world.sleep(_LAG_NS)
        for other in world.nodes:
            if other != node and world.running(other):
                await world.connect(other).call(Request("inspect.snapshot", {}), 200 * _MS)
        await world.sleep(_LAG_NS // 2)
        await world.arm(node, order)
        await world.start(node)
        code = await world.wait_exit(node, value.get("wait_ns", STRIKE_WAIT_NS))
        if code is None:
            await world.disarm(node)
            return node, []
        return node, [code, *await self._bring_back(world, node, order, again=value["again"])]

    async def _bring_back(
        self, world: World, node: str, order: CrashOrder, *, again: bool
    ) -> list[int]:
        """Start `node` until it stays up; with `again` the same point is armed for the replay."""
        exits: list[int] = []
        if again and order.action != "error":
            await world.arm(node, order)
            await world.start(node)
            code = await world.wait_exit(node, STRIKE_WAIT_NS // 3)
            if code is None:
                await world.disarm(node)
                return exits
            exits.append(code)
        repair = order.point == "reg.row_corrupt"
        if repair:
            await world.start(node)
            code = await world.wait_exit(node, STRIKE_WAIT_NS // 3)
            if code is not None:
                exits.append(code)
        await world.start(node, **({"force_restore_on_start": True} if repair else {}))
        return exits


def crash_replay(options: Mapping[str, Any]) -> Package:
    """Stories one after the other, the first of them always around the effect of an entry with option `opcode`."""
    nodes, opcode = options["nodes"], options["opcode"]
    registering = opcode == OPCODE_REGISTRATION
    opening_points = [point for point in OPENING if registering or not point.startswith("reg.")]
    points = [
        point
        for point in _POINTS
        if (registering or not point.startswith("reg."))
        and (options.get("spares") or not point.startswith("join."))
    ]
    targets = ("follower", "leader", "one", "all")

    def story(context: Context, among: Sequence[str]) -> Generatorish:
        draw = context.random.below
        point = among[draw(len(among))]
        action = "error"
        if point not in FAILURE_POINTS:
            action = ("kill", "power", "kill", "power", "stall")[draw(5)]
        whole_cluster = action in ("kill", "power") and point.split(".")[0] in ("reg", "eng")
        return {
            "f": "crash-point",
            "value": {
                "point": point,
                "action": action,
                "stall_ns": (100 + draw(2000)) * _MS,
                "nth": 1 + draw(3) if point.split(".")[0] in ("wal", "eng", "reg") else 1,
                "opcode": opcode if point.startswith(("eng.", "reg.")) and draw(4) else -1,
                "target": targets[draw(4 if whole_cluster else 3)],
                "again": draw(3) == 0,
                "order": shuffled(context, nodes),
            },
        }

    def opening(context: Context) -> Generatorish:
        made = story(context, opening_points)
        made["value"].update(opcode=opcode, nth=1 + context.random.below(2))
        if made["value"]["action"] == "stall":
            made["value"]["action"] = "kill"
        return made

    def any_story(context: Context) -> Generatorish:
        return story(context, points)

    interval_ns = int(options.get("interval_s", 0.5) * SECOND_NS)
    return Package(
        name="crash-replay",
        nemesis=CrashReplayNemesis(),
        generator=nemesis([once(opening), stagger(interval_ns, any_story)]),
        needs=frozenset({"crash-points", "kill", "power", "inspect"}),
    )
