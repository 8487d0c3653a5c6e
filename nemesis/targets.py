"""Whom a fault hits: words for sets of nodes, resolved at the moment of the fault.

`one`, `minority`, `majority`, `all`, `leader`, `follower`. The draw is made by the schedule and travels in the
operation, so that resolving needs no randomness and a replay hits the same nodes. A scenario file has a list instead, of names
and of these words; it also knows `down`, the nodes whose process is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.worlds.world import World
from harness.generator import Context
from nemesis.members import configuration_of, members_in, voters_in

__all__ = ["DOWN", "TARGETS", "leader_of", "meant", "resolve", "resolve_all", "shuffled"]

TARGETS = ("one", "minority", "majority", "all", "leader", "follower")
DOWN = "down"


def shuffled(context: Context, nodes: Sequence[str]) -> list[str]:
    """Draw an order of `nodes`."""
    left = list(nodes)
    return [left.pop(context.random.below(len(left))) for _ in nodes]


async def leader_of(world: World) -> str:
    """Return the running leader of the highest term, or ``""``."""
    best = ("", -1)
    for node in world.nodes:
        if world.running(node):
            state = await world.inspect(node)
            if state is not None and state["role"] == "leader" and state["term"] > best[1]:
                best = (node, state["term"])
    return best[0]


async def resolve(world: World, target: str, order: Sequence[str]) -> list[str]:
    """Return the nodes that `target` means now; `order` is a drawn order of all nodes.

    Only members are meant, and a minority or majority is one of the voters. Nodes that run come before those that are down; without a leader, `leader` and `follower` mean the first of them,
    and a leader that is alone in its cluster is its own follower.
    """
    configuration = await configuration_of(world)
    order = sorted(members_in(configuration, order), key=lambda node: not world.running(node))
    if target in ("leader", "follower"):
        leader = await leader_of(world)
        if target == "leader":
            return [leader or order[0]]
        return [next((node for node in order if node != leader), leader)]
    if target in ("minority", "majority"):
        order = voters_in(configuration, order)
    count = len(order)
    sizes = {"one": 1, "minority": (count - 1) // 2, "majority": count // 2 + 1, "all": count}
    return list(order[: max(1, sizes[target])])


async def resolve_all(world: World, targets: Sequence[str], order: Sequence[str]) -> list[str]:
    """Return the nodes that the names and words of `targets` mean now, each once, in order of the world's nodes."""
    meant: list[str] = []
    for target in targets:
        if target in world.nodes:
            meant.append(target)
        elif target == DOWN:
            meant += [node for node in world.nodes if not world.running(node)]
        else:
            meant += await resolve(world, target, order)
    return [node for node in world.nodes if node in meant]


async def meant(world: World, value: Mapping[str, Any]) -> list[str]:
    """Return whom an operation's `value` means: its `targets`, what was drawn for it, or else every node."""
    if value.get("targets"):
        return await resolve_all(world, value["targets"], world.nodes)
    if "target" in value:
        return await resolve(world, value["target"], value["order"])
    return list(world.nodes)
