"""How a node process ends, and that nothing of it is left: ports, locks, processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

import cluster
from cluster.node.config import NodeConfig
from cluster.node.main import EXIT_CONFIG, EXIT_MISTAKE, EXIT_REFUSED, main
from cluster.node.process_config import ProcessConfig
from cluster.storage.real_disk import RealDisk
from cluster.worlds.errors import WorldFailed
from cluster.worlds.local.ports import HOST, HeldPorts
from cluster.worlds.local.world import LocalOptions, LocalWorld

pytestmark = [pytest.mark.real, pytest.mark.slow]

ROOT = Path(cluster.__file__).parent.parent
SUPPORT = ROOT / "tests" / "support"


class Place:
    """A one-node cluster's configuration on disk."""

    def __init__(self, directory: Path, **changes) -> None:
        self.ports = HeldPorts(("n1",))
        self.data = directory / "data"
        self.file = directory / "config.json"
        groups = changes.pop("groups", 1)
        config = ProcessConfig(
            node=NodeConfig(
                name="n1", peers=("n1",), groups=groups, election_timeout_ns=50_000_000
            ),
            cluster="lab",
            listen=self.ports.addresses["n1"],
            peers=self.ports.addresses,
            data=str(self.data),
            **changes,
        )
        self.file.write_bytes(msgspec.json.encode(config))

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "cluster.node.main", "--config", str(self.file)],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{SUPPORT}"},
        )

    def end(self) -> tuple[int, str]:
        """Start a node that will not live; its exit code and its last line."""
        process = self.start()
        _, stderr = process.communicate(timeout=10)
        return process.returncode, stderr.strip().rpartition("\n")[2]

    def stop_after_start(self) -> int:
        """Start a node, wait until it serves, ask it to stop; its exit code."""
        process = self.start()
        assert "serves on" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
        return process.returncode

    def nothing_is_left(self) -> bool:
        """Whether the port can be bound by a stranger and the lock be taken."""
        address = self.ports.addresses["n1"]
        self.ports.release()
        socket.create_server(address).close()
        RealDisk(self.data).lock("LOCK").release()
        return True


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def place(tmp_path):
    """Makes a place below `tmp_path`, once; its ports are given back."""
    places = []

    def make(**changes) -> Place:
        places.append(Place(tmp_path, **changes))
        return places[-1]

    yield make
    for made in places:
        made.ports.release()


def test_asked_to_stop_it_ends_with_0(place):
    """SIGTERM closes everything cleanly, also when the node is started on the same files again."""
    node = place()

    assert node.stop_after_start() == 0
    assert node.stop_after_start() == 0
    assert node.nothing_is_left()


def test_a_port_in_use_is_one_clear_line(place):
    """A taken port ends the node with 1 and says so; the lock is free again, so a retry gets the same answer."""
    node = place()
    node.ports.release()
    with socket.create_server(node.ports.addresses["n1"]):
        code, line = node.end()

        assert code == EXIT_REFUSED
        assert "address already in use" in line
        assert node.end() == (code, line)
    assert node.nothing_is_left()


def test_a_data_directory_in_use_is_one_clear_line(place):
    """A second process on the same directory is refused before it touches anything."""
    node = place()
    lock = RealDisk(node.data).lock("LOCK")
    code, line = node.end()
    lock.release()

    assert code == EXIT_REFUSED
    assert "LockHeld" in line
    assert node.nothing_is_left()


def test_a_failure_of_the_second_group_leaves_nothing_of_the_first(place, capfd):
    """With a damaged second group no port, lock or file stays taken, so a retry in the same process meets the same damage (B-S3)."""
    node = place(groups=2)
    assert node.stop_after_start() == 0
    segment = next((node.data / "g1" / "wal").iterdir())
    damaged = bytearray(segment.read_bytes())
    damaged[4] ^= 0xFF
    segment.write_bytes(damaged)

    code, line = node.end()
    assert code == EXIT_REFUSED
    assert "LogDamaged" in line

    descriptors = open_descriptors()
    for _ in range(2):
        assert main(["--config", str(node.file)]) == EXIT_REFUSED
        assert capfd.readouterr().err.strip() == line
    assert open_descriptors() == descriptors
    assert node.nothing_is_left()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parts": ("cluster.nowhere", "Parts")}, "cluster.nowhere"),
        ({"parts": ("cluster.machine.parts", "Parts", "x")}, "parts"),
    ],
)
def test_a_wrong_configuration_ends_with_2(place, changes, words):
    """A configuration that cannot be is refused before the disk is touched."""
    node = place(**changes)
    code, line = node.end()

    assert code == EXIT_CONFIG
    assert words in line
    assert not node.data.exists()


