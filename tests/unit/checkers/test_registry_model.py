"""The judge of the registry: honest replays pass, and each planted bug of the specification is convicted by name."""

import pytest
from checker_traces import COLLISION, ROLLBACK, TraceBuilder, history, invariants

from cluster.encryption.registry_rows import RegistryRow, encode_row
from cluster.machine.entries import encode_entry
from cluster.trace import Applied, Fault, Stopped
from harness.checkers.registry_model import RegistryModel

POISON = history("0 invoke propose_raw {}", "0 info propose_raw {}")


def judged(builder: TraceBuilder, given=(), states=None, **options):
    return RegistryModel().check(builder.run(given, states, **options))


def registered() -> TraceBuilder:
    """Entry 2 is a write, 3 and 4 register n1 at epochs 1 and 2."""
    builder = TraceBuilder()
    builder.put()
    builder.register("n1", 1)
    builder.register("n1", 2)
    return builder


def replayed(**changes) -> TraceBuilder:
    """n2 died behind the newest registration and replays both; `changes` bend the replay of the last."""
    builder = registered()
    builder.crash("n2")
    builder.start("n2", have=2, replay=False)
    builder.commit("n2", 4)
    builder.apply("n2", 3)
    builder.apply("n2", 4, **changes)
    return builder


def poisoned(writer: str = "n1", epoch: int = 1, nodes=("n1", "n2", "n3")) -> TraceBuilder:
    """An entry that must halt every replica follows; `nodes` meet it, and meet it again after a restart."""
    builder = registered()
    index = builder.propose(builder.register_data(writer, epoch))
    for node in nodes:
        builder.apply(node, index)
    for node in nodes:
        builder.start(node, have=2)
    return builder


def test_a_replay_of_both_epochs_changes_nothing():
    """Replaying registrations over rows that are ahead is valid, and counted."""
    verdict = judged(replayed())
    assert verdict.valid is True, verdict.evidence
    facts = verdict.facts
    assert (
        facts["replayed_noops"] == facts["replayed_registrations"] == facts["replayed_entries"] == 2
    )
    assert facts["registrations_committed"] == 2
    assert facts["registrations_applied"] == 8


def test_nothing_registered_is_no_pass():
    """A run in which no registration was applied is unknown."""
    builder = TraceBuilder()
    builder.put()
    assert judged(builder).valid == "unknown"


def test_a_registration_whose_effect_was_not_told_counts_as_a_replay():
    """A node that died behind the row write, before it could tell, replays that entry too."""
    builder = registered()
    index = builder.propose(builder.register_data("n1", 3))
    for node in ("n1", "n3"):
        builder.apply(node, index)
    builder.hit("n2", "reg.after_set", "kill", index)
    builder.stop("n2", "kill")
    builder.rows["n2"] = dict(builder.rows["n1"])
    builder.start("n2", have=2)
    verdict = judged(builder)
    assert verdict.valid is True, verdict.evidence
    assert verdict.facts["replayed_registrations"] == 3


def test_an_entry_that_was_only_held_up_is_no_replay():
    """A node that stalls at a crash point goes on with the same entry in the same life: nothing was replayed."""
    builder = TraceBuilder()
    builder.register("n1", 1)
    index = builder.propose(builder.register_data("n1", 2))
    builder.hit("n2", "reg.after_set", "stall", index)
    for node in builder.nodes:
        builder.apply(node, index)
    facts = RegistryModel().check(builder.run()).facts
    assert facts["replayed_entries"] == facts["replayed_registrations"] == 0


def test_an_equal_epoch_halt_is_convicted():
    """B-S1: the replay of an equal epoch halts; the finding names node, entry, crash point and both epochs."""
    verdict = judged(replayed(decision="halt", error_class=ROLLBACK))
    assert verdict.valid is False
    assert invariants(verdict) == ["I1"]
    found = verdict.evidence[0]
    assert (found["node"], found["index"], found["crash_point"]) == ("n2", 4, "reg.after_set")
    assert (found["epoch_entry"], found["epoch_row"]) == (2, 2)
    assert verdict.facts["halts_unexpected"] == 1
    for word in ("n2", "entry 4", "reg.after_set", "epoch 2"):
        assert word in found["what"]


