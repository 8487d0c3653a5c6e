"""Stories of membership in simulation: what each does, whom it means, what it will not do, and that lies are found."""

import msgspec
import pytest

from cluster.machine.parts import Parts
from cluster.raft.core import Raft
from cluster.raft.quorum import majority_value
from cluster.trace import Installed, Reconfigured
from cluster.worlds.tape import Tape
from harness.campaign.plan import make_plan
from harness.campaign.simulate import simulate, simulate_plan
from harness.errors import UserMistake
from harness.operation import NEMESIS
from harness.scenario import At, FaultEntry, Scenario


def fault(f, *targets, after_s, **value):
    return FaultEntry(f=f, targets=[*targets], value=value, when=At(time_s=after_s))


def calm(*faults, nodes=3, seed=1, **options):
    options = {"loss_percent": 0, "duplication_percent": 0, "keys": 1, **options}
    return Scenario(
        workload="register",
        seed=seed,
        nodes=nodes,
        time_limit_s=4.0,
        options=options,
        faults=[*faults],
    )


def finished(*faults, **about):
    done = simulate(calm(*faults, **about))
    assert done.results["facts"]["harness_errors"] == 0
    assert done.results["valid"] is True, done.results["evidence"]
    return done


def told(done, f):
    """What the completions of an operation say: (nodes, outcome)."""
    operations = [op for op in done.history if op.process == NEMESIS and op.f == f]
    return [(op.value["nodes"], op.value["outcome"]) for op in operations[1::2]]


def test_a_node_joins_by_snapshot_and_leads():
    """A spare that finds the log compacted gets a snapshot, is promoted, and can be given leadership."""
    done = finished(
        fault("join", "n4", after_s=1.5),
        fault("transfer", "n4", after_s=3.0),
        snapshot_threshold=8,
        log_entries_kept=0,
    )
    facts = done.results["facts"]
    assert told(done, "join") == [(["n4"], "ok")]
    assert told(done, "transfer") == [(["n4"], "ok")]
    assert facts["membership_changes"] == 2
    assert facts["joins_by_snapshot"] == facts["leader_transfers"] == 1
    assert [event.node for event in done.trace if isinstance(event, Installed)] == ["n4"]


def test_every_step_by_itself():
    """A learner is added, promoted, and a voter removed: three changes, each told with its outcome."""
    done = finished(
        fault("add-learner", "n4", after_s=1.0),
        fault("promote", "n4", after_s=1.5),
        fault("remove", "leader", after_s=2.0, kill=True),
    )
    assert told(done, "add-learner") == told(done, "promote") == [(["n4"], "ok")]
    ((removed,), outcome) = told(done, "remove")[0]
    assert outcome == "ok"
    assert done.results["facts"]["membership_changes"] == 3
    assert removed in ("n1", "n2", "n3")


def test_a_replacement_goes_through_a_joint_configuration():
    """One step brings a newcomer in and takes a voter out, so there is a time of two halves."""
    done = finished(fault("replace", "n2", after_s=1.0))
    assert told(done, "replace") == [(["n4"], "ok")]
    halves = {
        (event.voters, event.outgoing)
        for event in done.trace
        if isinstance(event, Reconfigured) and event.outgoing
    }
    assert halves == {(("n1", "n3", "n4"), ("n1", "n2", "n3"))}


def test_what_the_cluster_cannot_spare_stays():
    """Nothing is removed below three voters, and a spare is used once."""
    done = finished(
        fault("remove", "n1", after_s=1.0),
        fault("join", "n4", after_s=1.5),
        fault("join", "n4", after_s=2.5),
    )
    assert told(done, "remove") == [([], "skipped: 2 voters would be left, 2 of them running")]
    assert told(done, "join") == [(["n4"], "ok"), ([], "skipped: no spare node is left")]


def test_a_learner_that_is_left_is_settled_at_the_end():
    """The end of a run leaves nobody half way: the learner has become a voter."""
    done = finished(fault("add-learner", "n4", after_s=3.5))
    assert done.results["facts"]["membership_changes"] == 2


def test_words_for_targets_mean_members():
    """Who has left, or waits to be added, is struck by no word."""
    done = finished(
        fault("join", "n4", after_s=1.0),
        fault("remove", "n1", after_s=2.0),
        fault("kill", "all", after_s=2.5),
        fault("start", after_s=3.0),
    )
    (killed,) = [op.value["nodes"] for op in done.history if op.f == "kill" and "nodes" in op.value]
    assert sorted(killed) == ["n2", "n3", "n4"]


def test_spares_are_named_before_a_run_starts():
    """A node that is neither a member nor a spare is refused; how many spares there are may be said."""
    with pytest.raises(UserMistake, match="'n9' is unknown"):
        simulate(calm(fault("join", "n9", after_s=1.0)))
    with pytest.raises(UserMistake, match="'n4' is unknown"):
        simulate(calm(fault("join", "n4", after_s=1.0), spares=0))


class CountsLearners(Raft):
    """R-E4: a copy on a learner counts for a commit."""

    def _quorum_commit_index(self):
        matches = [progress.match for progress in self._progress.values()]
        return majority_value([*matches, self.log.stable])


def convicted(peer, *faults, seeds):
    """The promises that a run with this peer breaks, for the first of some seeds that breaks any."""
    for seed in range(seeds):
        tape = Tape(seed)
        plan = make_plan(calm(*faults, seed=seed, election_timeout_ms=800), tape)
        plan = msgspec.structs.replace(plan, parts=Parts(raft=peer))
        results = simulate_plan(plan, tape).results
        if results["valid"] is False:
            return [
                found["invariant"] for found in results["evidence"] if found["checker"] == "raft"
            ]
    return []


def test_counting_learners_is_convicted():
    """With two learners and one voter at hand, a leader that counts them commits what no quorum holds."""
    faults = (
        fault("add-learner", "n4", after_s=1.0),
        fault("add-learner", "n5", after_s=1.3),
        fault("kill", "n2", "n3", after_s=1.8),
        fault("start", "n2", "n3", after_s=3.0),
    )
    assert "commit by quorum" in convicted(CountsLearners, *faults, seeds=8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workload", "names"),
    [
        ("registry", ["crash-replay", "membership"]),
        ("register", ["membership", "partition", "kill"]),
    ],
)
def test_random_changes_break_no_promise(workload, names):
    """A dozen seeds of each mix are valid, and together they saw all kinds of changes."""
    facts = {"membership_changes": 0, "leader_transfers": 0, "joins_by_snapshot": 0}
    for seed in range(12):
        results = simulate(Scenario(workload=workload, seed=seed, nemesis=names)).results
        assert results["valid"] is True, (seed, results["evidence"])
        facts = {name: count + results["facts"][name] for name, count in facts.items()}
    assert min(facts.values()) > 0, facts
