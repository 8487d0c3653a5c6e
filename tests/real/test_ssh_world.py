"""Nodes on hosts reached over SSH: who may do what there, what is refused before anything starts, and that nothing is left.

Method: three containers that run sshd stand for hosts; the harness knows nothing of them but addresses and keys.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import ssh_lab

import cluster
from cluster.node.config import NodeConfig
from cluster.node.requests import Request
from cluster.trace import Applied, Stopped
from cluster.worlds.errors import WorldFailed
from cluster.worlds.ssh import bundles, connection, site
from harness.cli import main
from nemesis.targets import leader_of

pytestmark = [pytest.mark.real, pytest.mark.slow]

MS = 1_000_000
SECOND = 1000 * MS
NODES = ("n1", "n2", "n3")
ROOT = Path(cluster.__file__).parent.parent
CONFIG = NodeConfig(
    name="",
    peers=NODES,
    election_timeout_ns=300 * MS,
    heartbeat_interval_ns=50 * MS,
    inspection=True,
    crash_points=True,
)


@pytest.fixture(scope="module")
def lab():
    return ssh_lab.lab()


def run(world, statement):
    async def whole():
        await world.up()
        try:
            await statement()
        finally:
            await world.down()

    world.run(whole())


async def leader(world, among=NODES):
    for _ in range(200):
        name = await leader_of(world)
        if name in among:
            return name
        await world.sleep(50 * MS)
    raise AssertionError("no leader")


def left(lab, host):
    """The keepers, nodes and tables of ours on a host."""
    processes = lab.run(host, "ps", "ax", "-o", "args").splitlines()
    tables = lab.run(host, "nft", "list", "tables").splitlines()
    return [line for line in processes if "cluster." in line] + [
        line for line in tables if "reprise" in line
    ]


def wait_until_nothing_is_left(lab, hosts=tuple(range(ssh_lab.COUNT))):
    deadline = time.monotonic() + 15
    while any(left(lab, host) for host in hosts):
        assert time.monotonic() < deadline, [left(lab, host) for host in hosts]
        time.sleep(0.1)


def test_clients_are_cut_off_and_ssh_and_peers_are_not(tmp_path, lab):
    """A node that no client reaches still follows its leader, and its host still obeys."""
    world = ssh_lab.world(tmp_path / "run", CONFIG)

    async def statement():
        assert "cut-clients" in world.capabilities
        await leader(world)
        await world.cut_clients(["n1"])
        reply = await world.connect("n1").call(Request("status", {}), 300 * MS)
        assert reply.status != "ok"
        await world.pause("n1")
        await world.resume("n1")
        await world.heal()
        assert (await world.connect("n1").call(Request("status", {}), 5 * SECOND)).status == "ok"

    run(world, statement)
    wait_until_nothing_is_left(lab)


def test_who_is_not_root_has_nodes_cut_their_own_links(tmp_path, lab):
    """Without the right to drop packets partitions still happen, power is still lost, and capabilities say what is missing."""
    world = ssh_lab.world(tmp_path / "run", CONFIG, reach=lab.reach(ssh_lab.PLAIN))

    async def statement():
        assert "cut-clients" not in world.capabilities
        old = await leader(world)
        others = [node for node in NODES if node != old]
        await world.cut([link for node in others for link in ((old, node), (node, old))])
        await world.kill(old)
        assert await leader(world, others) != old
        await world.power_loss(old)
        await world.heal()
        await world.start(old)
        with pytest.raises(WorldFailed, match="clients cannot be cut off"):
            await world.cut_clients(["n1"])

    run(world, statement)
    assert json.loads((tmp_path / "run/nodes/n1/config.json").read_text())["undo_log"]


def test_a_host_with_a_clock_of_its_own_is_put_into_one_order(tmp_path, monkeypatch):
    """Where clocks are not shared they are asked: times of nodes fit the run, and how sure that is is a fact."""
    monkeypatch.setattr(site, "boot", lambda: "another machine")
    world = ssh_lab.world(tmp_path / "run", CONFIG)

    async def statement():
        await leader(world)
        await world.kill("n1")
        await world.start("n1")
        while not ((state := await world.inspect("n1")) and state["applied"]):
            await world.sleep(20 * MS)

    run(world, statement)
    trace = world.trace()
    uncertainty_ns = world.facts()["clock_uncertainty_ns"]
    assert 0 < uncertainty_ns < 100 * MS
    assert all(-uncertainty_ns <= event.at_ns <= world.now_ns() for event in trace)
    assert next(event.node for event in trace if isinstance(event, Stopped)) == "n1"
    assert {event.node for event in trace if isinstance(event, Applied)} == set(NODES)


def test_a_keeper_that_is_killed_takes_its_node_and_its_faults_along(tmp_path, lab):
    """The run fails and names the host; its guard removes the cuts, and the next run what was left to be looked at."""
    world = ssh_lab.world(tmp_path / "run", CONFIG)

    async def statement():
        await world.cut([("n1", "n2")])
        assert any("table ip" in line for line in left(lab, 0))
        lab.run(0, "sh", "-c", "kill -9 $(pgrep -f worlds.ssh.keeper)")
        await world.sleep(20 * SECOND)

    with pytest.raises(WorldFailed, match=f"keeper on root@{lab.addresses[0]}:22 is lost"):
        run(world, statement)
    wait_until_nothing_is_left(lab)
    assert len(lab.run(0, "ls", "/root/.reprise/runs").split()) == 1

    async def nothing():
        pass

    run(ssh_lab.world(tmp_path / "again", CONFIG), nothing)
    wait_until_nothing_is_left(lab)
    assert lab.run(0, "ls", "/root/.reprise/runs") == ""


HARNESS = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from cluster.node.config import NodeConfig
from cluster.worlds.ssh.places import Reach
from cluster.worlds.ssh.world import SshOptions, SshWorld
import msgspec
reach = msgspec.json.decode(sys.argv[3], type=Reach)
config = NodeConfig(name="", peers=("n1", "n2", "n3"), crash_points=True)
world = SshWorld(config.peers, directory=Path(sys.argv[2]), config=config, options=SshOptions(reach=reach))
async def whole():
    await world.up()
    await world.cut([("n1", "n2")])
    print("up", flush=True)
    await world.sleep(600 * 10**9)
world.run(whole())
"""