def test_the_original_halt_on_a_replayed_older_epoch_is_convicted():
    """HZ-1: without the index guard the replay of epoch 1 over epoch 2 halts; the model says no halt."""
    builder = registered()
    builder.crash("n2")
    builder.start("n2", have=2, replay=False)
    builder.commit("n2", 4)
    builder.apply("n2", 3, decision="halt", error_class=ROLLBACK)
    verdict = judged(builder)
    assert invariants(verdict) == ["I9"]
    assert (verdict.evidence[0]["epoch_entry"], verdict.evidence[0]["epoch_row"]) == (1, 2)


@pytest.mark.parametrize(
    "change",
    [
        {"row_writes": 1},
        {"decision": "advance"},
        {"row_after": encode_row(RegistryRow(1, 2, 2))},
    ],
    ids=["a write of the same bytes", "an advance", "other bytes"],
)
def test_an_equal_epoch_that_changes_anything_is_convicted(change):
    """B-S1c: the replay of an equal epoch must neither write nor change a byte."""
    assert invariants(judged(replayed(**change))) == ["I1"]


def test_a_rollback_that_halts_everywhere_is_valid_when_wanted():
    """The scenario poisons the cluster, every replica halts, and again after its restart."""
    verdict = judged(poisoned(), POISON, expect_halt="rollback")
    assert verdict.valid is True, verdict.evidence
    assert verdict.facts["rollbacks_halted"] == verdict.facts["halts_expected"] == 6
    assert verdict.facts["halts_unexpected"] == 0


@pytest.mark.parametrize("epoch", [0, 2, 9])
def test_a_collision_that_halts_everywhere_is_valid_when_wanted(epoch):
    """Two writers with the same low 16 bits collide in every order of epochs."""
    builder = TraceBuilder()
    builder.register("n498", 2)
    index = builder.propose(builder.register_data("n784", epoch))
    for node in builder.nodes:
        assert builder.apply(node, index).error_class == COLLISION
    verdict = judged(builder, POISON, expect_halt="collision")
    assert verdict.valid is True, verdict.evidence
    assert verdict.facts["collisions_halted"] == 3


def test_a_halt_nobody_wants_is_convicted():
    """Without `expect_halt` a committed poison is a violation, however rightly the replicas halt."""
    verdict = judged(poisoned())
    assert invariants(verdict) == ["I11"]


def test_another_halt_than_wanted_is_convicted():
    """A rollback does not satisfy a scenario that wants a collision."""
    assert invariants(judged(poisoned(), POISON, expect_halt="collision")) == ["I11"]


def test_a_poison_through_the_front_door_is_convicted():
    """A poison that nobody proposed raw was let in by the public API."""
    assert invariants(judged(poisoned(), expect_halt="rollback")) == ["I11"]


def test_a_poison_that_was_never_committed_is_no_pass():
    """The stimulus of a scenario with an expected halt is the committed poison."""
    assert judged(registered(), POISON, expect_halt="rollback").valid == "unknown"


def test_a_poison_that_too_few_replicas_halt_at_is_convicted():
    """A committed poison must halt at least a majority."""
    verdict = judged(poisoned(nodes=("n2",)), POISON, expect_halt="rollback")
    assert invariants(verdict) == ["I2"]


@pytest.mark.parametrize("decision", ["noop", "advance"])
def test_an_accepted_rollback_is_convicted(decision):
    """B-S1b: a new entry with a smaller epoch that does not halt breaks I2."""
    builder = registered()
    index = builder.propose(builder.register_data("n1", 1))
    for node in ("n1", "n2"):
        builder.apply(node, index)
    builder.apply("n3", index, decision=decision, error_class="")
    verdict = judged(builder, POISON, expect_halt="rollback")
    assert invariants(verdict) == ["I2"]
    assert verdict.evidence[0]["node"] == "n3"


def test_an_accepted_collision_is_convicted():
    """B-S7: a colliding writer at an equal epoch that passes for a replay breaks I3."""
    builder = TraceBuilder()
    builder.register("n498", 2)
    index = builder.propose(builder.register_data("n784", 2))
    for node in ("n1", "n2"):
        builder.apply(node, index)
    builder.apply("n3", index, decision="noop", error_class="")
    assert invariants(judged(builder, POISON, expect_halt="collision")) == ["I3"]


