"""Membership as a fault: nodes come, are promoted, leave and hand over, while everything else goes wrong.

Each operation is one story with an end. ``add-learner`` starts a spare and adds it; ``promote`` makes a learner a voter,
as soon as it has caught up; ``join`` is both; ``remove`` takes a member out, and may end its process; ``replace`` lets a
spare join in the very step in which a voter leaves, through a joint configuration; ``transfer`` gives leadership away.
``settle-membership`` ends a run: everything is healed and started, a joint configuration left, and every learner is
promoted, or removed if it cannot be.

Who left never comes back: a name stands for the votes that it gave, so a spare takes its place under a name of its own,
with an empty disk. Nothing is removed that would leave fewer voters than a cluster of three has, or no majority of them
running, or only half of the nodes that the cluster began with: clients read where they were told to.

What the cluster refuses with "not now" is asked again for a while; after an unknown outcome nothing is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from cluster.node.requests import Reply, Request
from cluster.raft.configuration import Configuration
from cluster.worlds.world import SpareNodes, World
from harness.generator import SECOND_NS, Context, Generatorish, nemesis, stagger
from harness.operation import Operation
from nemesis.members import configuration_of, first_members
from nemesis.package import Package
from nemesis.targets import leader_of, resolve, resolve_all, shuffled

__all__ = ["SPARES", "MembershipNemesis", "membership"]

_MS = 1_000_000
_CALL_NS = 1500 * _MS
_PATIENCE_NS = 2 * SECOND_NS
"""How long one step of a story may be asked for again before it is given up."""
_LEADERLESS_NS = 600 * _MS
"""How long a story waits for a leader: other faults last as long as this one does, and may be why there is none."""
_SETTLE_NS = 15 * SECOND_NS
_ASK_AGAIN_NS = 50 * _MS
_VOTERS_MIN = 3

SPARES = 3
"""Nodes that wait to be added where a run changes its membership and does not say how many."""


class _Skipped(Exception):
    """There is nobody to do it to, or nobody may be spared; the message says which."""


class MembershipNemesis:
    """See the module."""

    fs = frozenset(
        {"add-learner", "promote", "join", "remove", "replace", "transfer", "settle-membership"}
    )

    def __init__(self) -> None:
        self._used: list[str] = []
        """Spares that were started."""

    async def setup(self, world: World) -> None:
        """Nothing to prepare."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Play one story; the completion says with whom, and how it ended."""
        value = operation.value or {}
        act = {
            "add-learner": self._add_learner,
            "promote": self._promote,
            "join": self._join,
            "remove": self._remove,
            "replace": self._replace,
            "transfer": self._transfer,
            "settle-membership": self._settle,
        }[operation.f]
        try:
            done = await act(world, value)
        except _Skipped as reason:
            done = {"nodes": [], "outcome": f"skipped: {reason}"}
        return operation.completed("info", {**value, **done})

    async def undo(self, world: World) -> None:
        """A membership is not undone: it is the cluster's own state, and serves as it is."""

    # -- the stories ------------------------------------------------------------------------------

    async def _add_learner(self, world: World, value: Mapping[str, Any]) -> dict[str, Any]:
        return _told(await self._add(world, value))

    async def _join(self, world: World, value: Mapping[str, Any]) -> dict[str, Any]:
        node, reply = await self._add(world, value)
        if reply.status == "ok":
            reply = await _change(world, promotes=[node])
        return _told((node, reply))

    async def _promote(self, world: World, value: Mapping[str, Any]) -> dict[str, Any]:
        learners = (await configuration_of(world)).learners
        node = value["targets"][0] if value.get("targets") else next(iter(learners), "")
        if not node:
            raise _Skipped("there is no learner")
        return _told((node, await _change(world, promotes=[node])))

    async def _remove(self, world: World, value: Mapping[str, Any]) -> dict[str, Any]:
        node = await self._victim(world, value, newcomers=0)
        reply = await _change(world, removes=[node])
        if reply.status == "ok" and value.get("kill"):
            await world.kill(node)
        return _told((node, reply))

    async def _replace(self, world: World, value: Mapping[str, Any]) -> dict[str, Any]:
        leaving = await self._victim(world, value, newcomers=1)
        newcomer, reply = await self._add(world, {"order": value.get("order", world.nodes)})
        if reply.status == "ok":
            reply = await _change(world, promotes=[newcomer], removes=[leaving])
        return {**_told((newcomer, reply)), "removed": leaving}

    async def _transfer(self, world: World, value: Mapping[str, Any]) -> dict[str, Any]:
        targets = await _resolved(world, value)
        configuration = await configuration_of(world)
        node = next((name for name in targets if name in configuration.voters), "")
        if not node:
            raise _Skipped("no target is a voter")
        return _told((node, await _ask(world, "membership.transfer", {"target": node})))

    async def _settle(self, world: World, value: Mapping[str, Any]) -> dict[str, Any]:
        await world.heal()
        for node in world.nodes:
            await world.resume(node)
            await world.start(node)
        end_ns = world.now_ns() + _SETTLE_NS
        while world.now_ns() < end_ns:
            configuration = await configuration_of(world)
            if not configuration.outgoing and not configuration.learners:
                break
            if configuration.learners and not configuration.outgoing:
                learner = configuration.learners[0]
                reply = await _change(world, promotes=[learner])
                if reply.status != "ok":
                    await _change(world, removes=[learner])
            await world.sleep(_ASK_AGAIN_NS)
        return {"nodes": list((await configuration_of(world)).members)}

    # -- whom ---------------------------------------------------------------------------------------

    async def _add(self, world: World, value: Mapping[str, Any]) -> tuple[str, Reply]:
        """Start a spare that never ran, and add it as a learner."""
        unused = [
            node
            for node in value.get("targets") or value["order"]
            if node not in first_members(world) and node not in self._used
        ]
        if not unused:
            raise _Skipped("no spare node is left")
        self._used.append(unused[0])
        await cast("SpareNodes", world).start_spare(unused[0])
        return unused[0], await _change(world, adds=[unused[0]])

    async def _victim(self, world: World, value: Mapping[str, Any], *, newcomers: int) -> str:
        """Return whom to remove. Raises _Skipped when the cluster could not spare it."""
        node = next(iter(await _resolved(world, value)), "")
        configuration = await configuration_of(world)
        if node not in configuration.members:
            raise _Skipped(f"{node or 'nobody'} is no member")
        left = [name for name in configuration.voters if name != node]
        running = sum(world.running(name) for name in left)
        if node in configuration.voters and (
            len(left) + newcomers < _VOTERS_MIN or 2 * running <= len(left) + newcomers
        ):
            raise _Skipped(f"{len(left)} voters would be left, {running} of them running")
        first = first_members(world)
        staying = sum(name in first for name in left)
        if node in first and 2 * staying <= len(first):
            raise _Skipped(f"{staying} of the nodes that clients were told of would be left")
        return node


