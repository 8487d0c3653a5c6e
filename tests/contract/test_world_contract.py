"""One contract for every world: what `cluster.worlds.world.World` promises, asked of the simulated and the real ones.

Each statement is a coroutine over a world that is up; the worlds differ only in how it is driven.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import docker_lab
import pytest
import ssh_lab

from cluster.machine.parts import Parts
from cluster.node.config import NodeConfig
from cluster.node.crash_points import UnknownCrashPoint
from cluster.node.requests import CrashOrder, Reply, Request
from cluster.trace import Applied, Armed, HitPoint, Started, Stopped
from cluster.worlds.local.world import LocalOptions, LocalWorld
from cluster.worlds.sim.world import SimOptions, SimWorld
from cluster.worlds.tape import Tape
from nemesis.targets import leader_of
from workloads.leader_line import LeaderLine

MS = 1_000_000
SECOND = 1_000 * MS
NODES = ("n1", "n2", "n3")

Statement = Callable[[Any], Awaitable[None]]
Check = Callable[[Statement], None]


def config(**changes: Any) -> NodeConfig:
    return NodeConfig(
        **{
            "name": "",
            "peers": NODES,
            "election_timeout_ns": 300 * MS,
            "heartbeat_interval_ns": 50 * MS,
            "inspection": True,
            "crash_points": True,
            **changes,
        }
    )


async def _whole(world: Any, statement: Statement) -> None:
    await world.up()
    try:
        await statement(world)
    finally:
        await world.down()


def _simulated(statement: Statement) -> None:
    world = SimWorld(NODES, tape=Tape(1), config=config(), parts=Parts(), options=SimOptions())
    world.kernel.run(_whole(world, statement))


def _local(statement: Statement) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = LocalWorld(
            NODES, directory=Path(directory) / "run", config=config(), options=LocalOptions()
        )
        world.run(_whole(world, statement))


def _docker(statement: Statement) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = docker_lab.world(Path(directory) / "run", config())
        world.run(_whole(world, statement))


def _ssh(statement: Statement) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = ssh_lab.world(Path(directory) / "run", config())
        world.run(_whole(world, statement))


@pytest.fixture(
    params=[
        pytest.param(_simulated, id="sim"),
        pytest.param(_local, id="local", marks=[pytest.mark.real, pytest.mark.slow]),
        pytest.param(_docker, id="docker", marks=[pytest.mark.real, pytest.mark.slow]),
        pytest.param(_ssh, id="ssh", marks=[pytest.mark.real, pytest.mark.slow]),
    ]
)
def check(request: pytest.FixtureRequest) -> Check:
    """Runs a statement on a fresh world that is up."""
    drive: Check = request.param
    return drive


async def put(world: Any, key: str, value: str, *, sequence: int = 1) -> Reply:
    """Write through whoever leads; election time is granted."""
    line = LeaderLine(world, "n1")
    body = {"client": f"c-{key}", "sequence": sequence, "op": "put", "key": key, "value": value}
    reply = await line.ask(Request("kv", body), 2 * SECOND)
    for _ in range(50):
        if reply.status != "refused":
            break
        await world.sleep(100 * MS)
        reply = await line.ask(Request("kv", body), 2 * SECOND)
    line.close()
    return reply


async def get(world: Any, node: str, key: str) -> Any:
    """Read at `node`, again until it answers."""
    line = world.connect(node)
    for _ in range(50):
        reply = await line.call(Request("get", {"key": key}), 2 * SECOND)
        if reply.status == "ok":
            line.close()
            return reply.value["value"]
        await world.sleep(100 * MS)
    raise AssertionError(f"{node} never answered: {reply}")


async def leader(world: Any) -> str:
    for _ in range(100):
        if name := await leader_of(world):
            return name
        await world.sleep(50 * MS)
    raise AssertionError("no leader")


def test_an_acknowledged_write_can_be_read_at_every_node(check: Check) -> None:
    """What one node acknowledged, every node answers."""

    async def statement(world: Any) -> None:
        assert (await put(world, "a", "1")).status == "ok"
        assert [await get(world, node, "a") for node in NODES] == ["1", "1", "1"]

    check(statement)


def test_killing_all_nodes_loses_no_acknowledged_write(check: Check) -> None:
    """A kill ends the process with -9, a start brings the same disk back."""

    async def statement(world: Any) -> None:
        assert (await put(world, "a", "1")).status == "ok"
        for node in NODES:
            await world.kill(node)
        assert [await world.wait_exit(node, SECOND) for node in NODES] == [-9, -9, -9]
        assert not any(world.running(node) for node in NODES)
        for node in NODES:
            await world.start(node)
        assert await get(world, "n2", "a") == "1"

    check(statement)


def test_a_power_loss_of_all_nodes_loses_no_acknowledged_write(check: Check) -> None:
    """Everything that was acknowledged was fsynced by a majority before."""

    async def statement(world: Any) -> None:
        assert (await put(world, "a", "1")).status == "ok"
        for node in NODES:
            await world.power_loss(node)
        for node in NODES:
            await world.start(node)
        assert await get(world, "n3", "a") == "1"

    check(statement)


def test_acting_on_a_node_in_the_wrong_state_does_nothing(check: Check) -> None:
    """Killing a dead node, starting a running one, resuming one that is not paused: all harmless."""

    async def statement(world: Any) -> None:
        await world.start("n1")
        await world.resume("n1")
        await world.kill("n2")
        await world.kill("n2")
        await world.pause("n2")
        assert world.running("n1")
        assert not world.running("n2")
        await world.start("n2")
        assert world.running("n2")

    check(statement)


def test_two_orders_to_start_start_one_life(check: Check) -> None:
    """Whoever orders a start while another one is under way changes nothing."""

    async def statement(world: Any) -> None:
        await world.kill("n1")
        world.spawn(world.start("n1"))
        await world.start("n1")
        while not world.running("n1"):
            await world.sleep(10 * MS)
        await world.sleep(100 * MS)

        assert world.running("n1")
        lives = [event for event in world.trace() if type(event) is Stopped and event.node == "n1"]
        assert [event.cause for event in lives] == ["kill"]

    check(statement)


def test_a_request_to_a_node_that_is_down_is_refused_for_certain(check: Check) -> None:
    """A request that never left had no effect, and the reply says so."""

    async def statement(world: Any) -> None:
        await world.kill("n1")
        reply = await world.connect("n1").call(Request("status", {}), SECOND)
        assert (reply.status, reply.definite) == ("refused", True)

    check(statement)


def test_a_paused_node_answers_nothing_until_it_is_resumed(check: Check) -> None:
    """A call to a paused node ends unknown after its timeout; afterwards the node goes on."""

    async def statement(world: Any) -> None:
        await world.pause("n1")
        line = world.connect("n1")
        reply = await line.call(Request("status", {}), 200 * MS)
        assert (reply.status, reply.definite) == ("unknown", False)
        await world.resume("n1")
        assert (await world.connect("n1").call(Request("status", {}), 5 * SECOND)).status == "ok"

    check(statement)


def test_a_cut_leader_is_replaced_and_heals(check: Check) -> None:
    """Cutting every link of the leader makes the others elect one; healing brings it back as a follower."""

    async def statement(world: Any) -> None:
        old = await leader(world)
        others = [node for node in NODES if node != old]
        await world.cut([link for node in others for link in ((old, node), (node, old))])
        for _ in range(100):
            states = [await world.inspect(node) for node in others]
            if any(state is not None and state["role"] == "leader" for state in states):
                break
            await world.sleep(50 * MS)
        new = next(state["node"] for state in states if state["role"] == "leader")
        await world.heal()
        assert (await put(world, "a", "1")).status == "ok"
        assert await get(world, old, "a") == "1"
        assert new != old

    check(statement)


def test_an_armed_crash_point_strikes_once_and_is_told(check: Check) -> None:
    """A strike ends the process at the point; the trace says which, and the next life is not struck."""

    async def statement(world: Any) -> None:
        name = await leader(world)
        await world.arm(name, CrashOrder(point="eng.before_apply", opcode=0, action="kill"))
        await put(world, "a", "1")
        assert await world.wait_exit(name, 5 * SECOND) == -9
        await world.start(name)
        assert await get(world, name, "a") == "1"
        trace = world.trace()
        hits = [event for event in trace if isinstance(event, HitPoint)]
        assert [(hit.node, hit.point, hit.action) for hit in hits] == [
            (name, "eng.before_apply", "kill")
        ]
        assert any(isinstance(event, Armed) and event.node == name for event in trace)

    check(statement)


def test_an_order_given_to_a_node_that_is_down_holds_for_its_next_life(check: Check) -> None:
    """Arming a stopped node strikes after its next start, and only in that life."""

    async def statement(world: Any) -> None:
        name = await leader(world)
        follower = next(node for node in NODES if node != name)
        await world.kill(follower)
        await world.arm(follower, CrashOrder(point="wal.before_append", action="power"))
        await world.start(follower)
        assert (await put(world, "a", "1")).status == "ok"
        assert await world.wait_exit(follower, 5 * SECOND) == -9
        await world.start(follower)
        assert await get(world, follower, "a") == "1"

    check(statement)


def test_an_unknown_crash_point_is_refused(check: Check) -> None:
    """A plan that names a point that does not exist is told so, with what there is."""

    async def statement(world: Any) -> None:
        with pytest.raises(UnknownCrashPoint, match=r"reg\.after_set"):
            await world.arm("n1", CrashOrder(point="reg.after_sit"))

    check(statement)


def test_a_stall_holds_a_node_and_lets_it_go_on(check: Check) -> None:
    """A stalled node lives, does nothing for that time, and then continues."""

    async def statement(world: Any) -> None:
        name = await leader(world)
        order = CrashOrder(point="eng.before_apply", opcode=0, action="stall", stall_ns=300 * MS)
        await world.arm(name, order)
        began_ns = world.now_ns()
        assert (await put(world, "a", "1")).status in ("ok", "unknown")
        assert world.now_ns() - began_ns >= 300 * MS
        assert world.running(name)
        assert await get(world, name, "a") == "1"

    check(statement)


def test_a_stopped_disk_can_be_read_without_recovery(check: Check) -> None:
    """The dump of a dead node's disk shows its log and its applied index, and reading changes nothing."""

    async def statement(world: Any) -> None:
        assert (await put(world, "a", "1")).status == "ok"
        assert await get(world, "n1", "a") == "1"
        for node in NODES:
            await world.kill(node)
        first = await world.disk_dump("n1")
        assert first == await world.disk_dump("n1")
        group = first["groups"]["0"]
        assert group["log"]["entries"]
        assert group["unfinished"] == []

    check(statement)