def test_a_collision_reported_as_a_rollback_is_convicted():
    """B-S7 with a smaller epoch: the halt has the wrong class."""
    builder = TraceBuilder()
    builder.register("n498", 2)
    index = builder.propose(builder.register_data("n784", 1))
    for node in ("n1", "n2"):
        builder.apply(node, index)
    builder.apply("n3", index, error_class=ROLLBACK)
    assert invariants(judged(builder, POISON, expect_halt="collision")) == ["I9"]


def test_a_halt_that_changes_the_row_is_convicted():
    """A refused rollback leaves the row as it was."""
    builder = registered()
    index = builder.propose(builder.register_data("n1", 1))
    for node in ("n1", "n2"):
        builder.apply(node, index)
    builder.apply("n3", index, row_writes=1)
    assert invariants(judged(builder, POISON, expect_halt="rollback")) == ["I2"]


def test_a_malformed_entry_must_halt():
    """An encryption entry that does not decode halts with the decoder's class; skipping it is convicted."""
    builder = registered()
    index = builder.propose(encode_entry(9, bytes([3, 1, 0])))
    fields = {"decision": "halt", "error_class": "FsmWireMalformed", "epoch_entry": -1}
    fields |= {"dek_id": 0, "full_node_id": 0}
    log_entry = builder.log[index - 1]
    for node in builder.nodes:
        builder.emit(Applied, node, index=index, term=1, opcode=3, digest=0, replay=False, **fields)
    assert log_entry[2].endswith(bytes([3, 1, 0]))
    assert judged(builder, POISON, expect_halt="malformed").valid is True
    builder.events[-1] = builder.emit(
        Applied, "n3", index=index, term=1, opcode=3, digest=0, replay=False, decision="rejected"
    )
    del builder.events[-2]
    assert invariants(judged(builder, POISON, expect_halt="malformed")) == ["I8"]


def test_a_row_that_vanished_is_convicted():
    """I4: no row disappears from a later state."""
    builder = registered()
    builder.rows["n2"].clear()
    builder.register("n1", 3)
    verdict = judged(builder)
    assert invariants(verdict) == ["I4"]
    assert verdict.evidence[0]["node"] == "n2"


def test_a_row_of_another_key_is_convicted():
    """B-S11: a registration under a second key that sees the first key's row breaks model equality."""
    builder = TraceBuilder()
    builder.register("n1", 5, dek=1)
    index = builder.propose(builder.register_data("n1", 6, dek=2))
    mixed = {"row_before": encode_row(RegistryRow(1, 5, 5)), "decision": "advance", "epoch_row": 5}
    builder.apply("n2", index, **mixed)
    assert invariants(judged(builder)) == ["I7"]


def test_a_wrong_row_after_is_convicted():
    """I7: the row behind an entry is exactly what the model makes of it."""
    builder = registered()
    index = builder.propose(builder.register_data("n1", 3))
    builder.apply("n3", index, row_after=encode_row(RegistryRow(1, 3, 3)))
    assert invariants(judged(builder)) == ["I7"]


def test_a_skipped_entry_is_convicted():
    """I8: applied indexes follow one another without a gap."""
    builder = registered()
    builder.propose(builder.register_data("n1", 3))
    builder.propose(builder.put_data("y", 1))
    builder.apply("n3", 6)
    verdict = judged(builder)
    assert invariants(verdict) == ["I8"]
    assert "skipped from entry 4 to 6" in verdict.evidence[0]["what"]


def test_an_entry_applied_again_over_its_own_effect_is_convicted():
    """I27: an entry that the store already contains is not applied again."""
    builder = registered()
    builder.crash("n3")
    builder.start("n3", have=4, replay=False)
    builder.apply("n3", 4)
    assert invariants(judged(builder)) == ["I27"]


def test_a_store_rebuilt_from_a_snapshot_starts_behind_it():
    """After a restore the replay begins behind the snapshot, whatever the old store said."""
    builder = registered()
    builder.crash("n3")
    builder.rows["n3"].clear()
    builder.start("n3", have=4, replay=False, restored=True, snapshot_index=2, row_horizon=0)
    builder.commit("n3", 4)
    builder.apply("n3", 3)
    builder.apply("n3", 4)
    verdict = judged(builder)
    assert verdict.valid is True, verdict.evidence
    assert verdict.facts["replayed_registrations"] == 2


