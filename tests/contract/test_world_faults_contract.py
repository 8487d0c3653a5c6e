"""What worlds may offer besides their contract, the same in each that offers it: rates of clocks, wall clocks, files, clients.

Method: as in test_world_contract, with the worlds that need no containers of ours, and hosts to practise on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import ssh_lab

from cluster.machine.parts import Parts
from cluster.node.config import NodeConfig
from cluster.node.requests import Reply, Request
from cluster.trace import Fault, RoleChanged
from cluster.worlds.errors import WorldFailed
from cluster.worlds.local.world import LocalOptions, LocalWorld
from cluster.worlds.sim.world import SimOptions, SimWorld
from cluster.worlds.tape import Tape
from cluster.worlds.world import FileDamage
from harness.campaign.capabilities import CAPABILITIES
from nemesis.targets import leader_of

MS = 1_000_000
SECOND = 1_000 * MS
HOUR = 3600 * SECOND
NODES = ("n1", "n2", "n3")

Statement = Callable[[Any], Awaitable[None]]

CONFIG = NodeConfig(
    name="",
    peers=NODES,
    election_timeout_ns=300 * MS,
    heartbeat_interval_ns=50 * MS,
    inspection=True,
    crash_points=True,
)


async def whole(world: Any, statement: Statement) -> None:
    await world.up()
    try:
        await statement(world)
    finally:
        await world.down()


def simulated() -> SimWorld:
    return SimWorld(NODES, tape=Tape(1), config=CONFIG, parts=Parts(), options=SimOptions())


def in_sim(statement: Statement) -> None:
    world = simulated()
    world.kernel.run(whole(world, statement))


def in_local(statement: Statement) -> None:
    with tempfile.TemporaryDirectory() as directory:
        options = LocalOptions(wall_clocks=True)
        world = LocalWorld(NODES, directory=Path(directory) / "run", config=CONFIG, options=options)
        world.run(whole(world, statement))


def in_ssh(statement: Statement) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = ssh_lab.world(Path(directory) / "run", CONFIG, wall_clocks=True)
        world.run(whole(world, statement))


@pytest.fixture(
    params=[
        pytest.param(in_sim, id="sim"),
        pytest.param(in_local, id="local", marks=[pytest.mark.real, pytest.mark.slow]),
        pytest.param(in_ssh, id="ssh", marks=[pytest.mark.real, pytest.mark.slow]),
    ]
)
def check(request: pytest.FixtureRequest) -> Callable[[Statement], None]:
    """Runs a statement on a fresh world that is up."""
    drive: Callable[[Statement], None] = request.param
    return drive


async def status(world: Any, node: str, timeout_ns: int = 2 * SECOND) -> Reply:
    line = world.connect(node)
    reply: Reply = await line.call(Request("status", {}), timeout_ns)
    line.close()
    return reply


async def leader(world: Any) -> str:
    for _ in range(100):
        if name := await leader_of(world):
            return name
        await world.sleep(50 * MS)
    raise AssertionError("no leader")


async def applied(world: Any, node: str, index: int) -> None:
    """Wait until a node has applied an index."""
    for _ in range(200):
        reply = await status(world, node)
        if reply.status == "ok" and reply.value["applied"] >= index:
            return
        await world.sleep(20 * MS)
    raise AssertionError(f"{node} never applied {index}")


def faults(world: Any) -> list[tuple[str, str]]:
    return [(e.action, e.target) for e in world.trace() if isinstance(e, Fault)]


def test_what_a_world_offers_is_what_scenarios_are_told(tmp_path: Path) -> None:
    """The table that scenarios are checked against names exactly what the worlds say of themselves."""
    options = LocalOptions(wall_clocks=True)
    local = LocalWorld(NODES, directory=tmp_path / "run", config=CONFIG, options=options)

    assert local.capabilities == CAPABILITIES["local"]
    assert simulated().capabilities - {"simulated-time"} == CAPABILITIES["sim"]


def test_a_wall_clock_jumps_and_stamps_go_on(check: Callable[[Statement], None]) -> None:
    """The node reads another time at once, forward and back; its timestamps only grow; zeros put the clock right."""

    async def statement(world: Any) -> None:
        readings = []
        for offset_ns in (0, HOUR, -HOUR, 0):
            await world.set_realtime("n1", offset_ns, 0)
            value = (await status(world, "n1")).value
            readings.append((value["wall_ns"] - world.now_ns(), value["stamp_ns"]))
        right_ns = readings[0][0]
        offsets = [round((wall_ns - right_ns) / HOUR, 3) for wall_ns, _ in readings]
        stamps = [stamp_ns for _, stamp_ns in readings]

        assert offsets == [0, 1, -1, 0]
        assert stamps == sorted(set(stamps))
        assert faults(world) == [
            ("clock-right", "n1"), ("clock-set", "n1"), ("clock-set", "n1"), ("clock-right", "n1")
        ]  # fmt: skip

    check(statement)


def test_a_clock_that_runs_fast_calls_elections(
    check: Callable[[Statement], None],
) -> None:
    """A follower whose monotonic clock runs twenty times too fast loses patience with its leader's heartbeats, again and again."""

    async def statement(world: Any) -> None:
        name = await leader(world)
        follower = next(node for node in NODES if node != name)
        await world.clock_rate(follower, 20_000_000)
        for _ in range(100):
            await world.sleep(50 * MS)
            candidacies = [
                event
                for event in world.trace()
                if isinstance(event, RoleChanged)
                and event.node == follower
                and event.role == "pre_candidate"
            ]
            if len(candidacies) > 3:
                break
        assert len(candidacies) > 3
        await world.clock_rate(follower, 0)

    check(statement)


