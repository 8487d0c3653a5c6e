"""The scenarios of the specification on real processes: the same files, the same crash points, the same verdicts."""

from pathlib import Path

import pytest

from cluster.trace import Halted, HitPoint
from harness.campaign.execute import execute
from harness.cli.options import known
from harness.scenario import load_scenario
from harness.store import Store

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = [pytest.mark.real, pytest.mark.slow]


def run(name, store):
    text = (
        (EXAMPLES / f"{name}.toml")
        .read_text()
        .replace("workload =", 'world = "local"\nworkload =', 1)
    )
    folder = Store(store).create(name, "20260101T000000.000Z")
    finished = execute(load_scenario(text, known()), folder)
    assert finished.results["valid"] is True, finished.results["evidence"]
    return finished


def test_an_equal_epoch_replay_on_processes_changes_nothing(tmp_path):
    """A1': a process ends itself between effect and index, its files say so, and its replay is a no-op."""
    finished = run("a1-equal-epoch-replay", tmp_path)
    (hit,) = [event for event in finished.trace if type(event) is HitPoint]
    (dump,) = [op for op in finished.history if op.f == "dump" and op.value.get("disks")]
    assert list(dump.value["disks"]) == [hit.node]
    assert dump.value["disks"][hit.node]["groups"]["0"]["store"]["applied"] < hit.index


def test_a_rollback_on_processes_halts_every_replica_again(tmp_path):
    """A2': three processes end with 78 at one entry, three times each."""
    finished = run("a2-rollback-halts", tmp_path)
    halts = [event for event in finished.trace if type(event) is Halted]
    assert len(halts) >= 9
    assert len({event.index for event in halts}) == 1