def test_a_missing_configuration_ends_with_2(tmp_path, capsys):
    """A file that is not there is named."""
    assert main(["--config", str(tmp_path / "nowhere.json")]) == EXIT_CONFIG
    assert "nowhere.json" in capsys.readouterr().err


def test_a_mistake_in_the_program_is_shown_whole(place):
    """An exception that nobody foresaw ends the node with 70 and its traceback."""
    node = place(parts=("broken_parts", "broken"))
    code, line = node.end()

    assert code == EXIT_MISTAKE
    assert line == "ZeroDivisionError: planted"


def test_a_node_whose_harness_is_gone_does_not_start(place):
    """A node that is started by somebody else than its harness ends at once."""
    node = place(parent=1)
    code, line = node.end()

    assert code == EXIT_REFUSED
    assert "is gone" in line


HARNESS = """
import sys
from pathlib import Path
from local_lab import Lab, SECOND, in_lab

async def scenario(lab):
    print(*(node.life.pid for node in lab._nodes.values()), flush=True)
    await lab.sleep(60 * SECOND)

in_lab(Lab(Path(sys.argv[1])), scenario)
"""


@pytest.fixture
def harness(tmp_path):
    """A harness in a process of its own with three nodes up: the process, and the nodes' ids."""
    process = subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{SUPPORT}", "TMPDIR": str(tmp_path)},
        start_new_session=True,
    )
    yield process, [int(word) for word in process.stdout.readline().split()]
    process.kill()
    process.communicate()


def gone(pids, seconds=5.0):
    """Whether all these processes are gone, waiting for the kernel a little."""
    end = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def test_a_killed_harness_leaves_no_process(tmp_path, harness):
    """Kill -9 of the harness ends its nodes, and the next start takes its list away."""
    process, pids = harness
    process.kill()
    process.wait()
    lists = tmp_path / f"reprise-{os.getuid()}"

    assert len(pids) == 3
    assert gone(pids)
    assert len(list(lists.iterdir())) == 1

    again = subprocess.run(
        [sys.executable, "-c", HARNESS.replace("60 * SECOND", "0"), str(tmp_path / "again")],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{SUPPORT}", "TMPDIR": str(tmp_path)},
        timeout=20,
        check=True,
    )
    assert again.returncode == 0
    assert list(lists.iterdir()) == []


def test_ctrl_c_takes_everything_down(tmp_path, harness):
    """Ctrl-C, which hits a whole process group, reaches the harness only; it stops its nodes cleanly."""
    process, pids = harness
    os.killpg(process.pid, signal.SIGINT)
    process.wait(10)
    log = (tmp_path / "run" / "nodes" / "n1" / "node.log").read_text()

    assert gone(pids, seconds=0.5)
    assert "Traceback" not in log
    assert list((tmp_path / f"reprise-{os.getuid()}").iterdir()) == []


def test_a_cluster_that_does_not_come_up_says_why(tmp_path):
    """`up` names the node and shows the tail of its log, and leaves no process."""
    options = LocalOptions(parts=("cluster.nowhere", "Parts"))
    world = LocalWorld(
        ("n1",), directory=tmp_path / "run", config=NodeConfig(name="", peers=()), options=options
    )

    async def up():
        await world.up()

    with pytest.raises(WorldFailed, match=r"(?s)n1 did not come up.*cluster\.nowhere"):
        world.run(up())

    assert not world.running("n1")
    with pytest.raises(WorldFailed, match="earlier run"):
        LocalWorld(
            ("n1",),
            directory=tmp_path / "run",
            config=NodeConfig(name="", peers=()),
            options=options,
        )


def test_the_port_of_a_node_that_is_down_is_held_and_refuses():
    """While a node is down nobody else gets its port, and connecting to it is refused at once."""
    ports = HeldPorts(("n1",))
    address = ports.addresses["n1"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=1)
    stranger = socket.socket()
    with pytest.raises(OSError, match="in use"):
        stranger.bind(address)
    stranger.close()
    with socket.create_server(address):
        socket.create_connection(address, timeout=1).close()
    ports.release()
    ports.release()

    assert address[0] == HOST
