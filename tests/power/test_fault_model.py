"""The rows of the fault model whose answer is not "survives": each has a scenario file, and each file its right verdict.

Goal: where the right answer is to refuse or to halt, exactly that happens, the rest of the cluster goes on, and what cannot be
seen from inside is said to be outside the model rather than passed. Method: the files in ``examples/fault-model/`` in
simulation, each for several seeds; those of real nodes and containers run in ``tests/real/test_fault_model_on_real_nodes.py``.
"""

from __future__ import annotations

import msgspec
import pytest
from appendix_a import FAULT_MODEL, fault_model

from cluster.trace import Started, Stopped
from harness.campaign.simulate import simulate

QUICK = range(2)
THOROUGH = range(100)


def check(name: str, seed: int) -> None:
    scenario, right = fault_model(name)
    finished = simulate(msgspec.structs.replace(scenario, seed=seed))
    results = finished.results
    assert str(results["valid"]).lower() == right, (seed, results["evidence"][:3])
    assert results["facts"]["lost_sync_writes"] == 0
    if right == "unknown":
        assert {found["invariant"] for found in results["evidence"]} == {"outside the fault model"}
    ends = [e for e in finished.trace if type(e) is Stopped and e.cause in ("error", "halt")]
    hit = {
        fault.target for fault in finished.trace if getattr(fault, "action", "").startswith("disk-")
    }
    assert {event.node for event in ends} <= hit


@pytest.mark.parametrize("name", FAULT_MODEL)
def test_every_row_of_the_fault_model_has_its_right_answer(name):
    """The verdict is the one that the file names, nothing acknowledged is lost, and only whoever was hit ends."""
    for seed in QUICK:
        check(name, seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULT_MODEL)
def test_every_row_of_the_fault_model_has_its_right_answer_a_hundred_times(name):
    """The same for a hundred seeds."""
    for seed in THOROUGH:
        check(name, seed)


def test_a_torn_tail_is_cut_once():
    """The start after the tear cuts it off; the next one finds a whole log."""
    scenario, _ = fault_model("torn-tail-is-repaired-once")
    starts = [e for e in simulate(scenario).trace if type(e) is Started and e.node == "n2"]
    assert [event.torn_bytes > 0 for event in starts] == [False, True, False]
