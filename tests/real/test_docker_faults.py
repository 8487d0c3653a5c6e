"""What containers can suffer besides: wrong wall clocks, damaged files, limits, dropped packets counted.

Method: one world of three containers for all of it; bringing it up costs more than the questions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import docker_lab
import pytest

from cluster.node.config import NodeConfig
from cluster.node.requests import Request
from cluster.trace import Fault
from cluster.worlds.errors import WorldFailed
from cluster.worlds.world import FileDamage, Limits, LinkFault
from harness.campaign.capabilities import CAPABILITIES
from workloads.leader_line import LeaderLine

pytestmark = [pytest.mark.real, pytest.mark.slow]

MS = 1_000_000
SECOND = 1000 * MS
HOUR = 3600 * SECOND
NODES = ("n1", "n2", "n3")


async def wall_ns(world: Any, node: str) -> int:
    reply = await world.connect(node).call(Request("status", {}), 5 * SECOND)
    return int(reply.value["wall_ns"])


async def clocks(world: Any) -> None:
    right_ns = await wall_ns(world, "n2")
    await world.set_realtime("n1", -HOUR, 0)
    assert abs(await wall_ns(world, "n1") - right_ns + HOUR) < 10 * SECOND
    await world.set_realtime("n1", 0, 0)
    assert abs(await wall_ns(world, "n1") - right_ns) < 10 * SECOND


async def files(world: Any) -> None:
    with pytest.raises(WorldFailed, match="n1 runs"):
        await world.damage("n1", FileDamage(kind="wipe"))
    line = LeaderLine(world, "n1")
    for sequence in range(1, 21):
        body = {"client": "c", "sequence": sequence, "op": "put", "key": "k", "value": "v"}
        while (await line.ask(Request("kv", body), 5 * SECOND)).status != "ok":
            await world.sleep(50 * MS)
    line.close()
    await world.kill("n1")
    before = await world.disk_dump("n1")
    await world.damage("n1", FileDamage(kind="keep"))
    await world.damage("n1", FileDamage(kind="flip", path="g0/wal", count=300, seed=1))
    await world.start("n1")
    assert await world.wait_exit("n1", 5 * SECOND) == 1
    await world.damage("n1", FileDamage(kind="stale"))
    assert await world.disk_dump("n1") == before
    await world.start("n1")
    assert world.running("n1")


def shown_files(pid: int) -> str:
    """The soft limit of open files that the kernel shows."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line for line in lines if line.startswith("Max open files")).split()[3]


async def limits(world: Any) -> None:
    await world.limit("n2", Limits(cpu_percent=40, memory_bytes=500_000_000, open_files=300))
    for _ in range(2):
        pid = world._nodes["n2"].life.pid
        assert shown_files(pid) == "300"
        group = world._groups["n2"]
        name = "cpu/cpu.cfs_quota_us" if group._version == 1 else "cpu.max"
        assert group._path(name).read_text().split()[0] == "40000"
        await world.kill("n2")
        await world.start("n2")
    await world.limit("n2", Limits())
    assert group._path(name).read_text().split()[0] in ("-1", "max")


async def links(world: Any) -> None:
    await world.cut([(a, b) for a in NODES for b in NODES if a != b])
    await world.sleep(SECOND)
    await world.degrade([("n1", "n2")], LinkFault(delay_ns=5 * MS, loss=0.5))
    await world.heal()
    dropped = {e.target: e.amount for e in world.trace() if isinstance(e, Fault) and e.amount}
    assert dropped["links"] > 0


def test_containers_suffer_what_they_are_said_to(tmp_path: Path) -> None:
    """Clocks jump, damaged logs are refused, limits hold in the next life too, and dropped packets are counted."""
    config = NodeConfig(
        name="",
        peers=NODES,
        election_timeout_ns=300 * MS,
        heartbeat_interval_ns=50 * MS,
        inspection=True,
        crash_points=True,
    )
    world = docker_lab.world(tmp_path / "run", config, wall_clocks=True)
    assert world.capabilities == CAPABILITIES["docker"]
    parts: tuple[Callable[[Any], Awaitable[None]], ...] = (clocks, files, limits, links)

    async def main() -> None:
        try:
            await world.up()
            for part in parts:
                await part(world)
        finally:
            await world.down()

    world.run(main())
