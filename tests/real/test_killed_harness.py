"""``kill -9`` of the harness in the middle of a run with every fault active: the next command repairs the machine, and says so.

Goal: no container, network, rule, queue, mount, process or file of the dead run outlives the next start, and its user reads what was
undone. Method: a harness in a process of its own breaks three containers in every way at once and is killed; then somebody runs
something else in containers.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import docker_lab
import pytest

import cluster

pytestmark = [pytest.mark.real, pytest.mark.slow]

ROOT = Path(cluster.__file__).parent.parent
MACHINE = ROOT / "benchmarks" / "soak_machine.py"

HARNESS = """
import sys
from pathlib import Path
import docker_lab
from cluster.node.config import NodeConfig
from cluster.worlds.world import DiskFault, Limits, LinkFault

nodes = ("n1", "n2", "n3")
config = NodeConfig(name="", peers=nodes, inspection=True, crash_points=True)
world = docker_lab.world(Path(sys.argv[1]), config, power_disk=True, wall_clocks=True)

async def main():
    await world.up()
    await world.limit("n1", Limits(cpu_percent=50, memory_bytes=400_000_000, open_files=300))
    await world.set_realtime("n1", 3_600_000_000_000, 0)
    await world.clock_rate("n2", 100_000)
    await world.disk_fault("n2", DiskFault(kind="slow", extra_ns=1_000_000))
    await world.limit_disk("n3", 1_000_000)
    await world.cut([("n1", "n2")])
    await world.degrade([("n2", "n3")], LinkFault(delay_ns=5_000_000, loss=0.1))
    await world.cut_clients(["n1"])
    await world.pause("n3")
    print("broken", flush=True)
    await world.sleep(60_000_000_000)

world.run(main())
"""


def machine():
    spec = importlib.util.spec_from_file_location("soak_machine", MACHINE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_next_command_undoes_what_a_killed_harness_left_and_says_it(tmp_path, require):
    """Afterwards the machine holds nothing that it did not hold before; every kind of thing undone is told in a line."""
    require("fuse", "mounts disks that lose power")
    docker_lab.image()
    soak = machine()
    before = soak.machine()
    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/tests/support"},
        start_new_session=True,
    )
    assert harness.stdout.readline() == "broken\n"
    harness.kill()
    harness.communicate()
    kinds = {thing.split(" ")[0] for thing in soak.machine() - before}
    assert kinds >= {"container", "file", "network", "nft"}

    words = [
        "run",
        "registry",
        "--world",
        "docker",
        "--nodes",
        "3",
        "--time-limit",
        "2",
        "--nemesis",
        "none",
    ]
    store = ["--store", str(tmp_path / "store"), "-o", "poison=none"]
    following = subprocess.run(
        [sys.executable, "-m", "harness.cli", *words, *store],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    told = following.stdout + following.stderr

    assert following.returncode == 0, told
    assert soak.left(before) == []
    for what in ("n1", "reprise-run-", "nft-table", "kernel-file", "folder "):
        assert what in told, told