def test_a_killed_harness_leaves_no_node(tmp_path, lab):
    """SIGKILL of the harness closes its connections: keepers end their nodes and undo what they did."""
    reach = msgspec.json.encode(lab.reach()).decode()
    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(ROOT), str(tmp_path / "run"), reach],
        stdout=subprocess.PIPE,
    )
    assert harness.stdout is not None
    assert harness.stdout.readline() == b"up\n"
    assert len(left(lab, 0)) >= 3
    os.kill(harness.pid, signal.SIGKILL)
    harness.wait()
    harness.stdout.close()

    wait_until_nothing_is_left(lab)


def refused(capsys, lab, *changes, hosts=None):
    """The one line with which a run on these hosts is refused."""
    reach = lab.reach()
    arguments = {
        "--hosts": ",".join(hosts or reach.hosts),
        "--ssh-key": reach.key,
        "--known-hosts": reach.known_hosts,
        **dict(changes),
    }
    words = [word for pair in arguments.items() for word in pair]
    assert main(["run", "register", "--world", "ssh", "--nodes", "3", *words]) == 254
    captured = capsys.readouterr()
    [line] = [line for line in captured.err.splitlines() if "reaching" not in line]
    return line


def test_what_cannot_work_is_refused_before_anything_starts(tmp_path, lab, capsys, monkeypatch):
    """A wrong key, an unknown or changed host key, a host that is not there, one too few: a line each, and what to do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(connection, "_GIVE_UP_S", 0.1)
    stranger = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    empty = tmp_path / "empty"
    empty.touch()
    other = tmp_path / "other"
    kind, key, *_ = stranger.with_suffix(".pub").read_text().split()
    other.write_text("".join(f"{address} {kind} {key}\n" for address in lab.addresses))
    first, second, third, _ = lab.reach().hosts

    assert "accepts no key of ours" in refused(capsys, lab, ("--ssh-key", str(stranger)))
    unknown = refused(capsys, lab, ("--known-hosts", str(empty)))
    assert "is not known: ssh-ed25519 SHA256:" in unknown
    assert f">>{empty}" in unknown
    assert "shows another host key" in refused(capsys, lab, ("--known-hosts", str(other)))
    away = refused(capsys, lab, hosts=[first, second, f"{third}:1"])
    assert "cannot be reached" in away
    assert "Connection refused" in away
    assert "need as many hosts" in refused(capsys, lab, hosts=[first, second])
    assert "are one host" in refused(
        capsys, lab, hosts=[first, second, second.replace("root", "plain")]
    )
    assert main(["run", "register", "--hosts", first]) == 254
    assert "say --world ssh too" in capsys.readouterr().err
    assert "is no host" in refused(capsys, lab, hosts=[first, second, "a b"])
    assert "only root" in refused(
        capsys, lab, ("--nemesis", "clients"), hosts=lab.reach(ssh_lab.PLAIN).hosts
    )
    monkeypatch.setattr(bundles, "_PYTHONS", ("python9",))
    assert "has no Python 3.11" in refused(capsys, lab)
    assert list(tmp_path.glob("store/*")) == []


def test_the_main_job_runs_on_hosts(tmp_path, lab, capsys):
    """`reprise run registry --world ssh` ends valid, keeps the disks, and says how to repeat it on the same hosts."""
    reach = lab.reach()
    store = tmp_path / "store"

    hosts = ",".join(reach.hosts[:3])

    words = f"run registry --world ssh --hosts {hosts} --ssh-key {reach.key}"
    words += f" --known-hosts {reach.known_hosts} --time-limit 4 --store {store} --json --quiet"
    status = main(words.split())

    results = json.loads(capsys.readouterr().out)
    assert (status, results["valid"], results["world"]) == (0, True, "ssh")
    assert results["facts"]["clock_uncertainty_ns"] == 0
    assert f"--hosts {hosts}" in results["command"]
    assert Path(results["report"]).exists()
    assert sorted(path.name for path in (store / "latest/nodes/n1").iterdir()) == [
        "config.json", "data", "node.log", "trace.jsonl"
    ]  # fmt: skip
