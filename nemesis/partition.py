"""Partitions: who does not hear whom, and for how long.

The *grudges* are pure functions from a drawn order of nodes to directed links; cutting them is the world's
business. Jepsen's shapes: one node isolated, halves, a minority third, a majorities ring, a bridge; one direction only;
and the partial ones that stopped real clusters (Ng et al., "Omni-Paxos", 2023): one link gone, and a star.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from typing import Any

from cluster.worlds.world import World
from harness.generator import SECOND_NS, Context, Generatorish, cycle, flip_flop, nemesis, stagger
from harness.operation import Operation
from nemesis.members import configuration_of, members_in
from nemesis.package import Package
from nemesis.targets import leader_of, shuffled

__all__ = ["GRUDGES", "PartitionNemesis", "partition"]

Links = list[tuple[str, str]]


def _between(left: Sequence[str], right: Sequence[str]) -> Links:
    return [link for a in left for b in right for link in ((a, b), (b, a))]


def isolate_one(order: Sequence[str]) -> Links:
    """The first node hears nobody and nobody hears it."""
    return _between(order[:1], order[1:])


def halves(order: Sequence[str]) -> Links:
    """A minority and a majority that do not hear each other."""
    middle = len(order) // 2
    return _between(order[:middle], order[middle:])


def one_way(order: Sequence[str]) -> Links:
    """The first node hears the others; they do not hear it."""
    return [(order[0], node) for node in order[1:]]


def deaf(order: Sequence[str]) -> Links:
    """The others hear the first node; it hears nobody."""
    return [(node, order[0]) for node in order[1:]]


def bridge(order: Sequence[str]) -> Links:
    """Two halves that only the first node connects."""
    rest = order[1:]
    middle = len(rest) // 2
    return _between(rest[:middle], rest[middle:])


def majorities_ring(order: Sequence[str]) -> Links:
    """Every node hears a majority, and no two hear the same one."""
    count = len(order)
    reach = count // 2
    heard = {
        (order[i], order[(i + step) % count])
        for i in range(count)
        for step in [*range(1, reach // 2 + 1), *(-k for k in range(1, reach - reach // 2 + 1))]
    }
    return [link for link in permutations(order, 2) if link not in heard]


def one_link(order: Sequence[str]) -> Links:
    """The first two nodes do not hear each other; everybody else hears everybody."""
    return _between(order[:1], order[1:2])


def star(order: Sequence[str]) -> Links:
    """Only the first node hears anybody, and is heard: a majority there is through it alone."""
    return list(permutations(order[1:], 2))


def minority_third(order: Sequence[str]) -> Links:
    """Less than a third of the nodes, at least one, apart from the rest."""
    apart = max(1, (len(order) - 1) // 3)
    return _between(order[:apart], order[apart:])


GRUDGES: dict[str, Callable[[Sequence[str]], Links]] = {
    "isolate-one": isolate_one,
    "halves": halves,
    "one-way": one_way,
    "deaf": deaf,
    "bridge": bridge,
    "majorities-ring": majorities_ring,
    "one-link": one_link,
    "star": star,
    "minority-third": minority_third,
}


_PARTIAL = ("one-link", "star", "minority-third")
_DRAWN = (*[name for name in GRUDGES if name not in _PARTIAL] * 2, *_PARTIAL)
"""What random schedules draw from: shapes that cut a node off altogether change leaders, so they come twice as often."""


class PartitionNemesis:
    """Cuts and heals."""

    fs = frozenset({"start-partition", "stop-partition"})

    async def setup(self, world: World) -> None:
        """Nothing to prepare."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Cut by the drawn grudge, around the leader when the operation says so; or heal."""
        if operation.f == "stop-partition":
            await world.heal()
            return operation.completed("info", "healed")
        order = members_in(await configuration_of(world), operation.value["order"])
        if operation.value["around_leader"]:
            leader = await leader_of(world)
            if leader in order:
                order.remove(leader)
                order.insert(0, leader)
        links = GRUDGES[operation.value["grudge"]](order)
        await world.cut(links)
        return operation.completed("info", {**operation.value, "order": order})

    async def undo(self, world: World) -> None:
        """Heal."""
        await world.heal()


def partition(options: Mapping[str, Any]) -> Package:
    """A random partition and its healing, in turn."""
    nodes = options["nodes"]

    def strike(context: Context) -> Generatorish:
        draw = context.random.below
        return {
            "f": "start-partition",
            "value": {
                "grudge": _DRAWN[draw(len(_DRAWN))],
                "around_leader": draw(2) == 1,
                "order": shuffled(context, nodes),
            },
        }

    interval_ns = int(options.get("interval_s", 2.0) * SECOND_NS)
    return Package(
        name="partition",
        nemesis=PartitionNemesis(),
        generator=nemesis(stagger(interval_ns, flip_flop(strike, cycle({"f": "stop-partition"})))),
        final_generator=nemesis({"f": "stop-partition"}),
        needs=frozenset({"cut"}),
    )
