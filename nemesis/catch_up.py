"""The wait between the healing and the last reads: until whoever can has caught up.

What a fault leaves behind takes time after it is undone: an election, a snapshot for who was away. ``catch-up`` ends as soon as a
leader has committed all of its log and every running member has applied that, so that a run waits as long as it must and no
longer. It ends early where no quorum runs, for then nothing will come of waiting, and after `LIMIT_NS` in any case.

It does nothing to the cluster and judges nothing: who stayed behind, and whether a fault excuses it, is said by
`harness.checkers.liveness`.
"""

from __future__ import annotations

from typing import Any

from cluster.raft.quorum import agreed_value
from cluster.worlds.world import World
from harness.checkers.availability import CATCH_UP, RECOVERY_LIMIT_NS
from harness.operation import Operation
from nemesis.members import configuration_of

__all__ = ["LIMIT_NS", "CatchUpNemesis"]

_MS = 1_000_000
_ASK_AGAIN_NS = 100 * _MS

LIMIT_NS = RECOVERY_LIMIT_NS
"""How long is waited: as long as the cluster may take to recover."""


class CatchUpNemesis:
    """See the module."""

    fs = frozenset({CATCH_UP})

    async def setup(self, world: World) -> None:
        """Nothing to prepare."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Wait; the completion's value names the nodes that are ``behind`` still, for a human reader."""
        end_ns = world.now_ns() + LIMIT_NS
        behind = await _behind(world)
        while behind and world.now_ns() < end_ns:
            await world.sleep(_ASK_AGAIN_NS)
            behind = await _behind(world)
        return operation.completed("info", {"behind": behind})

    async def undo(self, world: World) -> None:
        """Nothing was done."""


async def _behind(world: World) -> list[str]:
    """Return the running members that have not applied all of the leader's log: all, while nobody leads; none without a quorum."""
    configuration = await configuration_of(world)
    members = [name for name in configuration.members if world.running(name)]
    there = {name: int(name in members) for name in configuration.members}
    if not agreed_value(configuration, there):
        return []
    states = {name: await world.inspect(name) for name in members}
    goal = _goal([state for state in states.values() if state is not None])
    if goal < 0:
        return members
    return [name for name, state in states.items() if state is None or state["applied"] < goal]


def _goal(states: list[dict[str, Any]]) -> int:
    """Return the last index of the newest leader, once it is committed; -1 before."""
    leaders = [state for state in states if state["role"] == "leader"]
    leader = max(leaders, key=lambda state: state["term"], default=None)
    if leader is None or leader["commit"] < leader["last_index"]:
        return -1
    last_index: int = leader["last_index"]
    return last_index
