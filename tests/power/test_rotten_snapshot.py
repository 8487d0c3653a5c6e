"""A snapshot that rots on the leader's disk: nobody installs it, and the next one helps who needs it (R-C10)."""

from __future__ import annotations

from typing import Any

from cluster.machine.parts import Parts
from cluster.node.config import NodeConfig
from cluster.node.requests import Request
from cluster.worlds.sim.world import SimOptions, SimWorld
from cluster.worlds.tape import Tape
from nemesis.targets import leader_of
from workloads.leader_line import LeaderLine

MS = 1_000_000
NODES = ("n1", "n2", "n3")


async def applied(world: SimWorld, node: str) -> int:
    state = await world.inspect(node)
    assert state is not None
    return int(state["applied"])


async def snapshot(world: SimWorld, node: str) -> None:
    await world.connect(node).call(Request("inspect.snapshot", {}), 1000 * MS)
    await world.sleep(500 * MS)


async def story(world: SimWorld, told: dict[str, Any]) -> None:
    """A follower is left behind a snapshot, which rots; then the leader takes another one."""
    await world.up()
    line = LeaderLine(world, "n1")
    await world.sleep(2000 * MS)
    leader = await leader_of(world)
    behind = next(node for node in NODES if node != leader)

    async def write(first: int) -> None:
        for sequence in range(first, first + 5):
            body = {"client": "c", "sequence": sequence, "op": "put", "key": "k", "value": sequence}
            assert (await line.ask(Request("kv", body), 1000 * MS)).status == "ok"

    await world.kill(behind)
    await write(1)
    await snapshot(world, leader)
    disk = world._places[leader].disk
    (name,) = [name for name in disk.list("g0/snap") if name.endswith(".fsm")]
    disk.flip_bit(f"g0/snap/{name}", 20)
    await world.start(behind)
    await world.sleep(3000 * MS)
    told["with the rotten one"] = await applied(world, behind)
    await write(6)
    await snapshot(world, leader)
    await world.sleep(1000 * MS)
    told["with the next one"] = await applied(world, behind)
    told["leader"] = await applied(world, leader)
    await world.down()


def test_a_rotten_snapshot_is_not_sent_for_ever() -> None:
    """The follower refuses it and stays as it was; a newer snapshot is sent in its place as soon as there is one."""
    config = NodeConfig(
        name="",
        peers=NODES,
        election_timeout_ns=300 * MS,
        heartbeat_interval_ns=50 * MS,
        inspection=True,
        snapshot_threshold=0,
    )
    world = SimWorld(NODES, tape=Tape(1), config=config, parts=Parts(), options=SimOptions())
    told: dict[str, Any] = {}

    world.kernel.run(story(world, told))

    assert told["with the rotten one"] < 6
    assert told["with the next one"] == told["leader"] > 10
