"""A failure goes from simulation to real processes and back: the same cause, by the order of things alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.campaign.runs import run_seed
from harness.cli import main
from harness.scenario import At, FaultEntry, Scenario
from harness.store import Store

pytestmark = [pytest.mark.real, pytest.mark.slow]

FAILING = Scenario(
    workload="append",
    nodes=2,
    concurrency=1,
    bug="R-B2",
    nemesis=["none"],
    time_limit_s=2.0,
    options={
        "durability": "data",
        "snapshot_threshold": 64,
        "loss_percent": 0,
        "exact_operations": [{"f": "txn", "at_s": 0.1, "value": [["append", 3, 34]]}],
    },
    faults=[
        FaultEntry(
            f="crash-point",
            when=At(time_s=0.1),
            value={
                "point": "eng.after_apply_before_set_applied",
                "action": "kill",
                "nth": 1,
                "opcode": 0,
                "target": "follower",
                "again": False,
                "order": ["n1", "n2"],
            },
        )
    ],
)


def test_there_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A double effect behind a crash point comes again on processes, and from their record again in simulation."""
    store = str(tmp_path)
    found = run_seed(FAILING, Store(tmp_path), "20260101T000000.000Z")

    assert (
        main(["replay", found["run"], "--world", "local", "--store", store, "--json", "--quiet"])
        == 0
    )
    there = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (there["again"], there["world"]) == (True, "local")
    assert "eng.after_apply_before_set_applied" in there["facts"]["crash_points_hit"]

    assert (
        main(
            [
                "search",
                "--like",
                there["run"],
                "--seeds",
                "20",
                "--store",
                store,
                "--json",
                "--quiet",
            ]
        )
        == 0
    )
    back = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (back["again"], back["world"]) == (True, "sim")
    assert back["cause"] == there["cause"]