def test_the_trace_tells_every_life_of_every_node(check: Check) -> None:
    """Starts and ends are in the trace, and entries applied again are marked as replayed."""

    async def statement(world: Any) -> None:
        assert (await put(world, "a", "1")).status == "ok"
        await get(world, "n1", "a")
        await world.kill("n1")
        await world.start("n1")
        await get(world, "n1", "a")
        trace = world.trace()
        lives = [e.incarnation for e in trace if isinstance(e, Started) and e.node == "n1"]
        assert lives == [1, 2]
        assert [e.cause for e in trace if isinstance(e, Stopped) and e.node == "n1"] == ["kill"]
        applied = [e for e in trace if isinstance(e, Applied) and e.node == "n1" and e.opcode == 0]
        assert [event.replay for event in applied] == [False]

    check(statement)


def test_a_mailbox_hands_out_in_order_and_gives_up_in_time(check: Check) -> None:
    """Items come in the order they were put; without one, `get` returns None at the given time."""

    async def statement(world: Any) -> None:
        box = world.mailbox()

        async def write() -> None:
            await world.sleep(10 * MS)
            box.put(1)
            box.put(2)

        world.spawn(write())
        assert await box.get(None) == 1
        assert await box.get(world.now_ns() + SECOND) == 2
        until_ns = world.now_ns() + 20 * MS
        assert await box.get(until_ns) is None
        assert world.now_ns() >= until_ns

    check(statement)


def test_an_exception_beside_the_run_ends_it(check: Check) -> None:
    """What a spawned coroutine raises is not lost: it comes out of the run."""

    async def statement(world: Any) -> None:
        async def fail() -> None:
            raise ZeroDivisionError

        world.spawn(fail())
        await world.sleep(5 * SECOND)

    with pytest.raises(ZeroDivisionError):
        check(statement)


def test_a_snapshot_is_taken_when_it_is_asked_for(check: Check) -> None:
    """The inspection port starts a local snapshot, and the log in memory begins behind it."""

    async def statement(world: Any) -> None:
        for number in range(1, 6):
            assert (await put(world, "a", str(number), sequence=number)).status == "ok"
        name = await leader(world)
        reply = await world.connect(name).call(Request("inspect.snapshot", {}), SECOND)
        assert reply.value == {"started": True}
        for _ in range(100):
            state = await world.inspect(name)
            if state["snapshot_index"]:
                break
            await world.sleep(20 * MS)
        assert state["first_index"] == state["snapshot_index"] + 1

    check(statement)