def test_going_on_after_a_halt_is_convicted():
    """I8: within one life nothing is applied behind a halt."""
    builder = poisoned(nodes=("n1", "n2"))
    builder.propose(builder.put_data("y", 1))
    builder.apply("n2", 6)
    found = judged(builder, POISON, expect_halt="rollback")
    assert invariants(found) == ["I8"]


def test_a_halted_node_that_forgot_its_commit_index_is_convicted():
    """I8: the commit index is persisted at a halt, so that the next start halts inside its recovery."""
    builder = poisoned()
    builder.start("n2", have=2, replay=False, commit=4)
    assert invariants(judged(builder, POISON, expect_halt="rollback")) == ["I8"]


def test_a_halted_node_that_lives_on_after_its_restart_is_convicted():
    """I8: the same halt at every restart; a node that knows the entry committed and never gets to it is no exception."""
    builder = poisoned()
    builder.start("n2", have=2, replay=False)
    builder.stop("n2", "stop", 0)
    found = judged(builder, POISON, expect_halt="rollback")
    assert invariants(found) == ["I8"]
    assert found.evidence[0]["node"] == "n2"


def test_a_halted_node_that_is_struck_before_it_halts_again_is_innocent():
    """A life that was cut short had no time to halt."""
    builder = poisoned()
    builder.start("n2", have=2, replay=False)
    builder.stop("n2", "kill")
    verdict = judged(builder, POISON, expect_halt="rollback")
    assert verdict.valid is True, verdict.evidence


def test_a_node_killed_while_it_halted_may_forget_its_commit_index():
    """Only a halt that ended by itself has persisted the commit index."""
    builder = poisoned()
    stopped = [at for at, event in enumerate(builder.events) if type(event) is Stopped]
    del builder.events[stopped[-2]]
    builder.hit("n2", "eng.halt", "kill", 5)
    builder.stop("n2", "kill")
    builder.start("n2", have=2, replay=False, commit=4)
    builder.crash("n1", "eng.halt")
    verdict = judged(builder, POISON, expect_halt="rollback")
    assert verdict.valid is True, verdict.evidence


def test_a_row_written_behind_the_traces_back_may_be_ahead():
    """A node killed from outside may have written one more row than it could tell; its store says how far."""
    builder = registered()
    index = builder.propose(builder.register_data("n1", 3))
    for node in ("n1", "n3"):
        builder.apply(node, index)
    builder.stop("n2", "kill")
    builder.rows["n2"] = dict(builder.rows["n1"])
    builder.start("n2", have=2)
    verdict = judged(builder)
    assert verdict.valid is True, verdict.evidence


def test_rows_may_be_ahead_without_a_record_of_their_index():
    """A store that does not know its rows' indexes (horizon 0) is ahead as far as the node had come."""
    builder = registered()
    builder.crash("n2")
    builder.start("n2", have=2, row_horizon=0)
    verdict = judged(builder)
    assert "I7" not in invariants(verdict)
    assert verdict.valid is True, verdict.evidence


def test_a_short_row_that_nobody_damaged_is_convicted():
    """I7: a row of eleven bytes is nothing the log can make."""
    builder = registered()
    index = builder.propose(builder.register_data("n1", 3))
    builder.apply("n3", index, row_before=bytes(11), decision="noop")
    assert invariants(judged(builder)) == ["I7"]


@pytest.mark.parametrize("point", ["reg.get_error", "reg.close_error", "reg.set_error"])
def test_a_failing_store_excuses_a_halt(point):
    """I9: a halt at the entry where the store was made to fail has a cause."""
    builder = registered()
    index = builder.propose(builder.register_data("n1", 3))
    builder.hit("n3", point, "error", index)
    failed = {"decision": "halt", "error_class": "RegistryStorageFailed"}
    before = dict(builder.rows["n3"])
    builder.apply("n3", index, epoch_row=-1, row_before=b"", row_after=b"", row_writes=0, **failed)
    builder.rows["n3"] = before
    builder.start("n3", have=2)
    verdict = judged(builder)
    assert verdict.valid is True, verdict.evidence
    assert verdict.facts["halts_expected"] == 1


