"""Exact faults, one act each: what a scenario file, or a person, asks for step by step.

``arm`` gives the targets a crash order, ``await-exit`` waits until the nodes armed last are gone, ``dump`` reads the disks of
the nodes that are down, ``disarm`` forgets all orders; ``partition`` cuts the targets off from the rest and ``heal`` undoes that.
Ending and starting nodes is `nemesis.process`. Random schedules tell whole stories instead (`crash_replay`); here nothing
is drawn, and nothing comes back by itself before the end of the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any, get_args

import msgspec

from cluster.node.crash_points import UnknownCrashPoint, check_order
from cluster.node.requests import CrashOrder
from cluster.raft.peer import Role
from cluster.worlds.world import World
from harness.errors import UserMistake
from harness.generator import SECOND_NS
from harness.operation import Operation
from nemesis.targets import resolve_all

__all__ = ["AWAIT_EXIT_S", "ExactNemesis", "crash_order"]

_ROLES = ("", *get_args(Role))

AWAIT_EXIT_S = 5.0
"""How long ``await-exit`` waits unless its `timeout_s` says otherwise."""


def crash_order(value: Mapping[str, Any]) -> CrashOrder:
    """Return the crash order that the arguments of an ``arm`` spell. Raises UserMistake for a wrong one."""
    fields = {name: one for name, one in value.items() if name != "targets"}
    wrong = [name for name in fields if name not in CrashOrder.__struct_fields__]
    if wrong:
        allowed = ", ".join(CrashOrder.__struct_fields__)
        raise UserMistake(f"arm: there is no argument {wrong[0]!r}; allowed: {allowed}")
    try:
        order = msgspec.convert(fields, CrashOrder)
        check_order(order)
    except (msgspec.ValidationError, UnknownCrashPoint) as error:
        raise UserMistake(f"arm: {error}") from None
    if order.nth < 1:
        raise UserMistake(f"arm: nth is {order.nth}; passes are counted from 1")
    if order.role not in _ROLES:
        raise UserMistake(f"arm: no role {order.role!r}; there are {', '.join(_ROLES[1:])}")
    return order


class ExactNemesis:
    """See the module."""

    fs = frozenset({"arm", "await-exit", "disarm", "dump", "heal", "partition"})

    def __init__(self) -> None:
        self._armed: tuple[str, ...] = ()
        """Whom the last ``arm`` meant."""

    async def setup(self, world: World) -> None:
        """Nothing to prepare."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Do one act; the completion says to whom, and what was found."""
        value = operation.value or {}
        act = {
            "arm": self._arm,
            "await-exit": self._await_exit,
            "disarm": self._disarm,
            "dump": self._dump,
            "heal": self._heal,
            "partition": self._partition,
        }[operation.f]
        return operation.completed("info", {**value, **await act(world, value)})

    async def undo(self, world: World) -> None:
        """Forget every order, heal every link."""
        await self._disarm(world, {})
        await world.heal()

    async def _arm(self, world: World, value: Mapping[str, Any]) -> dict[str, Any]:
        order = crash_order(value)
        self._armed = tuple(await resolve_all(world, value["targets"], world.nodes))
        for node in self._armed:
            await world.arm(node, order)
        return {"nodes": list(self._armed)}

    async def _await_exit(self, world: World, value: Mapping[str, Any]) -> dict[str, Any]:
        timeout_ns = round(value.get("timeout_s", AWAIT_EXIT_S) * SECOND_NS)
        deadline_ns = world.now_ns() + timeout_ns
        exits = {}
        for node in self._armed:
            exits[node] = await world.wait_exit(node, max(0, deadline_ns - world.now_ns()))
        return {"exits": exits}

    async def _disarm(self, world: World, value: Mapping[str, Any]) -> dict[str, Any]:
        for node in world.nodes:
            await world.disarm(node)
        return {}

    async def _dump(self, world: World, value: Mapping[str, Any]) -> dict[str, Any]:
        down = [node for node in world.nodes if not world.running(node)]
        return {"disks": {node: await world.disk_dump(node) for node in down}}

    async def _partition(self, world: World, value: Mapping[str, Any]) -> dict[str, Any]:
        apart = await resolve_all(world, value["targets"], world.nodes)
        await world.cut(_links_between(apart, world.nodes))
        return {"nodes": apart}

    async def _heal(self, world: World, value: Mapping[str, Any]) -> dict[str, Any]:
        await world.heal()
        return {}


def _links_between(apart: Sequence[str], nodes: Sequence[str]) -> list[tuple[str, str]]:
    """Both directions of every link between `apart` and the other nodes."""
    return [pair for pair in permutations(nodes, 2) if (pair[0] in apart) != (pair[1] in apart)]
