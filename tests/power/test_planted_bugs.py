"""Planted bugs are convicted: each within twenty seeds of the default scenario, with evidence one can act on.

Goal: the harness is worth what it finds. Method: the same seeds with a bug's parts in the nodes; the verdict must
become invalid, by the invariant that the bug breaks, and one finding must name node, entry, crash point and both epochs.
That a bug changes nothing but the nodes is shown by its trace: equal to the clean run's until the bug first matters.
"""

import functools

import msgspec
import pytest

from cluster.bugs.catalogue import CATALOGUE
from cluster.trace import Applied, FalseClaim
from cluster.worlds.tape import Tape
from harness.campaign.plan import make_plan
from harness.campaign.simulate import simulate
from harness.scenario import Scenario

SEEDS = range(20)
NAMED = ("node", "group", "index", "crash_point", "epoch_entry", "epoch_row")

BROKEN = {
    "B-S1": {"I1"},
    "B-S1b": {"I2"},
    "B-S1c": {"I1"},
    "B-S6": {"I10"},
    "B-S7": {"I3"},
    "B-S10": {"I12"},
}
"""Bug -> the invariant whose finding must name node, entry, crash point and both epochs."""

ABOUT_NO_ROW = {"B-S8": {"I8"}, "B-S11": {"I11"}}
"""Bugs about entries or keys that have no one row, so their findings have no epochs."""

UNSEEN = {"B-S2"}
"""Bugs that no scenario shows: the store of a node is no part of one (a unit test constructs the node)."""


@functools.cache
def clean(seed):
    return simulate(Scenario(workload="registry", seed=seed))


@functools.cache
def first_conviction(bug="", compat=""):
    """(seed, results) of the first seed that is invalid."""
    for seed in SEEDS:
        scenario = Scenario(workload="registry", seed=seed, bug=bug, compat=compat)
        results = simulate(scenario).results
        if results["valid"] is False:
            return seed, results
    raise AssertionError(f"{bug or compat} was not found in {len(SEEDS)} seeds")


def complete_findings(results, invariants):
    return [
        finding
        for finding in results["evidence"]
        if finding["invariant"] in invariants and all(name in finding for name in NAMED)
    ]


def test_every_bug_of_the_catalogue_is_placed():
    """A new bug of the registry must be put into one of the tables above; those of raft have a test of their own."""
    of_the_registry = {bug for bug in CATALOGUE if bug.startswith("B-")}
    assert {*BROKEN, *ABOUT_NO_ROW} | UNSEEN == of_the_registry


@pytest.mark.slow
@pytest.mark.parametrize("bug", BROKEN)
def test_bugs_are_found_and_named(bug):
    """Within twenty seeds; the evidence names node, group, entry, crash point and both epochs."""
    _, results = first_conviction(bug)
    findings = complete_findings(results, BROKEN[bug])
    assert findings
    assert all(
        finding["node"] and finding["index"] and finding["epoch_entry"] >= 0 for finding in findings
    )


@pytest.mark.slow
@pytest.mark.parametrize("bug", ABOUT_NO_ROW)
def test_bugs_without_a_row_are_found(bug):
    """Within twenty seeds; the evidence names the entry."""
    _, results = first_conviction(bug)
    findings = [one for one in results["evidence"] if one["invariant"] in ABOUT_NO_ROW[bug]]
    assert findings
    assert all(finding["index"] and "crash_point" in finding for finding in findings)


@pytest.mark.slow
def test_the_original_behaviour_is_convicted():
    """HZ-1: without the index guard the replay of an older registration halts its replica, though nobody rolled back."""
    _, results = first_conviction(compat="original")
    (first, *_) = complete_findings(results, {"I9"})
    assert first["epoch_entry"] < first["epoch_row"]
    assert first["crash_point"]


@pytest.mark.slow
def test_the_original_behaviour_ends_in_a_restart_loop():
    """HZ-1 is no single halt: in one of twenty seeds at least a replica fails at the same entry three times in a row."""
    scenarios = [Scenario(workload="registry", seed=seed, compat="original") for seed in SEEDS]
    assert any(
        finding["invariant"] == "L4"
        for scenario in scenarios
        for finding in simulate(scenario).results["evidence"]
    )


@pytest.mark.slow
def test_a_missing_fsync_is_named_with_what_preceded_it():
    """B-S10: of a node that was struck before, the false claim is told once more, with the crash point."""
    _, results = first_conviction("B-S10")
    findings = complete_findings(results, {"I12"})
    assert any(finding["crash_point"] for finding in findings)
    assert all("not fsynced" in finding["missing"] for finding in findings)


@pytest.mark.parametrize("bug", CATALOGUE)
def test_a_bug_reaches_the_parts_of_a_node_and_nothing_else(bug):
    """The plan of a run with a bug differs from the clean one in the nodes' parts alone."""
    scenario = Scenario(workload="registry", seed=3)
    planted = msgspec.structs.replace(scenario, bug=bug)
    tapes = Tape(3), Tape(3)
    plans = make_plan(scenario, tapes[0]), make_plan(planted, tapes[1])
    assert plans[0].parts != plans[1].parts
    for name in ("node", "surroundings", "needs", "drawn"):
        assert getattr(plans[0], name) == getattr(plans[1], name)
    assert plans[0].test.options == plans[1].test.options
    assert tapes[0].draws() == tapes[1].draws()


@pytest.mark.slow
@pytest.mark.parametrize("bug", [bug for bug in CATALOGUE if bug.startswith("B-")])
def test_a_run_with_a_bug_is_the_clean_run_until_the_bug_matters(bug):
    """The traces are equal up to the first divergence, and that is a node's doing: an entry applied or a claim made."""
    seed = 0 if bug in UNSEEN else first_conviction(bug)[0]
    planted = simulate(Scenario(workload="registry", seed=seed, bug=bug))
    pairs = zip(clean(seed).trace, planted.trace, strict=False)
    differing = [(before, after) for before, after in pairs if before != after]
    if not differing:
        assert bug in UNSEEN
        assert planted.results["fingerprint"] == clean(seed).results["fingerprint"]
        return
    (_, first) = differing[0]
    assert type(first) in (Applied, FalseClaim)
    assert first.index > 0
