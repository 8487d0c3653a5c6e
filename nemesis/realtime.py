"""Wall clocks that are wrong: jumps, drift, and a clock that flickers between two times. Safety must not notice.

``bump-clock`` sets the clocks of its targets off by `offset_ns`, drifting by `drift_ppm` from there; ``strobe-clock`` does so and
undoes it every `period_ns`; ``reset-clock`` puts them right. With a `duration_ns` a bump is a story that ends with right clocks.
Jepsen's `nemesis.time` has the three.

A fault that nobody sees proves nothing, so each act asks its targets for the time before and after: `readings` in the
completion are what the checker ``clocks`` counts jumps from, and where it sees whether timestamps went on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from cluster.node.requests import Request
from cluster.worlds.world import RealtimeFaults, World
from harness.generator import SECOND_NS, Context, Generatorish, nemesis, stagger
from harness.operation import Operation
from nemesis.package import Package
from nemesis.targets import meant, shuffled

__all__ = ["RealtimeNemesis", "realtime"]

_TIMEOUT_NS = SECOND_NS
_OFFSET_BITS = 19
"""Random jumps are up to 2^18 ms (over four minutes) either way, each order of magnitude as likely."""

Readings = list[dict[str, Any]]


class RealtimeNemesis:
    """See the module."""

    fs = frozenset({"bump-clock", "reset-clock", "strobe-clock"})

    def __init__(self) -> None:
        self._wrong: dict[str, None] = {}
        """Whose clocks may be wrong: only those are put right."""

    async def setup(self, world: World) -> None:
        """Nothing to prepare."""

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Do one act or story to the targets' wall clocks."""
        value = operation.value or {}
        targets = await meant(world, value)
        readings = await _ask(world, targets)
        self._wrong |= dict.fromkeys(targets)
        await {"bump-clock": _bump, "strobe-clock": _strobe, "reset-clock": _reset}[operation.f](
            world, targets, value, readings
        )
        return operation.completed("info", {**value, "nodes": targets, "readings": readings})

    async def undo(self, world: World) -> None:
        """Put every clock right."""
        wrong, self._wrong = list(self._wrong), {}
        await _set(world, wrong, 0, 0)


async def _bump(
    world: World, targets: Sequence[str], value: Mapping[str, Any], readings: Readings
) -> None:
    await _set(world, targets, value["offset_ns"], value.get("drift_ppm", 0))
    readings += await _ask(world, targets)
    if "duration_ns" in value:
        await world.sleep(value["duration_ns"])
        readings += await _ask(world, targets)
        await _reset(world, targets, value, readings)


async def _strobe(
    world: World, targets: Sequence[str], value: Mapping[str, Any], readings: Readings
) -> None:
    until_ns = world.now_ns() + value["duration_ns"]
    while world.now_ns() < until_ns:
        for offset_ns in (value["offset_ns"], 0):
            await _set(world, targets, offset_ns, 0)
            readings += await _ask(world, targets)
            await world.sleep(value["period_ns"])


async def _reset(
    world: World,
    targets: Sequence[str],
    value: Mapping[str, Any],  # noqa: ARG001 - one shape for all acts
    readings: Readings,
) -> None:
    await _set(world, targets, 0, 0)
    readings += await _ask(world, targets)


async def _set(world: World, nodes: Sequence[str], offset_ns: int, drift_ppm: int) -> None:
    for node in nodes:
        await cast("RealtimeFaults", world).set_realtime(node, offset_ns, drift_ppm)


async def _ask(world: World, nodes: Sequence[str]) -> Readings:
    """Return what the nodes that answer say of the time: wall clock, timestamp, life, and when they were asked."""
    readings = []
    for node in nodes:
        if not world.running(node):
            continue
        line = world.connect(node)
        at_ns = world.now_ns()
        reply = await line.call(Request("status", {}), _TIMEOUT_NS)
        line.close()
        if reply.status == "ok":
            told = {name: reply.value[name] for name in ("incarnation", "wall_ns", "stamp_ns")}
            readings.append({"node": node, "at_ns": at_ns, **told})
    return readings


def realtime(options: Mapping[str, Any]) -> Package:
    """Wrong wall clocks now and then: two jumps for each flicker."""
    nodes = options["nodes"]

    def strike(context: Context) -> Generatorish:
        draw = context.random.below
        size_ms = 1 << draw(_OFFSET_BITS)
        value = {
            "target": ("one", "leader", "minority", "all")[draw(4)],
            "offset_ns": (size_ms, -size_ms)[draw(2)] * SECOND_NS // 1000,
            "duration_ns": (200 + draw(1300)) * SECOND_NS // 1000,
            "order": shuffled(context, nodes),
        }
        if draw(3):
            drift_ppm = (0, draw(1_000_001) - 500_000)[draw(2)]
            return {"f": "bump-clock", "value": {**value, "drift_ppm": drift_ppm}}
        period_ns = (20 + draw(200)) * SECOND_NS // 1000
        return {"f": "strobe-clock", "value": {**value, "period_ns": period_ns}}

    interval_ns = int(options.get("interval_s", 1.0) * SECOND_NS)
    return Package(
        name="realtime",
        nemesis=RealtimeNemesis(),
        generator=nemesis(stagger(interval_ns, strike)),
        final_generator=nemesis({"f": "reset-clock"}),
        needs=frozenset({"realtime"}),
    )
