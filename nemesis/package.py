"""A *package*: a nemesis together with the schedule that drives it, and how packages are composed.

Nothing here touches a world. The idea is Jepsen's `nemesis/combined`: {nemesis, generator, final generator},
composed algebraically; operations are routed to the nemesis that owns their `f`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cluster.worlds.world import World
from harness.client import Nemesis
from harness.generator import Generatorish, any_of
from harness.operation import Operation

__all__ = ["Composed", "Package", "compose"]


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A nemesis, its schedule, what brings everything back before the final reads, and what a world must be able to do."""

    name: str
    nemesis: Nemesis
    generator: Generatorish
    final_generator: Generatorish = None
    needs: frozenset[str] = frozenset()


class Composed:
    """Several nemeses as one."""

    def __init__(self, parts: Sequence[Nemesis]) -> None:
        self._parts = parts
        self._owner = {f: part for part in parts for f in part.fs}
        self.fs = frozenset(self._owner)

    async def setup(self, world: World) -> None:
        """See `Nemesis`."""
        for part in self._parts:
            await part.setup(world)

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """See `Nemesis`."""
        return await self._owner[operation.f].invoke(world, operation)

    async def undo(self, world: World) -> None:
        """See `Nemesis`."""
        for part in self._parts:
            await part.undo(world)


def compose(packages: Sequence[Package]) -> Package:
    """Return one package that does what all of `packages` do, each at its own pace."""
    return Package(
        name=",".join(package.name for package in packages),
        nemesis=Composed([package.nemesis for package in packages]),
        generator=any_of(
            *[package.generator for package in packages if package.generator is not None]
        ),
        final_generator=[
            package.final_generator for package in packages if package.final_generator is not None
        ],
        needs=frozenset().union(*[package.needs for package in packages]),
    )
