"""Nodes whose disks are mounts that lose power by themselves: the same promises, kept by a disk that no node can cheat."""

from __future__ import annotations

import signal

import pytest
from local_lab import MS, NODES, SECOND, Lab, in_lab

from cluster.node.requests import CrashOrder
from cluster.trace import FalseClaim, Stopped
from cluster.worlds.local.world import LocalOptions
from cluster.worlds.world import DiskFault

pytestmark = [pytest.mark.real, pytest.mark.slow]

ALONE = {"nodes": ("n1",), "election_timeout_ns": 50 * MS, "heartbeat_interval_ns": 10 * MS}


class MountedLab(Lab):
    """A lab whose nodes have mounted disks."""

    options = LocalOptions(power_disk=True)


class CheatingLab(Lab):
    """The same with nodes that claim a row durable without having synced it."""

    options = LocalOptions(power_disk=True, parts=("cluster.bugs.catalogue", "parts_with", "B-S10"))


@pytest.fixture(autouse=True)
def _fuse(require):
    require("fuse", "lets any program lose its power")


def test_nodes_keep_what_they_acknowledged(tmp_path):
    """After all nodes lost power, every acknowledged put is there; the run folder holds the disks like any other."""

    async def scenario(lab: Lab) -> None:
        leader = await lab.leader()
        for number in range(20):
            assert (await lab.put(leader, f"k{number}", number)).status == "ok"
        for node in NODES:
            await lab.power_loss(node)
        for node in NODES:
            await lab.start(node)
        for number in range(20):
            assert await lab.get(f"k{number}") == number

    lab = MountedLab(tmp_path / "run")
    in_lab(lab, scenario)
    causes = [event.cause for event in lab.trace() if isinstance(event, Stopped)]

    assert causes.count("power") == len(NODES)
    assert {"power", "disk-faults"} <= lab.capabilities
    assert [event for event in lab.trace() if isinstance(event, FalseClaim)] == []
    for node in NODES:
        folder = tmp_path / "run" / "nodes" / node
        assert sorted(path.name for path in folder.iterdir()) == [
            "config.json", "data", "ledger.jsonl", "node.log", "trace.jsonl",
        ]  # fmt: skip
        assert (folder / "data" / "LOCK").exists()


@pytest.mark.parametrize(
    ("point", "survives"),
    [("wal.after_write_before_fsync", False), ("wal.after_fsync", True)],
)
def test_power_goes_exactly_at_the_crash_point(tmp_path, point, survives):
    """The entry in hand is lost one step before its fsync and kept one step behind it; nothing follows in the ledger."""
    found = {}

    async def scenario(lab: Lab) -> None:
        assert (await lab.put(await lab.leader(), "a", 1)).status == "ok"
        before = (await lab.inspect("n1"))["last_index"]
        await lab.arm("n1", CrashOrder(point=point, action="power"))
        assert (await lab.put("n1", "a", 2)).status == "unknown"
        assert await lab.wait_exit("n1", 5 * SECOND) == -signal.SIGKILL
        found["ledger"] = lab.ledger("n1")
        log = (await lab.disk_dump("n1"))["groups"]["0"]["log"]
        assert (log["entries"][-1][0] > before) == survives, log
        await lab.start("n1")
        assert await lab.get("a") == (2 if survives else 1)

    in_lab(MountedLab(tmp_path / "run", **ALONE), scenario)
    last = [(record.operation, record.path) for record in found["ledger"][-2:]]
    marks = [record.path for record in found["ledger"] if record.operation == "mark"]
    synced = [
        r.sequence for r in found["ledger"] if r.operation == "fsync" and r.path.endswith(".wal")
    ]
    written = [
        r.sequence for r in found["ledger"] if r.operation == "write" and r.path.endswith(".wal")
    ]

    assert last == [("mark", point), ("power_off", "")]
    assert marks[-1] == point
    assert (synced[-1] > written[-1]) == survives


def test_a_claim_over_unsynced_bytes_is_seen_through_the_mount(tmp_path):
    """A node that claims a row durable without a sync is convicted by the disk itself."""

    async def scenario(lab: Lab) -> None:
        assert (await lab.register(await lab.leader(), 7)).status == "ok"

    lab = CheatingLab(tmp_path / "run", **ALONE)
    in_lab(lab, scenario)
    claims = [event for event in lab.trace() if isinstance(event, FalseClaim)]

    assert claims != []
    assert "not fsynced" in claims[0].missing


def test_a_failed_fsync_ends_the_node(tmp_path):
    """EIO on command: the node stops serving; after heal and power loss it comes back with what was acknowledged."""

    async def scenario(lab: Lab) -> None:
        assert (await lab.put(await lab.leader(), "a", 1)).status == "ok"
        await lab.disk_fault("n1", DiskFault(kind="eio", path="g0/wal"))
        assert (await lab.put("n1", "a", 2)).status != "ok"
        assert await lab.wait_exit("n1", 5 * SECOND) == 1
        await lab.disk_heal("n1")
        await lab.power_loss("n1")
        await lab.start("n1")
        assert await lab.get("a") == 1

    in_lab(MountedLab(tmp_path / "run", **ALONE), scenario)


def test_a_node_whose_disk_is_too_small_ends_and_comes_back_with_room(tmp_path):
    """No byte more than there is: the node ends, the others go on, and with room again it holds what they acknowledged."""

    async def scenario(lab: Lab) -> None:
        assert (await lab.put(await lab.leader(), "a", 0)).status == "ok"
        disk = tmp_path / "run" / "nodes" / "n1" / "data"
        used = sum(path.stat().st_size for path in disk.rglob("*") if path.is_file())
        await lab.limit_disk("n1", used + 100)
        number = 0
        while lab.running("n1"):
            number += 1
            await lab.put(await lab.leader(), "a", number)
        assert lab._nodes["n1"].exit_code in (1, 78)  # the log ends the node, the store halts it
        for _ in range(100):  # who led may be the one that ended, and an election takes its time
            if (await lab.put(await lab.leader(), "a", -1)).status == "ok":
                break
            await lab.sleep(100_000_000)
        await lab.limit_disk("n1", 0)
        await lab.start("n1")
        assert lab.running("n1")
        assert await lab.get("a") == -1

    in_lab(MountedLab(tmp_path / "run"), scenario)
