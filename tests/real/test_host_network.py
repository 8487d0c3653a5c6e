"""Faults of a real network, measured: cuts, loss, delay, doubles, order and bandwidth between network namespaces of our own.

Goal: what the kernel does is what was asked, nothing else suffers, and everything is undone, after a ``kill -9`` too.
Method: UDP packets between sockets in the namespaces; one network for the whole module, healed after each test.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise, permutations
from pathlib import Path

import pytest
from namespace_lab import CLIENT, NamespaceLab, run

from cluster.worlds.errors import WorldFailed
from cluster.worlds.host.network import HostNetwork, NodePlace
from cluster.worlds.host.repairs import ChangeLog, repair
from cluster.worlds.world import LinkFault

pytestmark = [pytest.mark.real, pytest.mark.slow]

MS = 1_000_000
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def lab(require: Callable[[str, str], str]) -> Iterator[NamespaceLab]:
    require("namespaces", "makes a network that can be broken")
    with NamespaceLab() as made:
        yield made


@pytest.fixture(scope="module")
def _network(lab: NamespaceLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostNetwork]:
    changes = ChangeLog(tmp_path_factory.mktemp("changes"), "run")
    made = HostNetwork(lab.places, label="test", namespace=lab.hub, changes=changes, seed=1)
    yield made
    made.close()
    changes.close()


@pytest.fixture
def network(_network: HostNetwork) -> Iterator[HostNetwork]:
    yield _network
    _network.heal()


def heard(lab: NamespaceLab) -> set[tuple[str, str]]:
    """The pairs of which the second hears the first."""
    pairs = permutations(lab.addresses, 2)
    return {(a, b) for a, b in pairs if lab.passes(a, b, packets=1, wait_s=0.05)}


def rules_of(lab: NamespaceLab) -> str:
    """Everything that could hold packets up in the lab."""
    inside = ("nsenter", f"--net={lab.hub}")
    text = run(*inside, "nft", "list", "tables", "bridge")
    text += "".join(
        line for line in run(*inside, "iptables-save").splitlines() if line.startswith("-A")
    )
    for place in lab.places.values():
        text += run("nsenter", f"--net={place.namespace}", "tc", "qdisc", "show", "dev", "eth0")
    return text


def test_a_cut_drops_one_direction_and_counts(lab: NamespaceLab, network: HostNetwork) -> None:
    """Only the cut direction is silent, the packets it swallowed are counted, and healing brings it back."""
    everybody = set(permutations(lab.addresses, 2))
    before = network.drops().cut.get(("n1", "n2"), 0)
    network.cut([("n1", "n2")])

    assert everybody - heard(lab) == {("n1", "n2")}
    assert network.drops().cut["n1", "n2"] - before == 1
    network.heal()
    assert heard(lab) == everybody


def test_clients_are_cut_off_apart_from_nodes(lab: NamespaceLab, network: HostNetwork) -> None:
    """A node shut off from clients still talks to the other nodes."""
    network.cut_clients(["n3"])

    assert set(permutations(lab.addresses, 2)) - heard(lab) == {("n3", CLIENT), (CLIENT, "n3")}
    assert network.drops().shut["n3"] >= 2


def test_an_open_connection_outlives_a_cut(lab: NamespaceLab, network: HostNetwork) -> None:
    """TCP sends again what a cut swallowed: after healing the same connection goes on."""
    with (
        lab.socket("n2", socket.SOCK_STREAM) as listener,
        lab.socket("n1", socket.SOCK_STREAM) as caller,
    ):
        listener.listen()
        caller.connect(listener.getsockname())
        network.cut([("n1", "n2")])
        caller.sendall(b"hello")
        accepted, _ = listener.accept()
        accepted.settimeout(5.0)
        network.heal()

        assert accepted.recv(16) == b"hello"
        accepted.close()


def test_loss_is_the_share_that_was_asked_for(lab: NamespaceLab, network: HostNetwork) -> None:
    """A third of 1500 packets is lost, within five standard deviations, and each is counted."""
    before = network.drops().loss.get(("n1", "n2"), 0)
    network.degrade([("n1", "n2")], LinkFault(loss=1 / 3))
    came = lab.passes("n1", "n2", packets=1500)

    assert 500 - 5 * 18.3 < 1500 - came < 500 + 5 * 18.3
    assert network.drops().loss["n1", "n2"] - before == 1500 - came
    assert lab.passes("n2", "n1", packets=100) == 100


def test_delay_holds_each_packet_as_long(lab: NamespaceLab, network: HostNetwork) -> None:
    """No packet is early, most are on time, and the way back is as fast as ever."""
    network.degrade([("n1", "n2")], LinkFault(delay_ns=30 * MS))
    late = sorted(seconds for _, seconds in lab.arrivals("n1", "n2", packets=40, wait_s=0.5))
    back = sorted(seconds for _, seconds in lab.arrivals("n2", "n1", packets=40, wait_s=0.2))

    assert len(late) == 40
    assert late[0] >= 0.030
    assert late[20] < 0.045
    assert back[20] < 0.015


def test_packets_are_lost_doubled_and_reordered(lab: NamespaceLab, network: HostNetwork) -> None:
    """Of 500 packets about a tenth is lost, a tenth comes twice, many overtake; the daemon counted the same."""
    before = network.packets()
    fault = LinkFault(delay_ns=5 * MS, jitter_ns=20 * MS, loss=0.1, duplication=0.1)
    network.degrade([("n1", "n2")], fault)
    came = [number for number, _ in lab.arrivals("n1", "n2", packets=500, wait_s=0.3)]
    counts = network.packets()

    assert 500 - len(set(came)) == counts.lost - before.lost
    assert len(came) - len(set(came)) == counts.doubled - before.doubled
    assert 20 <= counts.lost - before.lost <= 85
    assert 20 <= counts.doubled - before.doubled <= 85
    assert sum(first > second for first, second in pairwise(came)) > 50


def test_bandwidth_is_held_down_for_one_peer(lab: NamespaceLab, network: HostNetwork) -> None:
    """400 kB over a link of 16 Mbit/s take a fifth of a second; another peer gets them at once."""
    network.degrade([("n1", "n2")], LinkFault(bandwidth_bps=16_000_000))

    assert 0.15 < seconds_for(lab, "n1", "n2", 400_000) < 0.6
    assert seconds_for(lab, "n1", "n3", 400_000) < 0.1


def seconds_for(lab: NamespaceLab, source: str, target: str, count: int) -> float:
    """How long so many bytes take over TCP."""
    with (
        lab.socket(target, socket.SOCK_STREAM) as listener,
        lab.socket(source, socket.SOCK_STREAM) as sender,
    ):
        listener.listen()
        sender.connect(listener.getsockname())
        accepted, _ = listener.accept()
        began = time.monotonic()
        thread = threading.Thread(target=sender.sendall, args=(bytes(count),))
        thread.start()
        with accepted:
            while count > 0:
                count -= len(accepted.recv(1 << 16))
        thread.join()
        return time.monotonic() - began


def test_nothing_is_left_behind(lab: NamespaceLab, tmp_path: Path) -> None:
    """Whatever was in force, `close` takes table, rules, daemon and queues away."""
    before = rules_of(lab)
    changes = ChangeLog(tmp_path, "run")
    network = HostNetwork(lab.places, label="left", namespace=lab.hub, changes=changes, seed=1)
    network.cut([("n1", "n2")])
    network.degrade([("n2", "n3")], LinkFault(delay_ns=MS, bandwidth_bps=1_000_000))
    assert rules_of(lab) != before
    network.close()
    network.close()
    changes.close()

    assert rules_of(lab) == before
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from cluster.worlds.host.network import HostNetwork, NodePlace
from cluster.worlds.host.repairs import ChangeLog
from cluster.worlds.world import LinkFault
directory, hub, *words = sys.argv[1:]
places = {}
for word in words:
    name, address, namespace = word.split(",")
    places[name] = NodePlace(address=address, namespace=namespace)
changes = ChangeLog(Path(directory), "dead")
network = HostNetwork(places, label="dead", namespace=hub, changes=changes, seed=1)
network.cut([("n1", "n2")])
network.degrade([("n2", "n3")], LinkFault(delay_ns=3_600_000_000_000, bandwidth_bps=1_000_000))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_harness_left_is_repaired(lab: NamespaceLab, tmp_path: Path) -> None:
    """After a kill -9 the daemon is gone and traffic flows past it; the next start undoes the rest, and says so."""
    before = rules_of(lab)
    words = [f"{name},{place.address},{place.namespace}" for name, place in lab.places.items()]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), lab.hub, *words],
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert killed.returncode == -9
    assert rules_of(lab) != before
    assert lab.passes("n1", "n2") == 0
    deadline = time.monotonic() + 5
    while not lab.passes("n2", "n3"):
        assert time.monotonic() < deadline, "the daemon outlived its harness"

    undone = repair(tmp_path)

    assert [line.partition(":")[0] for line in undone] == [
        "queue eth0",
        "iptables-chain REPRISE-dead",
        "nft-table bridge reprise_dead",
    ]
    assert rules_of(lab) == before
    assert lab.passes("n1", "n2") == 3


def test_a_daemon_that_died_is_told_and_still_cleaned_up(lab: NamespaceLab, tmp_path: Path) -> None:
    """Traffic flows past a dead daemon, so the fault did not happen: the world fails, and everything is undone all the same."""
    before = rules_of(lab)
    changes = ChangeLog(tmp_path, "run")
    network = HostNetwork(lab.places, label="died", namespace=lab.hub, changes=changes, seed=1)
    network.cut([("n1", "n2")])
    network.degrade([("n2", "n3")], LinkFault(delay_ns=3600 * 1000 * MS, bandwidth_bps=1_000_000))
    daemon = network._queue._daemon
    assert daemon is not None
    daemon.kill()
    daemon.wait()

    assert lab.passes("n2", "n3") == 3
    with pytest.raises(WorldFailed, match="daemon ended"):
        network.close()
    assert rules_of(lab) == before


def test_no_device_of_our_own_is_ever_shaped(lab: NamespaceLab, tmp_path: Path) -> None:
    """A node that is down has no namespace: bandwidth waits until it comes back, and the machine's own device is left alone."""
    changes = ChangeLog(tmp_path, "run")
    places = {**lab.places, "n1": NodePlace(address="10.77.0.10", namespace="/proc/self/ns/net")}
    network = HostNetwork(places, label="own", namespace=lab.hub, changes=changes, seed=1)
    network.degrade([("n1", "n2")], LinkFault(bandwidth_bps=1_000_000))
    assert "7e57:" not in run("tc", "qdisc", "show")
    network.move("n1", lab.places["n1"])

    assert "htb 7e57:" in rules_of(lab)
    network.close()
    changes.close()
