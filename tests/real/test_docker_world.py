"""Nodes in containers: what they may do, what the host does to them, and that nothing of a run is left."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import docker_lab
import pytest

import cluster
from cluster.node.config import NodeConfig
from cluster.node.requests import CrashOrder, Request
from cluster.worlds.docker import container
from cluster.worlds.docker.container import ContainerLife
from cluster.worlds.docker.daemon import connect
from cluster.worlds.docker.exit_status import exit_code_of
from cluster.worlds.docker.image import USER_ID, node_image
from cluster.worlds.docker.leftovers import RUN
from cluster.worlds.errors import WorldFailed
from cluster.worlds.world import DiskFault

pytestmark = [pytest.mark.real, pytest.mark.slow]

MS = 1_000_000
SECOND = 1000 * MS
ROOT = Path(cluster.__file__).parent.parent


def config(*nodes, **changes):
    return NodeConfig(
        name="",
        peers=nodes,
        election_timeout_ns=300 * MS,
        heartbeat_interval_ns=50 * MS,
        inspection=True,
        crash_points=True,
        **changes,
    )


@pytest.fixture
def client():
    docker_lab.image()
    found = connect()
    yield found
    found.close()


def left_of(client, run):
    """What Docker and the kernel still hold of a run, by name."""
    label = {"label": f"{RUN}={run}"}
    containers = client.containers.list(all=True, filters=label)
    networks = client.networks.list(filters=label)
    return [thing.name for thing in (*containers, *networks)]


def tables():
    return subprocess.run(
        ["nft", "list", "tables"], capture_output=True, text=True, check=True
    ).stdout


def in_world(world, scenario):
    async def main():
        try:
            await world.up()
            await scenario()
        finally:
            await world.down()

    world.run(main())


def test_a_node_may_do_nothing_but_write_its_folder(tmp_path, client):
    """Not root, no capability, nothing to gain, no harness inside, and a disk that is the run's folder alone."""
    world = docker_lab.world(tmp_path / "run", config("n1"))
    seen = {}

    def look():
        (container,) = client.containers.list(filters={"label": f"{RUN}={world._cluster}"})
        status = Path(f"/proc/{container.attrs['State']['Pid']}/status").read_text()
        seen.update(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        seen["harness"] = container.exec_run(["python", "-c", "import harness"])
        seen["write"] = container.exec_run(["touch", "/opt/reprise/x"])

    async def scenario():
        look()

    in_world(world, scenario)

    assert seen["Uid"].split() == [str(USER_ID)] * 4
    assert {int(seen[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}
    assert seen["NoNewPrivs"] == "1"
    assert b"No module named 'harness'" in seen["harness"].output
    assert b"Read-only" in seen["write"].output
    node = tmp_path / "run" / "nodes" / "n1"
    assert {path.name for path in node.iterdir()} >= {
        "data",
        "config.json",
        "node.log",
        "trace.jsonl",
    }
    assert (node / "data").stat().st_uid == USER_ID
    assert left_of(client, world._cluster) == []


@pytest.mark.parametrize(("kernel_says", "code"), [(None, 78), (-9, -9)])
def test_a_signal_to_a_process_that_has_just_ended_is_no_failure(monkeypatch, kernel_says, code):
    """Between the end of a node and the news of it a signal finds nobody; the exit code comes all the same, from the kernel or the daemon."""
    monkeypatch.setattr(container, "exit_code_of", lambda _descriptor: kernel_says)

    class Ended:
        id = ""

        def __init__(self, pid):
            self.attrs = {"State": {"Pid": pid}}

        def wait(self):
            return {"StatusCode": 78}

    process = subprocess.Popen(["sleep", "60"])

    async def signal_too_late():
        life = ContainerLife(Ended(process.pid), lambda *_: None)
        process.kill()
        process.wait()
        await life.signal(signal.SIGCONT)
        assert await life.wait(5) == code

    asyncio.run(signal_too_late())


@pytest.mark.parametrize(("script", "code"), [("exit 78", 78), ("kill -9 $$", -9), ("true", 0)])
def test_the_kernel_tells_how_a_stranger_ended(script, code):
    """Nothing before its parent has asked; then the code or the signal, where the kernel can tell at all."""
    process = subprocess.Popen(["sh", "-c", script])
    descriptor = os.pidfd_open(process.pid)
    before = exit_code_of(descriptor)
    process.wait()
    after = exit_code_of(descriptor)
    os.close(descriptor)

    assert before is None
    assert after in (code, None)
    assert exit_code_of(descriptor) is None


def test_clients_are_cut_off_and_peers_are_not(tmp_path):
    """A node that clients cannot reach keeps its place among its peers; packets were dropped; healed, it answers."""
    nodes = ("n1", "n2", "n3")
    world = docker_lab.world(tmp_path / "run", config(*nodes))

    async def scenario():
        line = world.connect("n1")
        assert (await line.call(Request("status", {}), SECOND)).status == "ok"
        await world.cut_clients(["n1"])
        assert (await line.call(Request("status", {}), 200 * MS)).status == "unknown"
        while True:
            reply = await world.connect("n2").call(Request("status", {}), SECOND)
            if reply.value["leader"]:
                break
            await world.sleep(20 * MS)
        await world.cut([(a, b) for a in nodes for b in nodes if a != b])
        await world.sleep(200 * MS)
        await world.heal()
        assert (await world.connect("n1").call(Request("status", {}), 5 * SECOND)).status == "ok"

    in_world(world, scenario)
    drops = world._docker.network.drops()

    assert drops.shut["n1"] > 0
    assert sum(drops.cut.values()) > 0
    assert world.trace()
    assert "reprise_" + world._docker.label not in tables()


def test_a_mounted_disk_loses_power_under_a_container(tmp_path, require):
    """A node that is not root works on the mount; power losses there and at a crash point lose nothing acknowledged; EIO ends it."""
    require("fuse", "mounts disks that lose power")
    world = docker_lab.world(tmp_path / "run", config("n1"), power_disk=True)

    async def put(sequence):
        body = {"client": "c", "sequence": sequence, "op": "put", "key": "k", "value": sequence}
        reply = await world.connect("n1").call(Request("kv", body), 5 * SECOND)
        while reply.code == "NotLeader":
            await world.sleep(20 * MS)
            reply = await world.connect("n1").call(Request("kv", body), 5 * SECOND)
        return reply.status

    async def last_index():
        return (await world.disk_dump("n1"))["groups"]["0"]["log"]["entries"][-1][0]

    async def scenario():
        assert await put(1) == "ok"
        await world.power_loss("n1")
        assert await last_index() >= 2
        await world.start("n1")
        assert await put(2) == "ok"
        before = (await world.inspect("n1"))["last_index"]
        await world.arm("n1", CrashOrder(point="wal.after_write_before_fsync", action="power"))
        assert await put(3) == "unknown"
        assert await world.wait_exit("n1", 5 * SECOND) == -signal.SIGKILL
        assert await last_index() == before
        await world.start("n1")
        assert await put(4) == "ok"
        await world.disk_fault("n1", DiskFault(kind="eio"))
        assert await put(5) == "unknown"
        assert await world.wait_exit("n1", 5 * SECOND) == 1

    in_world(world, scenario)
    data = tmp_path / "run" / "nodes" / "n1" / "data"

    assert not data.is_mount()
    assert list(data.iterdir())


def test_two_worlds_live_side_by_side(tmp_path, client):
    """A world that starts leaves another one of a living harness alone: subnets, names and cuts are its own."""
    first = docker_lab.world(tmp_path / "first", config("n1"))
    second = docker_lab.world(tmp_path / "second", config("n1"))

    async def scenario():
        second.start_ns = first.start_ns
        await second.up()
        try:
            assert first.running("n1")
            assert second.running("n1")
            assert len(left_of(client, first._cluster)) == 2
        finally:
            await second.down()
        assert (await first.connect("n1").call(Request("status", {}), SECOND)).status == "ok"

    in_world(first, scenario)

    assert left_of(client, first._cluster) + left_of(client, second._cluster) == []


def test_a_cluster_that_does_not_come_up_says_why_and_leaves_nothing(tmp_path, client):
    """`up` names the node and shows the tail of its log."""
    parts = ("cluster.nowhere", "Parts")
    world = docker_lab.world(tmp_path / "run", config("n1"), parts=parts)

    async def scenario():
        raise AssertionError

    with pytest.raises(WorldFailed, match=r"(?s)n1 did not come up.*cluster\.nowhere"):
        in_world(world, scenario)

    assert left_of(client, world._cluster) == []


HARNESS = """
import sys
from pathlib import Path
import docker_lab
from cluster.node.config import NodeConfig

world = docker_lab.world(Path(sys.argv[1]), NodeConfig(name="", peers=("n1", "n2")))

async def main():
    try:
        await world.up()
        await world.cut([("n1", "n2")])
        print(world._cluster, world._docker.label, flush=True)
        await world.sleep(60_000_000_000)
    finally:
        await world.down()

world.run(main())
"""


@pytest.fixture
def harness(tmp_path, client):
    """A harness in a process of its own with two nodes up and a cut: the process, its run, and its rules' label."""
    process = subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/tests/support"},
        start_new_session=True,
    )
    run, label = process.stdout.readline().split()
    yield process, run, label
    process.kill()
    process.communicate()


def test_what_a_killed_harness_left_is_removed_at_the_next_start_and_nothing_else(
    tmp_path, client, harness
):
    """Containers, network and cut outlive a harness that was killed; the next start ends them, and no stranger's container."""
    process, run, label = harness
    stranger = client.containers.create(docker_lab.image(), labels={"somebody": "else"})
    try:
        assert len(left_of(client, run)) == 3
        assert f"reprise_{label}" in tables()
        process.kill()
        process.wait()
        world = docker_lab.world(tmp_path / "next", config("n1"))

        async def scenario():
            assert left_of(client, run) == []

        in_world(world, scenario)
        assert f"reprise_{label}" not in tables()
        stranger.reload()
    finally:
        stranger.remove()


def test_ctrl_c_leaves_nothing(client, harness):
    """Ctrl-C, which hits a whole process group, takes containers, network and cut down."""
    process, run, label = harness
    os.killpg(process.pid, signal.SIGINT)
    process.wait(20)

    assert left_of(client, run) == []
    assert f"reprise_{label}" not in tables()


def test_an_image_that_is_up_to_date_is_not_built_again(client):
    """The second asking finds the image by the hash of what went into it, says nothing and takes no time."""
    said = []
    began_s = time.monotonic()
    tag = node_image(client, "", said.append)

    assert (tag, said) == (docker_lab.image(), [])
    assert time.monotonic() - began_s < 1
