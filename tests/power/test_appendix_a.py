"""The specification's own scenarios (appendix A, registration stage), in all their variants and many times over.

Goal: what the seed promises holds wherever a node is struck between the effect of a registration and its applied index:
the replay changes nothing, a rollback and an identity collision halt every replica for good, and no race lets either
through the leader's check. Method: the files in ``examples/`` with their faults varied; beside the verdict, every
promise is read off trace, history and disks here once more.
"""

import msgspec
import pytest
from appendix_a import VARIANTS, check_equal_epoch_replay, equal_epoch_replay, events, example

from cluster.encryption.registry_rows import decode_row
from cluster.trace import Applied, Halted, Stopped
from harness.campaign.simulate import simulate

QUICK = range(2)
THOROUGH = range(100)


def run(scenario, seed):
    finished = simulate(msgspec.structs.replace(scenario, seed=seed))
    assert finished.results["valid"] is True, (seed, finished.results["evidence"])
    return finished


def check_seeds(variant, seeds):
    scenario = equal_epoch_replay(*variant)
    for seed in seeds:
        check_equal_epoch_replay(run(scenario, seed), variant)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_equal_epoch_replays_change_nothing(variant):
    """A1': struck after the effect and before the applied index, a node replays the registration as a no-op."""
    check_seeds(variant, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_equal_epoch_replays_change_nothing_a_hundred_times(variant):
    """A1' holds for a hundred seeds of each variant."""
    check_seeds(variant, THOROUGH)


def check_halts(finished, error_class):
    """Every replica halts at one index with exit code 78, at each of three lives, and leaves the row as it was."""
    halts = events(finished, Halted)
    (index,) = {event.index for event in halts}
    assert {event.error_class for event in halts} == {error_class}
    for node in ("n1", "n2", "n3"):
        exits = [
            e.exit_code for e in events(finished, Stopped) if e.node == node and e.cause == "halt"
        ]
        assert exits[:3] == [78, 78, 78]
    refused = [e for e in events(finished, Applied) if e.index == index]
    (row,) = {event.row_before for event in refused}
    assert decode_row(row).last_seen_epoch == 5
    assert all(e.decision == "halt" and e.row_after == row and not e.row_writes for e in refused)
    assert max(event.index for event in events(finished, Applied)) == index


def check_refusals(finished, count):
    """The front door refused what would have halted: definitely, and nothing of it was committed."""
    asked = [op for op in finished.history if op.f == "register" and op.type != "invoke"]
    refused = [op for op in asked if "FailedPrecondition" in op.error]
    assert [op.type for op in refused] == ["fail"] * count
    for op in refused:
        wanted = (op.value["dek_id"], op.value["full_node_id"], op.value["epoch"])
        committed = {
            e.index
            for e in events(finished, Applied)
            if (e.dek_id, e.full_node_id, e.epoch_entry) == wanted
        }
        assert committed <= {op.value["index"] for op in asked if op.type == "ok"}


HALTING = {
    "a2-rollback-halts": ("LocalEpochRollback", 1),
    "a3-collision-less": ("WriterUint16Collision", 3),
    "a3-collision-equal": ("WriterUint16Collision", 3),
    "a3-collision-greater": ("WriterUint16Collision", 3),
}


@pytest.mark.parametrize("name", HALTING)
def test_rollbacks_and_collisions_halt_everybody(name):
    """A2', A3': the entry past the check halts each replica, at every start; the check itself lets none through."""
    error_class, refusals = HALTING[name]
    for seed in QUICK:
        finished = run(example(name), seed)
        check_halts(finished, error_class)
        check_refusals(finished, refusals)


@pytest.mark.slow
@pytest.mark.parametrize("name", HALTING)
def test_rollbacks_and_collisions_halt_everybody_a_hundred_times(name):
    """A2' and A3' hold for a hundred seeds."""
    error_class, refusals = HALTING[name]
    for seed in THOROUGH:
        finished = run(example(name), seed)
        check_halts(finished, error_class)
        check_refusals(finished, refusals)


def check_concurrent_registrations(time_limit_s, seeds):
    base = example("concurrent-registrations")
    # A run shorter than the file's may draw faults that spare its leader.
    stimuli = {"concurrent_registrations": base.stimuli["concurrent_registrations"]}
    scenario = msgspec.structs.replace(base, time_limit_s=time_limit_s, stimuli=stimuli)
    changed = 0
    for seed in seeds:
        finished = run(scenario, seed)
        facts = finished.results["facts"]
        changed += facts["leader_changes"] > 0
        assert facts["halts"] == 0
    assert changed >= 0.9 * len(seeds)


@pytest.mark.slow
def test_concurrent_registrations_halt_nothing():
    """Many clients register one writer while leaders change, over a hundred seeds: no replica ever halts."""
    check_concurrent_registrations(6.0, THOROUGH)


def test_a_few_concurrent_registrations_halt_nothing():
    """As above, once: what the slow test repeats."""
    check_concurrent_registrations(4.0, [1])


@pytest.mark.parametrize("name", ["a1-equal-epoch-replay", "a1-all-nodes-twice"])
def test_the_example_files_are_valid_runs(name):
    """What stands in examples/ and is not run above ends valid, too."""
    run(example(name), 0)


@pytest.mark.slow
def test_the_snapshot_window_is_crossed_at_every_point():
    """A5: power lost at each point of a snapshot, on a follower and on the leader; all replicas agree, snapshots included."""
    finished = run(example("a5-snapshot-window"), 1)
    registered = sum(op.f == "register" and op.type == "ok" for op in finished.history)
    written = sum(op.f == "write" and op.type == "ok" for op in finished.history)
    assert 0.65 <= registered / (registered + written) <= 0.75
    assert finished.results["facts"]["snapshot_hashes_compared"] > 100
