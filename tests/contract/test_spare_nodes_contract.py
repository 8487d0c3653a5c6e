"""One contract for every world with spare nodes: they stay away until they are started, and then belong when the cluster says so."""

import tempfile
from pathlib import Path

import docker_lab
import pytest
import ssh_lab

from cluster.machine.parts import Parts
from cluster.node.config import NodeConfig
from cluster.node.requests import Request
from cluster.worlds.local.world import LocalOptions, LocalWorld
from cluster.worlds.sim.world import SimOptions, SimWorld
from cluster.worlds.tape import Tape
from nemesis.targets import leader_of
from workloads.leader_line import LeaderLine

MS = 1_000_000
SECOND = 1_000 * MS
MEMBERS, SPARE = ("n1", "n2", "n3"), "n4"
NODES = (*MEMBERS, SPARE)
CONFIG = NodeConfig(
    name="",
    peers=MEMBERS,
    election_timeout_ns=300 * MS,
    heartbeat_interval_ns=50 * MS,
    inspection=True,
    crash_points=True,
)


async def _whole(world, statement):
    await world.up()
    try:
        await statement(world)
    finally:
        await world.down()


def _simulated(statement):
    world = SimWorld(NODES, tape=Tape(1), config=CONFIG, parts=Parts(), options=SimOptions())
    world.kernel.run(_whole(world, statement))


def _local(statement):
    with tempfile.TemporaryDirectory() as directory:
        world = LocalWorld(
            NODES, directory=Path(directory) / "run", config=CONFIG, options=LocalOptions()
        )
        world.run(_whole(world, statement))


def _docker(statement):
    with tempfile.TemporaryDirectory() as directory:
        world = docker_lab.world(Path(directory) / "run", CONFIG, NODES)
        world.run(_whole(world, statement))


def _ssh(statement):
    with tempfile.TemporaryDirectory() as directory:
        world = ssh_lab.world(Path(directory) / "run", CONFIG, NODES)
        world.run(_whole(world, statement))


@pytest.fixture(
    params=[
        pytest.param(_simulated, id="sim"),
        pytest.param(_local, id="local", marks=[pytest.mark.real, pytest.mark.slow]),
        pytest.param(_docker, id="docker", marks=[pytest.mark.real, pytest.mark.slow]),
        pytest.param(_ssh, id="ssh", marks=[pytest.mark.real, pytest.mark.slow]),
    ]
)
def check(request):
    """Runs a statement on a fresh world that is up."""
    return request.param


async def ask(world, kind, **body):
    """Ask whoever leads until the answer is no definite "not now"."""
    line = LeaderLine(world, "n1")
    for _ in range(60):
        reply = await line.ask(Request(kind, body), 2 * SECOND)
        if reply.status != "refused":
            break
        await world.sleep(100 * MS)
    line.close()
    return reply


def test_a_spare_waits_joins_and_comes_back(check):
    """It is down until `start_spare`, joins by the cluster's own change, is read from and led by, and outlives a kill."""

    async def statement(world):
        assert world.members == MEMBERS
        assert "membership" in world.capabilities
        await world.start(SPARE)
        assert [world.running(node) for node in NODES] == [True, True, True, False]
        body = {"client": "c", "sequence": 1, "op": "put", "key": "a", "value": "1"}
        assert (await ask(world, "kv", **body)).status == "ok"

        await world.start_spare(SPARE)
        assert (await world.inspect(SPARE))["configuration"]["voters"] == []
        assert (await ask(world, "membership.change", adds=[SPARE])).status == "ok"
        assert (await ask(world, "membership.change", promotes=[SPARE])).status == "ok"
        assert (await ask(world, "membership.transfer", target=SPARE)).status == "ok"
        assert await leader_of(world) == SPARE

        await world.kill(SPARE)
        await world.start(SPARE)
        for _ in range(60):
            reply = await world.connect(SPARE).call(Request("get", {"key": "a"}), 2 * SECOND)
            if reply.status == "ok":
                break
            await world.sleep(100 * MS)
        assert reply.value["value"] == "1"
        state = await world.inspect(SPARE)
        assert state["configuration"]["voters"] == list(NODES)

    check(statement)


def test_a_newcomer_that_the_world_does_not_have_is_refused(check):
    """Nobody has a way to it, and the cluster stays as it was."""

    async def statement(world):
        await ask(world, "kv", client="c", sequence=1, op="put", key="a", value="1")
        leader = await leader_of(world)
        line = world.connect(leader)
        reply = await line.call(Request("membership.change", {"adds": ["n9"]}), 2 * SECOND)
        assert (reply.status, reply.code) == ("refused", "InvalidArgument")
        assert (await world.inspect(leader))["configuration"]["index"] == 0
        line.close()

    check(statement)
