"""The specification's appendix A in containers: power losses at the durable writes (A4), seeded bugs, rows of the fault model.

A1' to A3' run in `test_examples_on_processes`; the long counts of everything are `benchmarks/soak.py`'s. A4 goes by the ledger: at
each point the power goes, the disk must hold what an oracle reads off the ledger, byte for byte, and the node must come back
with every acknowledged write.
"""

from __future__ import annotations

import signal

import docker_lab
import msgspec
import pytest
from appendix_a import fault_model

from cluster.encryption.identity import full_node_id
from cluster.node.config import NodeConfig
from cluster.node.crash_points import CATALOGUE, FAILURE_POINTS
from cluster.node.requests import CrashOrder, Request
from harness.campaign.execute import execute
from harness.checkers.ledger_promises import LedgerJudgement
from harness.scenario import Scenario
from harness.store import Store

pytestmark = [pytest.mark.real, pytest.mark.slow]

MS = 1_000_000
SECOND = 1000 * MS
POINTS = tuple(
    point
    for point in CATALOGUE
    if point.split(".")[0] in ("wal", "eng", "reg", "snap")
    and point not in FAILURE_POINTS
    and point != "eng.halt"
)
"""Every point of the durable writes of one node alone; those of a received snapshot need three, and are `soak.py points`'."""


@pytest.fixture(autouse=True)
def _needs(require):
    require("fuse", "mounts disks that lose power")
    docker_lab.image()


class Client:
    """Registers and writes until its one node is gone, and remembers what was acknowledged."""

    def __init__(self, world) -> None:
        self.world = world
        self.sequence = 0
        self.epoch = 0
        self.acknowledged = 0

    async def until(self, status: str) -> None:
        """Ask until a reply has this status: ``ok``, or ``unknown`` of a node that died over it."""
        while True:
            self.sequence += 1
            body = {"client": "c", "sequence": self.sequence, "op": "put", "key": "k"}
            put = Request("kv", {**body, "value": self.sequence})
            self.epoch += 1
            writer = {"dek_id": 1, "full_node_id": full_node_id("n1"), "local_epoch": self.epoch}
            for request in (put, Request("inspect.register", writer)):
                reply = await self.world.connect("n1").call(request, 5 * SECOND)
                if request is put and reply.status == "ok":
                    self.acknowledged = self.sequence
                if reply.status == status:
                    return
                if reply.status == "refused":
                    await self.world.sleep(20 * MS)

    async def check(self) -> None:
        """What the node shows is the last acknowledged value, or one that was asked for after it."""
        while True:
            reply = await self.world.connect("n1").call(Request("get", {"key": "k"}), 5 * SECOND)
            if reply.status == "ok":
                break
            await self.world.sleep(20 * MS)
        shown = reply.value["value"] or 0
        assert self.acknowledged <= shown <= self.sequence


def test_the_disk_holds_what_its_ledger_says_at_every_durable_write(tmp_path):
    """A4: power goes at each point; names and contents are those that were synced, and nothing acknowledged is lost."""
    config = NodeConfig(
        name="",
        peers=("n1",),
        election_timeout_ns=100 * MS,
        heartbeat_interval_ns=30 * MS,
        inspection=True,
        crash_points=True,
        snapshot_threshold=6,
    )
    world = docker_lab.world(tmp_path / "run", config, power_disk=True)
    client = Client(world)

    async def strike(point: str) -> None:
        await client.until("ok")
        await world.arm("n1", CrashOrder(point=point, action="power"))
        await client.until("unknown")
        assert await world.wait_exit("n1", 10 * SECOND) == -signal.SIGKILL
        ledger = world.ledger("n1")
        marks = [record.path for record in ledger if record.operation == "mark"]
        assert marks[-1] == point
        await world.start("n1")
        await client.check()

    async def main() -> None:
        try:
            await world.up()
            for point in POINTS:
                await strike(point)
        finally:
            await world.down()

    world.run(main())
    judgement = LedgerJudgement("durability")
    judgement.read("n1", world.ledgers()["n1"])

    assert judgement.differences == []
    assert judgement.broken == []
    assert (judgement.images, judgement.not_compared) == (len(POINTS), 0)
    assert judgement.promises > len(POINTS)


def test_a_missing_fsync_is_convicted_in_containers(tmp_path):
    """B-S10: nothing need be lost, for the ledger of the disk shows the claim to be false; the other bugs are `soak.py bugs`."""
    scenario = Scenario(
        workload="registry",
        world="docker",
        nodes=3,
        rate=30.0,
        time_limit_s=5.0,
        nemesis=["none"],
        bug="B-S10",
        options={"disk": "mounted", "durability": "data", "poison": "none", "put_percent": 5},
    )
    results = execute(scenario, Store(tmp_path).create("bug", "20260101T000000.000Z")).results

    assert results["valid"] is False
    assert {found["invariant"] for found in results["evidence"]} == {"I12"}
    assert "not fsynced" in results["evidence"][0]["missing"]
    found = results["checkers"]["durability"]["evidence"]
    by_ledger = {one["crash_point"]: one for one in found if "record" in one["what"]}
    assert "g0/store/db-wal: bytes" in by_ledger["reg.after_set"]["missing"]


def test_a_disk_that_forgot_is_refused_in_containers(tmp_path):
    """A stale copy of a whole disk, put back under a follower: the node finds out and refuses, the cluster goes on."""
    scenario, right = fault_model("stale-disk-is-refused")
    scenario = msgspec.structs.replace(scenario, world="docker")
    results = execute(scenario, Store(tmp_path).create("row", "20260101T000000.000Z")).results

    assert str(results["valid"]).lower() == right, results["evidence"]
