"""Who belongs to the cluster now, as far as its nodes say; for whoever chooses victims.

Where no node of a world is spare, everybody belongs, and nobody is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from cluster.raft.configuration import Configuration
from cluster.worlds.world import SpareNodes, World

__all__ = ["configuration_of", "first_members", "members_in", "voters_in"]


def first_members(world: World) -> tuple[str, ...]:
    """Return the nodes that the cluster began with."""
    if "membership" not in world.capabilities:
        return world.nodes
    return cast("SpareNodes", world).members


async def configuration_of(world: World) -> Configuration:
    """Return what the running leader of the highest term goes by; without one, the newest that any running node knows."""
    newest = Configuration(first_members(world))
    best = (-1, -1)
    if len(newest.voters) == len(world.nodes):
        return newest
    for node in world.nodes:
        state = await world.inspect(node) if world.running(node) else None
        if state is None:
            continue
        told = state["configuration"]
        found = Configuration(
            tuple(told["voters"]), tuple(told["outgoing"]), tuple(told["learners"]), told["index"]
        )
        rank = (state["term"] if state["role"] == "leader" else -1, found.index)
        if rank > best and found.voters:
            newest, best = found, rank
    return newest


def members_in(configuration: Configuration, order: Sequence[str]) -> list[str]:
    """Return the members among `order`."""
    return [node for node in order if node in configuration.members]


def voters_in(configuration: Configuration, order: Sequence[str]) -> list[str]:
    """Return those among `order` that have a vote."""
    return [node for node in order if configuration.has_vote(node)]
