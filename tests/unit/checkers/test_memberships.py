"""What judges know of configurations: who counted at an entry, and what a leader may commit."""

from checker_traces import TraceBuilder, invariants

from cluster.trace import Installed, Reconfigured, Started, Transferred
from harness.checkers.crash_facts import CrashFacts
from harness.checkers.durability import Durability
from harness.checkers.memberships import Members, members_at
from harness.checkers.raft_invariants import RaftChecker
from harness.checkers.registry_model import RegistryModel

FIVE = ("n1", "n2", "n3", "n4", "n5")


def configure(builder, node, index, voters, *, outgoing=(), learners=(), applied=False):
    builder.emit(
        Reconfigured,
        node,
        index=index,
        voters=voters,
        outgoing=outgoing,
        learners=learners,
        applied=applied,
    )


def test_a_quorum_of_a_joint_configuration_is_one_of_both_halves():
    """Two of three new voters are not enough while the old ones have not agreed."""
    joint = Members(3, ("n1", "n2", "n4"), ("n1", "n2", "n3"))
    assert joint.has(["n1", "n2"])
    assert not joint.has(["n1", "n4"])
    assert not joint.has(["n2", "n3"])


def test_the_configuration_at_an_entry():
    """The newest applied one that is not later counts; a trace without any makes every node a voter."""
    builder = TraceBuilder(FIVE)
    assert members_at(builder.events, 0, 9, FIVE).voters == FIVE
    builder = TraceBuilder(FIVE)
    configure(builder, "n1", 0, ("n1", "n2", "n3"))
    configure(builder, "n1", 4, ("n1", "n2"))
    configure(builder, "n1", 5, ("n1", "n3"), applied=True)
    voters = [members_at(builder.events, 0, index, FIVE).voters for index in (0, 4, 5, 9)]
    assert voters == [("n1", "n2", "n3"), ("n1", "n2", "n3"), ("n1", "n3"), ("n1", "n3")]


def leading(voters, **others):
    """n1 leads five nodes by a configuration, and alone writes the next entry durably."""
    builder = TraceBuilder(FIVE)
    configure(builder, "n1", 0, voters, **others)
    builder.log.append((2, 1, b"x"))
    builder.append("n1", builder.log[-1])
    return builder


def test_a_leader_that_commits_by_its_quorum_is_valid():
    """Copies of voters count, those of the others do not matter."""
    builder = leading(("n1", "n2", "n3"), learners=("n4", "n5"))
    builder.append("n2", builder.log[-1])
    builder.commit("n1", 2)
    assert RaftChecker().check(builder.run()).valid is True


def test_a_leader_that_counts_learners_is_convicted():
    """Two learners and itself are three of five nodes and one of three voters."""
    builder = leading(("n1", "n2", "n3"), learners=("n4", "n5"))
    builder.append("n4", builder.log[-1])
    builder.append("n5", builder.log[-1])
    builder.commit("n1", 2)
    assert invariants(RaftChecker().check(builder.run())) == ["commit by quorum"]


def test_a_copy_that_is_not_durable_does_not_count():
    """What a power loss can still take is no copy."""
    builder = leading(("n1", "n2", "n3"))
    builder.append("n2", builder.log[-1], durable=False)
    builder.commit("n1", 2)
    assert invariants(RaftChecker().check(builder.run())) == ["commit by quorum"]


def test_an_entry_may_be_counted_by_any_configuration_since_it_stands():
    """The leader may have counted before or after it changed the membership: no event tells, so either will do."""
    for counted in (("n1", "n2"), ("n1", "n2", "n3")):
        builder = leading(counted)
        configure(builder, "n1", 3, FIVE if counted == ("n1", "n2") else ("n1", "n2"))
        builder.append("n2", builder.log[-1])
        builder.commit("n1", 2)
        assert RaftChecker().check(builder.run()).valid is True


def test_a_configuration_that_was_cut_off_counts_no_more():
    """A later one of a lower index replaces what stood behind it."""
    builder = leading(("n1", "n2", "n3"))
    configure(builder, "n1", 3, ("n1",))
    configure(builder, "n1", 1, ("n1", "n2", "n3"))
    builder.commit("n1", 2)
    assert invariants(RaftChecker().check(builder.run())) == ["commit by quorum"]


def test_changes_are_counted_once():
    """Who applied a change does not matter, a joint one counts when it is left, and a newcomer joins once."""
    builder = TraceBuilder()
    configure(builder, "n1", 0, ("n1", "n2"))
    configure(builder, "n3", 0, ())
    for node in ("n1", "n2"):
        configure(builder, node, 2, ("n1", "n2"), learners=("n3",), applied=True)
        configure(builder, node, 3, ("n1", "n3"), outgoing=("n1", "n2"), applied=True)
    configure(builder, "n1", 4, ("n1", "n3"), applied=True)
    for _ in range(2):
        builder.emit(Installed, "n3", index=1, state_hash=0)
    builder.emit(Installed, "n2", index=1, state_hash=0)
    builder.emit(Transferred, "n3", term=2)
    facts = CrashFacts().check(builder.run()).facts
    counted = [
        facts[name] for name in ("membership_changes", "joins_by_snapshot", "leader_transfers")
    ]
    assert counted == [2, 1, 1]


def forgotten(voters):
    """n2 comes back without an entry that n1, n2 and n3 of five nodes had committed."""
    builder = TraceBuilder(FIVE)
    configure(builder, "n1", 0, voters)
    builder.propose(b"x", ("n1", "n2", "n3"))
    builder.stop("n2", "power", -9)
    builder.life["n2"] += 1
    fields = {"have": 1, "snapshot_index": 0, "restored": False, "commit": 1}
    builder.emit(Started, "n2", last_index=1, row_horizon=0, torn_bytes=0, **fields)
    return [found["invariant"] for found in Durability().check(builder.run()).evidence]


def test_a_loss_is_judged_by_who_belonged():
    """The two that still hold the entry are a majority of three voters, and none of five."""
    assert "I22" in forgotten(FIVE)
    assert "I22" not in forgotten(("n1", "n2", "n3"))


def too_few_halted(voters, halted=("n1", "n2"), **others):
    """Whether the halts of `halted` are told to be too few."""
    builder = TraceBuilder(FIVE)
    configure(builder, "n1", 0, voters, **others)
    builder.register("n1", 5)
    index = builder.propose(builder.register_data("n1", 4))
    for node in halted:
        builder.apply(node, index, decision="halt", error_class="LocalEpochRollback")
    found = RegistryModel().check(builder.run(expect_halt="rollback")).evidence
    return any("voters halted at it" in one["what"] for one in found)


def test_who_left_need_not_halt():
    """A poison is for the members at its entry: two of three voters are enough, two of five are not."""
    assert too_few_halted(FIVE)
    assert not too_few_halted(("n1", "n2", "n3"))


def test_half_of_an_even_number_may_never_learn_of_a_poison():
    """Two of four who missed the last words cannot elect a leader; three of four, or two of three, can and must."""
    four = ("n1", "n2", "n3", "n4")
    assert not too_few_halted(four)
    assert too_few_halted(four, halted=("n1",))
    assert too_few_halted(four, halted=("n1", "n5"))
    assert too_few_halted(("n1", "n2", "n3"), halted=("n1",))


def test_one_half_of_a_joint_configuration_without_a_quorum_is_enough():
    """Nobody goes on when the old voters, or the new ones, have no majority left."""
    assert not too_few_halted(("n3", "n4", "n5"), outgoing=("n1", "n2", "n3"))
    assert too_few_halted(("n1", "n4", "n5"), halted=("n1",), outgoing=("n1", "n2", "n3"))
