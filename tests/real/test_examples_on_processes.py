"""The scenarios of the specification on real processes and in containers: the same files, the same crash points, the same verdicts."""

from collections import Counter
from pathlib import Path

import docker_lab
import msgspec
import pytest
from appendix_a import VARIANTS, equal_epoch_replay

from cluster.trace import Halted, HitPoint
from harness.campaign.execute import execute
from harness.cli.options import known
from harness.scenario import load_scenario
from harness.store import Store

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = [pytest.mark.real, pytest.mark.slow]


MODES = ("every", "data", "snapshot")


def run(name, store, mode, world="local"):
    text = (
        (EXAMPLES / f"{name}.toml")
        .read_text()
        .replace("workload =", f'world = "{world}"\nworkload =', 1)
    )
    folder = Store(store).create(name, "20260101T000000.000Z")
    scenario = load_scenario(text, known())
    # A store that is rebuilt replays too, but its replays insert and advance: there are no no-ops to ask for.
    stimuli = {fact: least for fact, least in scenario.stimuli.items() if fact != "replayed_noops"}
    if name.startswith("a1"):
        stimuli["replayed_registrations"] = 1
    scenario = msgspec.structs.replace(
        scenario, options={**scenario.options, "durability": mode}, stimuli=stimuli
    )
    finished = execute(scenario, folder)
    assert finished.results["valid"] is True, finished.results["evidence"]
    return finished


@pytest.mark.parametrize("mode", MODES)
def test_an_equal_epoch_replay_on_processes_changes_nothing(tmp_path, mode):
    """A1': a process ends itself between effect and index, its files say so, and its replay is a no-op."""
    finished = run("a1-equal-epoch-replay", tmp_path, mode)
    (hit,) = [event for event in finished.trace if type(event) is HitPoint]
    (dump,) = [op for op in finished.history if op.f == "dump" and op.value.get("disks")]
    assert list(dump.value["disks"]) == [hit.node]
    assert dump.value["disks"][hit.node]["groups"]["0"]["store"]["applied"] < hit.index


@pytest.mark.parametrize("mode", MODES)
def test_a_rollback_on_processes_halts_every_replica_again(tmp_path, mode):
    """A2': three processes end with 78 at one entry, three times each."""
    finished = run("a2-rollback-halts", tmp_path, mode)
    halts = [event for event in finished.trace if type(event) is Halted]
    assert len(halts) >= 9
    assert len({event.index for event in halts}) == 1


@pytest.mark.parametrize(
    "name", ["a3-collision-less", "a3-collision-equal", "a3-collision-greater"]
)
def test_a_collision_on_processes_halts_every_replica_again(tmp_path, name):
    """A3': identity decides before any epoch, on processes as in simulation."""
    finished = run(name, tmp_path, "data")
    halts = [event for event in finished.trace if type(event) is Halted]
    assert {event.error_class for event in halts} == {"WriterUint16Collision"}
    assert len({event.index for event in halts}) == 1
    assert {event.node for event in halts} == {"n1", "n2", "n3"}


@pytest.mark.parametrize(
    "name", ["a1-equal-epoch-replay", "a2-rollback-halts", "a3-collision-less"]
)
def test_the_scenarios_hold_in_containers(tmp_path, name):
    """A1' to A3' in the world docker: the replay changes nothing, rollback and collision halt all three replicas again."""
    docker_lab.image()
    finished = run(name, tmp_path, "data", world="docker")
    halts = Counter(event.node for event in finished.trace if type(event) is Halted)
    again = {} if name.startswith("a1") else {"n1", "n2", "n3"}
    assert finished.results["world"] == "docker"
    assert {node for node, times in halts.items() if times >= 2} == set(again)


AGAIN_AND_EVERYBODY = [
    variant for variant in VARIANTS if variant[1] == "power" and (variant[2] == "all") != variant[3]
]
"""Of the 36 variants those that add most: the whole cluster, and the leader or a follower struck twice, by power."""


@pytest.mark.parametrize("variant", AGAIN_AND_EVERYBODY)
def test_a_variant_of_the_replay_on_processes_changes_nothing(tmp_path, variant):
    """A1' with every node struck, or one struck again while it replays: the same scenario, on processes."""
    scenario = msgspec.structs.replace(
        equal_epoch_replay(*variant), world="local", time_limit_s=9.0
    )
    folder = Store(tmp_path).create("a1", "20260101T000000.000Z")
    results = execute(scenario, folder).results
    assert results["valid"] is True, results["evidence"]
    assert results["facts"]["replayed_registrations"] >= 1