def _told(done: tuple[str, Reply]) -> dict[str, Any]:
    node, reply = done
    words = reply.status if reply.status == "ok" else f"{reply.status}: {reply.message}"
    return {"nodes": [node], "outcome": words}


async def _resolved(world: World, value: Mapping[str, Any]) -> list[str]:
    if value.get("targets"):
        return await resolve_all(world, value["targets"], world.nodes)
    return await resolve(world, value["target"], value["order"])


# -- asking the cluster -----------------------------------------------------------------------------


async def _change(world: World, **change: list[str]) -> Reply:
    """Ask for a change; one that is in force already, though its answer was lost, counts as done."""
    reply = await _ask(world, "membership.change", change)
    if reply.status == "unknown":
        await world.sleep(_ASK_AGAIN_NS)
        if _is_done(await configuration_of(world), change):
            return Reply(status="ok", value=None)
    return reply


def _is_done(configuration: Configuration, change: Mapping[str, list[str]]) -> bool:
    return (
        all(name in configuration.members for name in change.get("adds", ()))
        and all(name in configuration.voters for name in change.get("promotes", ()))
        and not any(name in configuration.members for name in change.get("removes", ()))
    )


async def _ask(world: World, kind: str, body: Mapping[str, Any]) -> Reply:
    """Ask whoever leads, again while the answer is a definite "not now"."""
    end_ns = world.now_ns() + _PATIENCE_NS
    led_ns = world.now_ns()
    reply = Reply(status="refused", code="Unavailable", message="nobody leads")
    while world.now_ns() < min(end_ns, led_ns + _LEADERLESS_NS):
        leader = await leader_of(world)
        if leader:
            led_ns = world.now_ns()
            line = world.connect(leader)
            reply = await line.call(Request(kind, dict(body)), _CALL_NS)
            line.close()
            if reply.status != "refused" or reply.code not in ("NotLeader", "Unavailable"):
                return reply
        await world.sleep(_ASK_AGAIN_NS)
    return reply


# -- when -------------------------------------------------------------------------------------------

_STORIES = (
    "join",
    "join",
    "replace",
    "replace",
    "remove",
    "remove",
    "transfer",
    "transfer",
    "add-learner",
    "promote",
)
"""Each as often as it stands here."""

_WHOM = ("one", "leader", "follower")


def membership(options: Mapping[str, Any]) -> Package:
    """One story after the other, and at the end a membership that stays."""
    nodes = options["nodes"]

    def story(context: Context) -> Generatorish:
        draw = context.random.below
        f = _STORIES[draw(len(_STORIES))]
        value: dict[str, Any] = {"order": shuffled(context, nodes)}
        if f in ("remove", "replace", "transfer"):
            value["target"] = "follower" if f == "transfer" else _WHOM[draw(len(_WHOM))]
        if f == "remove":
            value["kill"] = draw(2) == 1
        return {"f": f, "value": value}

    interval_ns = int(options.get("interval_s", 1.0) * SECOND_NS)
    return Package(
        name="membership",
        nemesis=MembershipNemesis(),
        generator=nemesis(stagger(interval_ns, story)),
        final_generator=nemesis({"f": "settle-membership"}),
        needs=frozenset({"inspect", "kill", "membership"}),
    )
