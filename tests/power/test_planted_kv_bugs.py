"""Mistakes of the key-value store, at power: each is convicted by its workload, and the judge says which mistake it is.

Goal: the workloads on our own cluster are worth what they find. Method: twenty seeds of a short scenario with the bug's parts in the
nodes; among the findings of the judge that the workload is about must be one with the name of what such a bug does.
"""

from __future__ import annotations

import pytest

from cluster.bugs.catalogue import CATALOGUE
from harness.campaign.simulate import simulate
from harness.scenario import Scenario

SEEDS = 20
SHORT = {"time_limit_s": 6.0, "rate": 40.0}
MANY_CRASHES = {
    **SHORT,
    "nemesis": ["crash-replay"],
    "options": {"interval_s": 0.2, "read_percent": 30},
}
INSISTING = {**SHORT, "options": {"insists": True}}

FOUND = [
    ("K-1", "register", "linearizable", {"I32"}, SHORT),
    ("K-1", "append", "isolation", {"G-single-realtime"}, SHORT),
    ("K-2", "cas-register", "linearizable", {"I32"}, SHORT),
    ("K-2", "bank", "bank", {"wrong-total"}, SHORT),
    ("K-2", "lock", "fenced-lock", {"duplicated"}, SHORT),
    ("K-2", "lock", "linearizable", {"I32"}, SHORT),
    ("K-3", "wr", "isolation", {"G2-item"}, SHORT),
    ("K-3", "append", "isolation", {"G2-item"}, SHORT),
    ("K-4", "wr", "isolation", {"lost-update"}, SHORT),
    ("K-4", "append", "isolation", {"lost-update"}, SHORT),
    ("K-5", "long-fork", "long-fork", {"long-fork"}, {**SHORT, "rate": 60.0}),
    ("K-6", "append", "isolation", {"duplicate-elements"}, INSISTING),
    ("K-7", "bank", "bank", {"wrong-total"}, MANY_CRASHES),
    ("K-8", "counter", "counter", {"bounds"}, INSISTING),
    ("K-9", "set", "set", {"I22"}, SHORT),
    ("K-9", "append", "isolation", {"incompatible-order"}, SHORT),
    ("K-10", "lock", "fenced-lock", {"duplicated"}, SHORT),
    ("K-10", "bank", "bank", {"wrong-total"}, SHORT),
    ("K-11", "session", "session", {"read-your-writes", "monotonic-reads"}, SHORT),
    ("K-12", "queue", "total-queue", {"lost"}, SHORT),
    ("K-13", "queue", "linearizable", {"I32"}, SHORT),
]
"""Bug, workload, judge, what the judge may call it, scenario."""


def names_found(bug, workload, seed, checker, **scenario):
    """What `checker` calls its findings in one run with the bug; nothing where it convicts nobody."""
    results = simulate(Scenario(workload=workload, seed=seed, bug=bug, **scenario)).results
    if results["checkers"][checker]["valid"] is not False:
        return set()
    assert results["valid"] is False
    return {one["invariant"] for one in results["checkers"][checker]["evidence"]}


def test_every_bug_of_the_store_is_placed():
    """A new bug of the key-value store must be put into the table above."""
    assert {bug for bug in CATALOGUE if bug.startswith("K-")} == {row[0] for row in FOUND}


@pytest.mark.parametrize(
    ("bug", "workload", "checker", "name"),
    [
        ("K-1", "register", "linearizable", "I32"),
        ("K-9", "set", "set", "I22"),
        ("K-13", "queue", "linearizable", "I32"),
    ],
)
def test_a_coarse_mistake_is_named_at_once(bug, workload, checker, name):
    """Two seconds without any fault are enough for one of two seeds."""
    quiet = {"time_limit_s": 2.0, "rate": 60.0, "nemesis": ["none"], "nodes": 3}
    assert any(name in names_found(bug, workload, seed, checker, **quiet) for seed in (0, 1))


@pytest.mark.slow
@pytest.mark.parametrize(("bug", "workload", "checker", "names", "scenario"), FOUND)
def test_a_mistake_is_convicted_by_its_name(bug, workload, checker, names, scenario):
    """Within twenty seeds, by the judge of the workload."""
    for seed in range(SEEDS):
        if names & names_found(bug, workload, seed, checker, **scenario):
            return
    pytest.fail(f"{bug} was not found by {checker} of {workload} in {SEEDS} seeds")


@pytest.mark.slow
@pytest.mark.parametrize("workload", sorted({row[1] for row in FOUND}))
def test_the_same_seeds_are_valid_without_a_mistake(workload):
    """The scenarios above convict nobody who did nothing."""
    scenarios = [row[4] for row in FOUND if row[1] == workload]
    for seed, scenario in enumerate(scenarios * 2):
        found = simulate(Scenario(workload=workload, seed=seed, **scenario)).results
        assert found["valid"] is True, found["evidence"][:1]
