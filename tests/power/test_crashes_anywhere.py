"""Nodes die before any operation of their disk, in recovery and installation too, and nothing is lost.

Goal: no crash window hides between the named points. Method: disks under which a process dies, or its machine loses power, every
so many operations; what is down is started five times a second, with small snapshots so that followers need them; judged as
ever.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from crashing_disk import CrashingDisk

from cluster.worlds.sim import world as sim
from cluster.worlds.tape import Tape
from cluster.worlds.world import World
from harness.campaign.plan import make_plan
from harness.campaign.simulate import simulate_plan
from harness.client import Nemesis
from harness.operation import Operation
from harness.scenario import At, FaultEntry, Scenario

LOAD_S = 5.0
GAPS = (150, 400, 1200)
"""Operations between two deaths of a node, at most; a seed has one of these."""


class Calming:
    """A nemesis that lets the disks be when the healing begins."""

    def __init__(self, nemesis: Nemesis, disks: list[CrashingDisk]) -> None:
        self.fs = nemesis.fs
        self.setup = nemesis.setup
        self.undo = nemesis.undo
        self._nemesis = nemesis
        self._disks = disks

    async def invoke(self, world: World, operation: Operation) -> Operation:
        """Healing begins with ``resume``."""
        if operation.f == "resume":
            for disk in self._disks:
                disk.calm = True
        return await self._nemesis.invoke(world, operation)


def scenario(workload: str, seed: int) -> Scenario:
    """Starts of whatever is down, every fifth of a second."""
    moments = [number / 5 for number in range(1, int(LOAD_S * 5))]
    options: dict[str, Any] = {"snapshot_threshold": (3, 8, 16)[seed % 3]}
    if workload == "registry":
        options["poison"] = "none"
    return Scenario(
        workload=workload,
        seed=seed,
        nodes=(3, 5)[seed % 2],
        rate=40.0,
        time_limit_s=LOAD_S,
        options=options,
        faults=[FaultEntry(f="start", targets=["down"], when=At(time_s=at)) for at in moments],
    )


def crash(
    workload: str, seed: int, patch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], Counter[str]]:
    """Run one seed on such disks; returns its results, and before which operations nodes died."""
    tape = Tape(seed)
    plan = make_plan(scenario(workload, seed), tape)
    draw = tape.stream("disk.deaths").below
    disks: list[CrashingDisk] = []

    def make(**costs: int) -> CrashingDisk:
        disks.append(CrashingDisk(draw, GAPS[seed % len(GAPS)], **costs))
        return disks[-1]

    patch.setattr(sim, "SimDisk", make)
    node = msgspec.structs.replace(plan.node, snapshots_kept=1 + seed % 3)
    test = msgspec.structs.replace(plan.test, nemesis=Calming(plan.test.nemesis, disks))
    results = simulate_plan(msgspec.structs.replace(plan, node=node, test=test), tape).results
    return results, sum((disk.deaths for disk in disks), Counter())


@pytest.mark.parametrize("workload", ["registry", "register", "set"])
def test_a_few_deaths_at_any_operation_lose_nothing(workload, monkeypatch):
    """One seed of each workload, as a taste of what the slow test repeats."""
    results, deaths = crash(workload, 1, monkeypatch)

    assert results["valid"] is True, results["evidence"][:2]
    assert deaths.total() > 10


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["registry", "register", "set"])
def test_deaths_at_any_operation_lose_nothing(workload, monkeypatch):
    """Sixty seeds: none is convicted, most have proved something, and every kind of operation was a last one."""
    deaths: Counter[str] = Counter()
    facts: Counter[str] = Counter()
    passed = 0
    for seed in range(60):
        results, died = crash(workload, seed, monkeypatch)
        assert results["valid"] is not False, (seed, results["evidence"][:2])
        passed += results["valid"] is True
        deaths += died
        facts["installs"] += results["facts"]["installs"]
        facts["snapshots"] += results["facts"]["snapshots"]

    assert passed > 40
    assert set(deaths) == {
        "fsync", "fsync_dir", "mkdir", "open", "read", "rename", "rmdir", "truncate", "unlink", "write",
    }  # fmt: skip
    assert facts["installs"] > 50
    assert facts["snapshots"] > 500
