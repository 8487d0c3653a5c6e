"""The whole catalogue of seeded bugs, at power: each is convicted within its own budget of seeds, by a checker that must catch it.

Goal: a bug that is not found any more is a regression of the harness. Method: the search of ``reprise bugs score``, bug by bug; and
the same scenarios with nothing planted, which must convict nobody.
"""

from __future__ import annotations

import msgspec
import pytest

from cluster.bugs.catalogue import CATALOGUE, PENDING
from cluster.worlds.tape import Tape
from harness.campaign.plan import make_plan
from harness.campaign.score import look_for, scenario_of
from harness.campaign.simulate import simulate
from harness.checkers.raft_invariants import RaftInvariants
from harness.cli.options import known
from harness.scenario import check_names, check_values

SCORED = {bug_id: bug for bug_id, bug in CATALOGUE.items() if bug.way is not None}


def test_the_catalogue_is_as_large_as_it_says():
    """At least 55 bugs have a scenario, no id is both planted and pending, and every text is there."""
    assert len(SCORED) >= 55
    assert not {one.id for one in PENDING} & set(CATALOGUE)
    for bug in CATALOGUE.values():
        assert all((bug.title, bug.source, bug.shows)), bug.id
    assert all(one.title and one.source and one.waits_for for one in PENDING)


@pytest.mark.parametrize("bug_id", SCORED)
def test_every_scenario_can_be_run(bug_id):
    """Names, values, options and faults of each way are right, and the checkers that must catch the bug judge that run."""
    bug = SCORED[bug_id]
    scenario = scenario_of(bug, bug.way, 0)
    check_values(scenario)
    check_names(scenario, known())
    plan = make_plan(scenario, Tape(0))
    judges = {RaftInvariants.name, *(checker.name for checker in plan.test.checkers)}
    assert judges & set(bug.caught_by), bug_id


@pytest.mark.slow
@pytest.mark.parametrize("bug_id", SCORED)
def test_a_seeded_bug_is_found(bug_id):
    """Within its budget, by the right checker, with a finding in words."""
    found = look_for(bug_id, None)
    assert found.found, f"{bug_id} was not found in {found.seeds} seeds"
    assert found.what


@pytest.mark.slow
@pytest.mark.parametrize("bug_id", SCORED)
def test_the_scenario_convicts_nobody_without_its_bug(bug_id):
    """The seed that convicts the bug is not invalid when nothing is planted."""
    bug = SCORED[bug_id]
    scenario = scenario_of(bug, bug.way, look_for(bug_id, None).seed)
    clean = simulate(msgspec.structs.replace(scenario, bug="")).results
    assert clean["valid"] is not False, clean["evidence"][:1]
