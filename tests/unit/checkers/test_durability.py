"""Durability: what was acknowledged, what was claimed and what a disk image must hold, each with one planted loss."""

import json

from checker_traces import TraceBuilder, history, invariants, registration

from cluster.encryption.registry_rows import registry_key
from cluster.trace import FalseClaim, Fault, Installed
from harness.checkers.durability import Durability

WRITE = ("0 invoke write [1,5]", "0 ok write [1,5]")


def judged(builder: TraceBuilder, *lines, states=None):
    return Durability().check(builder.run(history(*(lines or WRITE)), states))


def written() -> TraceBuilder:
    """Entry 2 writes 5 to key 1, entry 3 registers n1 at epoch 1."""
    builder = TraceBuilder()
    builder.put("1", 5)
    builder.register("n1", 1)
    return builder


def register(epoch: int, index: int) -> tuple[str, str]:
    """The acknowledged registration of n1."""
    asked = registration("n1", epoch)
    value = {"dek_id": asked.dek_id, "full_node_id": asked.full_node_id, "epoch": epoch}
    return (
        f"1 invoke register {json.dumps(value)}",
        f"1 ok register {json.dumps(value | {'index': index})}",
    )


def test_acknowledged_operations_that_are_in_the_log_are_valid():
    """A write and a registration that were acknowledged and are committed are not lost."""
    builder = written()
    states = {node: builder.state(node) for node in builder.nodes}
    verdict = judged(builder, *WRITE, *register(1, 3), states=states)
    assert verdict.valid is True, verdict.evidence
    assert verdict.facts["acked_sync_writes"] == 2
    assert verdict.facts["lost_sync_writes"] == 0


def test_nothing_acknowledged_is_no_pass():
    """Where nothing was promised, nothing was kept."""
    assert judged(written(), "0 invoke write [1,5]", "0 info write [1,5]").valid == "unknown"


def test_an_acknowledged_write_that_no_entry_holds_is_lost():
    """I22: the log must hold every acknowledged write."""
    verdict = judged(written(), *WRITE, "0 invoke write [1,6]", "0 ok write [1,6]")
    assert invariants(verdict) == ["I22"]
    assert verdict.facts["lost_sync_writes"] == 1
    assert verdict.evidence[0]["operations"][0]["value"] == [1, 6]


def test_the_same_write_acknowledged_twice_needs_two_entries():
    """Equal writes are counted, not merged."""
    assert invariants(judged(written(), *WRITE, *WRITE)) == ["I22"]


def test_every_kind_of_write_is_looked_up():
    """Compare-and-sets and appends are found in the log by what they ask."""
    builder = written()
    builder.replicate(builder.put_data("1", 6, op="cas", expected=5))
    builder.replicate(builder.put_data("2", "a", op="append"))
    lines = (
        "0 invoke cas [1,[5,6]]",
        "0 ok cas [1,[5,6]]",
        '0 invoke append [2,"a"]',
        '0 ok append [2,"a"]',
    )
    assert judged(builder, *lines).valid is True
    assert invariants(judged(builder, "0 invoke cas [1,[4,6]]", "0 ok cas [1,[4,6]]")) == ["I22"]


def test_an_acknowledged_registration_that_no_entry_holds_is_lost():
    """I22: the log must hold every acknowledged registration."""
    assert invariants(judged(written(), *register(2, 4))) == ["I22"]


def test_a_final_state_without_an_acknowledged_registration_is_convicted():
    """I22: a node whose applied index covers the registration must show it, or a later epoch."""
    builder = written()
    states = {node: builder.state(node) for node in builder.nodes}
    states["n2"]["rows"] = {}
    verdict = judged(builder, *register(1, 3), states=states)
    assert invariants(verdict) == ["I22"]
    assert verdict.evidence[0]["node"] == "n2"


def test_a_final_state_with_a_later_epoch_is_valid():
    """A superseding registration is as good."""
    builder = written()
    builder.register("n1", 4)
    states = {node: builder.state(node) for node in builder.nodes}
    assert (
        registry_key(1, registration("n1", 1).full_node_id & 0xFFFF).hex() in states["n1"]["rows"]
    )
    assert judged(builder, *register(1, 3), states=states).valid is True


def test_a_node_behind_the_registration_is_not_asked():
    """A node that has not applied the entry need not show it."""
    builder = written()
    state = builder.state("n2", applied=2, rows={})
    assert judged(builder, *register(1, 3), states={"n2": state}).valid is True


def test_a_replica_with_a_damaged_row_is_not_asked():
    """A row damaged on purpose is no lost write."""
    builder = written()
    builder.hit("n2", "reg.row_corrupt", "error", 3)
    state = builder.state("n2", rows={})
    assert judged(builder, *register(1, 3), states={"n2": state}).valid is True