def test_a_decision_over_a_failing_store_is_convicted():
    """B-S6: a node whose store declared the row suspect must not decide."""
    builder = registered()
    index = builder.propose(builder.register_data("n1", 3))
    builder.hit("n3", "reg.close_error", "error", index)
    builder.apply("n3", index)
    verdict = judged(builder)
    assert invariants(verdict) == ["I10"]
    assert verdict.evidence[0]["crash_point"] == "reg.close_error"


def test_a_decision_over_a_corrupt_row_is_convicted():
    """I10: a row of eleven bytes halts; deciding over it is a violation."""
    builder = registered()
    index = builder.propose(builder.register_data("n1", 3))
    builder.hit("n3", "reg.row_corrupt", "error", index)
    corrupt = {"row_before": bytes(11), "row_after": bytes(11), "row_writes": 0}
    halted = {"decision": "halt", "error_class": "RegistryValueMalformed", "epoch_row": -1}
    builder.apply("n3", index, **corrupt, **halted)
    assert judged(builder).valid is True
    builder.start("n3", have=4, replay=False)
    builder.apply("n3", index, **corrupt, decision="noop")
    assert invariants(judged(builder)) == ["I10"]


def test_a_halt_without_a_cause_is_convicted():
    """I9: a halt at a KV entry of a healthy node is spurious; with a broken disk it is right."""
    builder = registered()
    index = builder.propose(builder.put_data("y", 1))
    builder.apply("n3", index, decision="halt", error_class="StoreFailed")
    assert invariants(judged(builder)) == ["I9"]
    broken = Fault(at_ns=0, node="n3", incarnation=1, action="disk-eio", target="n3")
    builder.events.insert(0, broken)
    verdict = judged(builder)
    assert verdict.valid is True, verdict.evidence
    assert verdict.facts["halts_expected"] == 1


def test_a_disk_that_was_mended_long_ago_excuses_no_halt():
    """I9: only the life that met the broken disk is excused, not the next one on a disk that works."""
    builder = registered()
    index = builder.propose(builder.put_data("y", 1))
    for action in ("disk-full", "disk-heal"):
        builder.emit(Fault, "n3", action=action, target="n3")
    builder.stop("n3", "kill")
    builder.start("n3", have=index - 1, replay=False)
    builder.apply("n3", index, decision="halt", error_class="StoreFailed")
    assert invariants(judged(builder)) == ["I9"]


def test_final_rows_that_differ_from_the_log_are_convicted():
    """I7: the rows a node shows at the end are the fold at its applied index."""
    builder = registered()
    states = {node: builder.state(node) for node in builder.nodes}
    assert judged(builder, states=states).valid is True
    states["n2"]["rows"] = {}
    verdict = judged(builder, states=states)
    assert invariants(verdict) == ["I7"]
    assert verdict.evidence[0]["node"] == "n2"


def test_a_replica_with_a_damaged_row_is_not_compared_at_the_end():
    """The rows of a replica whose row was damaged on purpose need not equal the log."""
    builder = registered()
    builder.hit("n2", "reg.row_corrupt", "error", 4)
    state = builder.state("n2", rows={"00": "11"})
    assert judged(builder, states={"n2": state}).valid is True


def test_a_recovering_node_is_not_compared():
    """While a node recovers, its rows are ahead of its applied index."""
    builder = registered()
    state = builder.state("n2", applied=2, recovering=True)
    assert judged(builder, states={"n2": state}).valid is True


def test_concurrent_registrations_of_one_writer_are_counted():
    """Registrations of one row whose calls overlap are a fact of the run."""
    row = '{"dek_id":1,"full_node_id":5,"epoch":1}'
    given = history(
        f"0 invoke register {row}",
        f"1 invoke register {row}",
        f"0 ok register {row}",
        f"1 ok register {row}",
        f"0 invoke register {row}",
        f"0 info register {row}",
        f"5 invoke register {row}",
        f"1 invoke register {row.replace('5', '6')}",
    )
    assert judged(registered(), given).facts["concurrent_registrations"] == 2
