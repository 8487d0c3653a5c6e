"""Bad links, limits and mounted disks on hosts over SSH: done as root or through sudo, measured there, and undone whatever happens.

Method: one world for each user who may do it; the hosts are asked for what their kernels hold, and how long a packet takes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import ssh_lab

import cluster
from cluster.node.config import NodeConfig
from cluster.trace import Fault, Stopped
from cluster.worlds.errors import WorldFailed
from cluster.worlds.world import DiskFault, Limits, LinkFault
from harness.campaign.capabilities import CAPABILITIES
from nemesis.targets import leader_of

pytestmark = [pytest.mark.real, pytest.mark.slow]

MS = 1_000_000
SECOND = 1000 * MS
ROOT = Path(cluster.__file__).parent.parent
NODES = ("n1", "n2", "n3")
CONFIG = NodeConfig(
    name="",
    peers=NODES,
    election_timeout_ns=300 * MS,
    heartbeat_interval_ns=50 * MS,
    inspection=True,
    crash_points=True,
)
CONNECT = """
import socket, sys, time
began = time.monotonic()
socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()
print(time.monotonic() - began)
"""
HOLDS = """
nft list tables | grep reprise; iptables -t mangle -S | grep REPRISE; tc qdisc show | grep 7e57
find /sys/fs/cgroup -name 'reprise*'; ps ax -o args | grep '[c]luster[.]'; mount | grep reprise-power
"""


def held(lab: ssh_lab.Lab, host: int) -> list[str]:
    """Everything of ours that a host holds: rules, queues, groups, processes, mounts."""
    return lab.run(host, "sh", "-c", HOLDS).splitlines()


def wait_until_nothing_is_held(lab: ssh_lab.Lab, hosts: tuple[int, ...]) -> None:
    deadline = time.monotonic() + 15
    while any(held(lab, host) for host in hosts):
        assert time.monotonic() < deadline, [held(lab, host) for host in hosts]
        time.sleep(0.1)


def run(world: Any, statement: Any) -> None:
    async def whole() -> None:
        try:
            await world.up()
            await statement()
        finally:
            await world.down()

    world.run(whole())


async def leader(world: Any) -> str:
    for _ in range(200):
        if name := await leader_of(world):
            return name
        await world.sleep(50 * MS)
    raise AssertionError("no leader")


def connects_s(lab: ssh_lab.Lab, world: Any, source: int, target: str) -> float:
    """How long a connection from host number `source` to a node takes: one round trip, the best of three."""
    host, port = world._hosts[target].address
    return min(float(lab.run(source, "python3", "-c", CONNECT, host, str(port))) for _ in range(3))


@pytest.mark.parametrize("user", ["root", ssh_lab.TRUSTED])
def test_links_are_bad_and_nodes_limited_where_the_user_may(tmp_path: Path, user: str) -> None:
    """Delay reaches the packets of the link and no others, bandwidth and limits stand in the kernel, healing takes all away."""
    lab = ssh_lab.lab()
    world = ssh_lab.world(tmp_path / "run", CONFIG, reach=lab.reach(user), wall_clocks=True)

    async def links() -> None:
        assert connects_s(lab, world, 0, "n2") < 0.1
        fault = LinkFault(delay_ns=150 * MS, loss=0.01, duplication=0.05)
        await world.degrade([("n1", "n2")], fault)
        assert 0.15 <= connects_s(lab, world, 0, "n2") < 0.5
        assert connects_s(lab, world, 0, "n3") < 0.1
        await world.degrade([("n1", "n3")], LinkFault(bandwidth_bps=1_000_000, loss=0.2))
        assert "rate 1Mbit" in lab.run(0, "tc", "class", "show", "dev", "eth0")
        await world.cut([("n1", "n2"), ("n2", "n1"), ("n2", "n3"), ("n3", "n2")])
        await world.sleep(500 * MS)  # several heartbeats, whoever leads
        await world.heal()
        assert connects_s(lab, world, 0, "n2") < 0.1
        assert not [line for line in held(lab, 0) if "7e57" in line or "NFQUEUE" in line]

    async def limits() -> None:
        await world.limit("n1", Limits(cpu_percent=50, memory_bytes=400_000_000, open_files=300))
        await world.kill("n1")
        await world.start("n1")
        process = world._nodes["n1"].life.pid
        assert "/reprise_" in lab.run(0, "cat", f"/proc/{process}/cgroup")
        assert "Max open files            300 " in lab.run(0, "cat", f"/proc/{process}/limits")
        await world.limit("n1", Limits())
        assert "/reprise_" not in lab.run(0, "cat", f"/proc/{process}/cgroup")
        await world.limit("n1", Limits(cpu_percent=50))

    async def statement() -> None:
        assert world.capabilities == CAPABILITIES["ssh"]
        await leader(world)
        await links()
        await limits()

    run(world, statement)
    dropped = {e.target: e.amount for e in world.trace() if isinstance(e, Fault) and e.amount}
    assert dropped["links"] > 0
    wait_until_nothing_is_held(lab, (0, 1, 2))


def test_a_killed_keeper_leaves_no_fault(tmp_path: Path) -> None:
    """With filters, a packet queue, a shaped device, a group and a mount in force, its guard takes them all away."""
    lab = ssh_lab.lab()
    world = ssh_lab.world(tmp_path / "run", CONFIG, power_disk=True)

    async def statement() -> None:
        await world.cut([("n1", "n2")])
        await world.degrade([("n1", "n3")], LinkFault(delay_ns=5 * MS, bandwidth_bps=1_000_000))
        await world.cut_clients(["n1"])
        await world.limit("n1", Limits(cpu_percent=50))
        kinds = " ".join(held(lab, 0))
        for word in ("_clients", "NFQUEUE", "7e57:", "/sys/fs/cgroup", "reprise-power", "guard"):
            assert word in kinds
        lab.run(0, "sh", "-c", "kill -9 $(pgrep -f worlds.ssh.keeper)")
        await world.sleep(20 * SECOND)

    with pytest.raises(WorldFailed, match=f"keeper on root@{lab.addresses[0]}:22 is lost"):
        run(world, statement)
    wait_until_nothing_is_held(lab, (0, 1, 2))


HARNESS = """
import sys
from pathlib import Path
import msgspec
from cluster.node.config import NodeConfig
from cluster.worlds.ssh.places import Reach
from cluster.worlds.ssh.world import SshOptions, SshWorld
from cluster.worlds.world import Limits, LinkFault