def test_a_false_claim_is_convicted():
    """I12: a claim of durability over un-synced bytes; the missing fsync is named, once for each kind."""
    builder = written()
    for _ in range(2):
        builder.emit(
            FalseClaim,
            "n2",
            durable_id="D1",
            path="g0/store",
            missing="store.db-wal bytes 0-4096 not fsynced",
            index=3,
        )
    verdict = judged(builder)
    assert invariants(verdict) == ["I12"]
    assert verdict.facts["false_claims"] == 2
    assert "not fsynced" in verdict.evidence[0]["what"]
    assert verdict.evidence[0]["index"] == 3


def test_a_restart_with_everything_in_place_is_valid():
    """A store whose rows are ahead of its applied index is what a crash before the snapshot leaves."""
    builder = written()
    builder.crash("n2")
    builder.start("n2", have=2)
    verdict = judged(builder)
    assert verdict.valid is True, verdict.evidence
    assert verdict.facts["images_judged"] == 4


def test_an_applied_index_without_its_rows_is_convicted():
    """I5: a store that says applied 3 must hold the row of entry 3."""
    builder = written()
    builder.crash("n2", "snap.applied_index_bumped", "power")
    builder.rows["n2"].clear()
    builder.start("n2", have=3, replay=False)
    verdict = judged(builder)
    assert invariants(verdict) == ["I5"]
    assert verdict.evidence[0]["crash_point"] == "snap.applied_index_bumped"


def test_an_older_row_behind_a_newer_one_is_convicted_when_it_is_met():
    """I5: another row may hide the loss at the start; the next registration of the lost one shows it."""
    builder = written()
    builder.register("n2", 1)
    builder.crash("n3", "reg.after_set", "power")
    key = (1, registration("n1", 1).full_node_id & 0xFFFF)
    del builder.rows["n3"][key]
    builder.start("n3", have=4, replay=False)
    builder.register("n1", 2)
    verdict = judged(builder)
    assert invariants(verdict) == ["I5"]
    assert verdict.evidence[0]["index"] == 5


def test_a_durable_row_that_comes_back_older_is_convicted():
    """I5: a row write is synced before the applier returns, so a replay never inserts it anew."""
    builder = written()
    builder.crash("n2", "eng.after_resolve", "power")
    builder.rows["n2"].clear()
    builder.start("n2", have=2)
    assert invariants(judged(builder)) == ["I5"]


def test_rows_that_hands_took_away_are_not_owed():
    """A stale copy of a disk, put back on purpose, holds older rows: no store lost them."""
    builder = written()
    builder.crash("n2", "eng.after_resolve", "power")
    builder.rows["n2"].clear()
    builder.emit(Fault, "n2", action="disk-stale", target="")
    builder.start("n2", have=2)
    assert judged(builder).valid is True


def test_rows_roll_back_with_a_restored_snapshot():
    """A store rebuilt from a snapshot, or replaced by a leader's, holds that snapshot's rows only."""
    builder = written()
    builder.crash("n2")
    builder.rows["n2"].clear()
    builder.start("n2", have=3, replay=False, restored=True, snapshot_index=2)
    builder.commit("n2", 3)
    builder.apply("n2", 3)
    builder.emit(Installed, "n3", index=3, state_hash=0)
    builder.register("n1", 2)
    assert judged(builder).valid is True


def test_an_applied_index_beyond_the_log_is_convicted():
    """I5: a durable applied index must not be ahead of the log."""
    builder = written()
    builder.crash("n2", "wal.after_fsync", "power")
    builder.start("n2", have=3, replay=False, last_index=2, commit=2)
    assert "I5" in invariants(judged(builder))


def test_a_committed_entry_that_a_majority_forgot_is_convicted():
    """I22: after a restart a committed entry must still be in a majority of logs."""
    builder = TraceBuilder()
    builder.put("1", 5)
    entry = builder.log[-1]
    assert entry[0] == 2
    for node in ("n2", "n3"):
        builder.crash(node, "wal.after_fsync", "power")
        builder.start(node, have=0, replay=False, last_index=1, commit=1)
    verdict = judged(builder)
    assert invariants(verdict) == ["I22"]
    assert "held by n1 only" in verdict.evidence[0]["what"]


def test_a_minority_that_forgot_is_no_loss():
    """One of three logs may end earlier without the entry being lost to the cluster."""
    builder = TraceBuilder()
    builder.put("1", 5)
    builder.crash("n3", "wal.after_fsync", "power")
    builder.start("n3", have=0, replay=False, last_index=1, commit=1)
    assert judged(builder).valid is True