def test_files_of_a_node_that_runs_are_left_alone(check: Callable[[Statement], None]) -> None:
    """Damage to a running node is refused before anything is touched."""

    async def statement(world: Any) -> None:
        with pytest.raises(WorldFailed, match="n1 runs: kill it"):
            await world.damage("n1", FileDamage(kind="wipe"))
        await world.kill("n1")
        with pytest.raises(WorldFailed, match="no node 'n9'"):
            await world.damage("n1", FileDamage(kind="swap", other="n9"))
        assert faults(world) == []

    check(statement)


def test_a_damaged_log_stops_its_node_alone(check: Callable[[Statement], None]) -> None:
    """A node refuses a log with a rotten middle; the others go on."""

    async def statement(world: Any) -> None:
        await leader(world)
        await world.kill("n1")
        done = await world.damage("n1", FileDamage(kind="flip", path="g0/wal", count=200, seed=1))
        await world.start("n1")
        assert len(done["bits"]) == 200
        assert await world.wait_exit("n1", SECOND) == 1
        assert await leader(world) != "n1"
        assert ("disk-flip", "n1") in faults(world)

    check(statement)


def test_a_stale_disk_is_what_was_kept(check: Callable[[Statement], None]) -> None:
    """A copy put aside while the node was down comes back as it was, whatever the node has written since."""

    async def statement(world: Any) -> None:
        name = await leader(world)
        follower = next(node for node in NODES if node != name)
        await world.kill(follower)
        assert (await world.damage(follower, FileDamage(kind="keep")))["files"] > 0
        kept = await world.disk_dump(follower)
        await world.start(follower)
        body = {"client": "c", "sequence": 1, "op": "put", "key": "k", "value": "v"}
        assert (await world.connect(name).call(Request("kv", body), 5 * SECOND)).status == "ok"
        await applied(world, follower, (await status(world, name)).value["applied"])
        await world.kill(follower)
        assert await world.disk_dump(follower) != kept
        await world.damage(follower, FileDamage(kind="stale"))

        assert await world.disk_dump(follower) == kept
        assert faults(world) == [("disk-stale", follower)]

    check(statement)


def test_two_disks_change_places(check: Callable[[Statement], None]) -> None:
    """After a swap each node finds the other's disk."""

    async def statement(world: Any) -> None:
        for node in NODES:
            await world.kill(node)
        await world.damage("n3", FileDamage(kind="wipe"))
        assert (await world.disk_dump("n3"))["groups"] == {}
        whole_disk = await world.disk_dump("n2")
        await world.damage("n2", FileDamage(kind="swap", other="n3"))
        assert (await world.disk_dump("n2"))["groups"] == {}
        assert await world.disk_dump("n3") == whole_disk

    check(statement)


def test_clients_are_cut_off_and_nodes_are_not() -> None:
    """A leader that clients cannot reach still leads; what clients ask is unknown, and what was dropped is counted."""

    async def statement(world: Any) -> None:
        name = await leader(world)
        await world.cut_clients([name])
        reply = await status(world, name, 200 * MS)
        assert (reply.status, reply.code) == ("unknown", "DeadlineExceeded")
        await world.sleep(2 * SECOND)
        assert await leader(world) == name
        await world.heal()
        assert (await status(world, name)).status == "ok"
        assert [
            (event.target, event.amount > 0)
            for event in world.trace()
            if isinstance(event, Fault) and event.action == "dropped"
        ] == [("clients", True)]

    in_sim(statement)


@pytest.mark.real
@pytest.mark.slow
def test_open_files_are_limited_in_this_life_and_the_next() -> None:
    """A local node has as many files as it was given, after a restart too, until the limit is lifted."""

    def soft(world: Any) -> str:
        limits = Path(f"/proc/{world._nodes['n1'].life.pid}/limits").read_text()
        line = next(line for line in limits.splitlines() if line.startswith("Max open files"))
        return line.split()[3]

    async def statement(world: Any) -> None:
        before = soft(world)
        await world.limit_files("n1", 200)
        assert soft(world) == "200"
        await world.kill("n1")
        await world.start("n1")
        assert soft(world) == "200"
        await world.limit_files("n1", 0)
        assert int(soft(world)) >= int(before)

    in_local(statement)