nodes = ("n1", "n2", "n3")
config = NodeConfig(name="", peers=nodes, inspection=True, crash_points=True)
options = SshOptions(reach=msgspec.json.decode(sys.argv[2], type=Reach), power_disk=True)
world = SshWorld(nodes, directory=Path(sys.argv[1]), config=config, options=options)

async def main():
    try:
        await world.up()
        await world.cut([("n1", "n2")])
        await world.degrade([("n1", "n3")], LinkFault(delay_ns=5_000_000, bandwidth_bps=1_000_000))
        await world.cut_clients(["n1"])
        await world.limit("n1", Limits(cpu_percent=50, memory_bytes=400_000_000))
        await world.pause("n3")
        print("broken", flush=True)
        await world.sleep(600_000_000_000)
    finally:
        await world.down()

world.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_harness_that_ends_in_the_middle_leaves_no_fault(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C or ``kill -9`` while every fault holds: soon the hosts hold nothing of ours, and no process is stopped for ever."""
    lab = ssh_lab.lab()
    reach = msgspec.json.encode(lab.reach()).decode()
    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(tmp_path / "run"), reach],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    assert harness.stdout is not None
    assert harness.stdout.readline() == b"broken\n"
    assert len(held(lab, 0)) > 5
    harness.send_signal(number)
    harness.wait()
    harness.stdout.close()

    wait_until_nothing_is_held(lab, (0, 1, 2))


def test_mounted_disks_lose_power_on_hosts(tmp_path: Path) -> None:
    """A disk that is a mount there is forgotten from the last sync on, fails on command, and comes here at the end."""
    lab = ssh_lab.lab()
    world = ssh_lab.world(tmp_path / "run", CONFIG, power_disk=True)

    async def statement() -> None:
        name = await leader(world)
        await world.disk_fault(name, DiskFault(kind="slow", extra_ns=MS))
        await world.power_loss(name)
        await world.disk_heal(name)
        await world.start(name)
        assert (await world.inspect(name))["node"] == name
        assert any("reprise-power" in line for line in held(lab, NODES.index(name)))

    run(world, statement)
    causes = [event.cause for event in world.trace() if isinstance(event, Stopped)]
    assert causes.count("power") == 1
    assert (tmp_path / "run/nodes/n1/data/g0").is_dir()
    wait_until_nothing_is_held(lab, (0, 1, 2))
