"""The state machine: which entry does what, what becomes durable when, and how it halts."""

import pytest
from machine_lab import NODE, STORE_PATH, TWIN, Lab, LabProbe, Platter, registration_payload

from cluster.encryption.errors import EncryptionApplyError
from cluster.encryption.identity import node16
from cluster.encryption.payloads import Bootstrap, Registration, Rotation
from cluster.encryption.registry_rows import (
    RegistryRow,
    encode_index,
    encode_row,
    index_key,
    registry_key,
)
from cluster.machine.entries import (
    encode_bootstrap_payload,
    encode_entry,
    encode_lease_payload,
    encode_rotation_payload,
)
from cluster.machine.machine import MachineConfig, MachineHalted, StateMachine
from cluster.probe import SilentProbe
from cluster.raft.configuration import Configuration, encode_configuration
from cluster.raft.messages import Entry
from cluster.storage.state_store import StoreFailed
from cluster.trace import Applied

KEY = registry_key(1, node16(NODE))
BOOTSTRAP = encode_bootstrap_payload(Bootstrap(1, b"a", 2, b"b", ()))
ROTATION = encode_rotation_payload(Rotation(1, 3, 1, b"c", Registration(3, NODE, 1)))
MODES = ["every", "data", "snapshot"]


def row(first, last):
    return encode_row(RegistryRow(NODE, first, last))


# -- dispatch ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\x03garbage", encode_entry(1, b"")])
def test_entries_that_are_no_ops(data):
    """An entry that is empty or no proposal moves the volatile applied index and nothing else."""
    lab = Lab()

    outcome = lab.machine.apply(Entry(1, 1, data))

    assert (outcome.decision, outcome.opcode, outcome.halt) == ("noop_entry", -1, False)
    assert lab.machine.applied == 1
    assert lab.machine.flush() is None


def test_a_configuration_changes_no_row():
    """An entry about the members of the cluster is named as such and does nothing to the state."""
    lab = Lab()

    outcome = lab.machine.apply(Entry(1, 1, encode_configuration(Configuration(("n1",)))))

    assert (outcome.decision, outcome.opcode, lab.machine.applied) == ("configuration", -1, 1)
    assert lab.machine.flush() is None
    assert lab.store.batches == []


def test_lease_raises_the_ceiling():
    """A lease raises the ceiling in memory, never lowers it, and writes nothing."""
    lab = Lab()

    assert lab.apply(encode_lease_payload(500)).decision == "lease"
    assert lab.apply(encode_lease_payload(400)).decision == "lease"
    assert lab.machine.hlc_ceiling_ms == 500
    assert lab.machine.flush() is None
    assert lab.store.batches == []


@pytest.mark.parametrize(
    ("payload", "error_class"),
    [
        (b"\x00junk", "KvMalformed"),
        (b"\x01junk", "KvMalformed"),
        (b"\x02\x00", "LeaseMalformed"),
        (b"\x08", "UnknownOpcode"),
        (b"\x96\xa1c\x01\xa3put\xa1k\x05\xc0", "UnknownOpcode"),
        (b"\xff" * 30, "UnknownOpcode"),
    ],
)
def test_rejected_entries(payload, error_class):
    """An entry that is wrong everywhere alike is answered with an error, and the index advances."""
    lab = Lab()

    outcome = lab.apply(payload)

    assert (outcome.decision, outcome.error_class, outcome.halt) == ("rejected", error_class, False)
    assert outcome.message
    assert lab.machine.applied == 1
    assert lab.put("k", 1).decision == "kv"


@pytest.mark.parametrize(
    ("payload", "error_class"),
    [
        (BOOTSTRAP, "KekNotConfigured"),
        (ROTATION, "KekNotConfigured"),
        (b"\x06", "UnknownEncryptionOpcode"),
        (b"\x07anything", "UnknownEncryptionOpcode"),
        (b"\x03", "FsmWireMalformed"),
        (b"\x03\x02" + bytes(14), "FsmWireVersionError"),
        (b"\x04\x01", "FsmWireMalformed"),
        (b"\x05\x01\x02" + bytes(20), "FsmWireSubtagError"),
    ],
)
def test_encryption_entries_that_halt(payload, error_class):
    """Whatever cannot be applied in the range of encryption halts, below its index."""
    lab = Lab()
    lab.put("k", 1)

    outcome = lab.apply(payload)

    assert (outcome.decision, outcome.error_class, outcome.halt) == ("halt", error_class, True)
    assert outcome.index == 2
    assert lab.machine.applied == 1
    assert lab.machine.halted is outcome


@pytest.mark.parametrize(
    "payload", [registration_payload(1), BOOTSTRAP, ROTATION, b"\x06", b"\x07"]
)
def test_without_an_applier_every_encryption_entry_halts(payload):
    """A group without an applier halts at every opcode of encryption."""
    machine = StateMachine(Lab().store, None, SilentProbe(), MachineConfig())

    outcome = machine.apply(Entry(1, 1, encode_entry(1, payload)))

    assert outcome.halt
    assert outcome.error_class == "EncryptionNotWired"


def test_a_halted_machine_applies_nothing():
    """After a halt every further entry is refused, and a flush answers the halt again."""
    lab = Lab()
    halt = lab.apply(b"\x06")

    for payload in (b"\x06", registration_payload(1)):
        with pytest.raises(MachineHalted, match="entry 1"):
            lab.apply(payload)
    assert lab.machine.flush() is halt
    assert lab.machine.applied == 0


@pytest.mark.parametrize("index", [0, 1, 3])
def test_entries_come_one_by_one(index):
    """An entry that is not the next one is the caller's mistake."""
    lab = Lab(applied=1)

    with pytest.raises(ValueError, match="cannot follow"):
        lab.machine.apply(Entry(index, 1, b""))


def test_volatile_replay():
    """Entries at or below the applied index are done again only as far as they change memory."""
    lab = Lab(applied=5)
    for payload in (encode_lease_payload(70), b"\x02bad", registration_payload(1), b"\x06"):
        lab.machine.replay_volatile(encode_entry(1, payload))

    assert lab.machine.hlc_ceiling_ms == 70
    assert lab.machine.applied == 5
    assert lab.platter.written == {}


# -- registrations -------------------------------------------------------------------------------------


def test_outcome_of_a_registration():
    """The outcome tells the entry, the row before and after, and the writes."""
    lab = Lab()
    lab.register(1)

    outcome = lab.register(4)

    assert outcome.decision == "advance"
    assert (outcome.dek_id, outcome.full_node_id, outcome.epoch_entry) == (1, NODE, 4)
    assert (outcome.epoch_row, outcome.row_index) == (1, 1)
    assert (outcome.row_before, outcome.row_after) == (row(1, 1), row(1, 4))
    assert outcome.row_writes == 1
    assert outcome.state_hash == lab.machine.state_hash() != 0


def test_outcome_of_an_equal_epoch():
    """An equal epoch changes no byte, writes nothing and keeps the state hash."""
    lab = Lab()
    before = lab.register(1).state_hash
    written = dict(lab.platter.written)

    outcome = lab.register(1)

    assert (outcome.decision, outcome.row_writes, outcome.halt) == ("noop", 0, False)
    assert outcome.row_before == outcome.row_after == row(1, 1)
    assert outcome.state_hash == before
    assert lab.platter.written == written


@pytest.mark.parametrize(
    ("node", "epoch", "error_class"),
    [
        (NODE, 2, "LocalEpochRollback"),
        (TWIN, 2, "WriterUint16Collision"),
        (TWIN, 3, "WriterUint16Collision"),
        (TWIN, 4, "WriterUint16Collision"),
    ],
)
def test_outcome_of_a_halting_registration(node, epoch, error_class):
    """A rollback and a collision halt, leave the row and tell what they saw."""
    lab = Lab()
    lab.register(3)

    outcome = lab.register(epoch, node=node)

    assert (outcome.decision, outcome.error_class, outcome.halt) == ("halt", error_class, True)
    assert (outcome.full_node_id, outcome.epoch_entry, outcome.epoch_row) == (node, epoch, 3)
    assert outcome.row_before == outcome.row_after == lab.platter.written[KEY] == row(3, 3)
    assert outcome.row_writes == outcome.state_hash == 0


@pytest.mark.parametrize("mode", MODES)
def test_the_same_halt_at_every_restart(mode):
    """A halting entry halts again after every restart, with the same error."""
    platter = Platter()
    for _ in range(3):
        lab = Lab(platter, durability=mode, applied=0 if mode == "snapshot" else None)
        outcomes = [lab.register(3) for _ in range(1 - lab.machine.applied)]
        outcomes.append(lab.register(2))

        assert outcomes[-1].error_class == "LocalEpochRollback"
        assert outcomes[-1].index == 2
        platter = platter.after("power")


def test_registration_flushes_what_stands_before_it():
    """Staged key-value entries are committed before a registration touches the store."""
    lab = Lab()
    lab.put("k", 1)
    lab.register(1)

    assert [batch["index"] for batch in lab.store.batches] == [1, None]


def test_after_return_is_reached_behind_the_row():
    """The machine passes reg.after_return once the applier is done, also for a no-op."""
    lab = Lab()
    lab.register(1)
    lab.register(1)

    assert lab.probe.reached.count("reg.after_return") == 2
    assert lab.probe.reached[-1] == "reg.after_return"


# -- durability ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "durable"), [("every", 3), ("data", 1), ("snapshot", 1)])
def test_what_moves_the_durable_index(mode, durable):
    """Registrations move the durable applied index in `every` only, no-ops and leases never."""
    lab = Lab(durability=mode)
    lab.put("k", 1)
    lab.register(1)
    lab.register(1)
    lab.apply(encode_lease_payload(5))
    lab.machine.apply(Entry(5, 1, b""))
    lab.machine.flush()

    assert lab.machine.applied == 5
    assert Lab(lab.platter.after("power"), durability=mode).machine.applied == durable


def test_every_uses_two_commits():
    """In `every` the row is committed and synced first, its applied index second."""
    lab = Lab(durability="every")
    lab.register(1)

    assert [(batch["index"], batch["sync"]) for batch in lab.store.batches] == [
        (None, True),
        (1, True),
    ]
    assert lab.probe.claims == [("D1", STORE_PATH, True), ("D4", STORE_PATH, True)]


def test_a_run_is_one_batch():
    """Consecutive key-value entries, failed ones too, become one synced batch with the last index."""
    lab = Lab()
    lab.put("a", 1)
    lab.ask("cas", "b", 1, expected=7)
    lab.apply(b"\x00junk")
    assert lab.store.batches == []

    lab.machine.flush()

    assert [(batch["index"], batch["sync"]) for batch in lab.store.batches] == [(3, True)]
    assert lab.probe.claims == [("D3", STORE_PATH, True)]
    assert lab.machine.flush() is None
    assert len(lab.store.batches) == 1


def test_a_run_carries_only_its_own_rows():
    """Rows of an earlier run are not written again."""
    lab = Lab()
    lab.put("a", 1, client="x")
    lab.machine.flush()
    lab.put("b", 1, client="y")
    lab.machine.flush()

    assert [key for key, _ in lab.store.batches[1]["puts"]] == [b"kv|b", b"!session|y"]


def test_reads_see_what_is_staged():
    """A value is read before and after it is flushed."""
    lab = Lab()
    lab.put("k", 1)
    assert lab.machine.read("k") == 1
    assert lab.platter.written == {}
    lab.machine.flush()
    assert lab.machine.read("k") == 1


def test_unflushed_entries_are_replayed():
    """What was not flushed is gone after a kill, and the durable index says so."""
    lab = Lab()
    lab.put("k", 1)
    lab.machine.flush()
    lab.put("k", 2)

    after = Lab(lab.platter.after("kill"))

    assert after.machine.applied == 1
    assert after.machine.read("k") == 1


def test_durable_index_before_a_snapshot():
    """The durable index is moved on request, synced and claimed, and never back."""
    lab = Lab()
    lab.register(1)
    lab.register(2)
    lab.machine.set_durable_applied_index(2)
    lab.machine.set_durable_applied_index(1)

    assert lab.platter.after("power").synced == lab.platter.written
    assert Lab(lab.platter.after("power")).machine.applied == 2
    assert lab.probe.claims[-1] == ("D4", STORE_PATH, True)


def test_durable_index_speaks_for_nothing_unflushed():
    """The durable index cannot pass staged effects, nor entries not applied, nor can a dump."""
    lab = Lab()
    with pytest.raises(AssertionError):
        lab.machine.set_durable_applied_index(1)
    lab.put("k", 1)
    with pytest.raises(AssertionError):
        lab.machine.set_durable_applied_index(1)
    with pytest.raises(AssertionError):
        lab.machine.dump()


# -- failures of this replica ------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["get", "cas", "append"])
def test_store_failure_in_an_operation_halts(op):
    """A store that cannot be read while a key-value entry is applied halts the replica."""
    lab = Lab()
    lab.store.broken = True

    outcome = lab.ask(op, "k", 1)

    assert (outcome.halt, outcome.error_class, outcome.index) == (True, "StoreFailed", 1)
    assert lab.machine.applied == 0


def test_store_failure_in_a_flush_halts_at_the_first_staged_entry():
    """A run that cannot be committed was not applied at all."""
    lab = Lab()
    lab.machine.apply(Entry(1, 1, b""))
    for value in range(3):
        lab.put("k", value)
    lab.store.broken = True

    outcome = lab.machine.flush()

    assert outcome is not None
    assert (outcome.index, outcome.error_class, outcome.opcode) == (2, "StoreFailed", 0)
    assert lab.machine.applied == 1
    with pytest.raises(MachineHalted):
        lab.put("k", 9)


def test_store_failure_takes_staged_entries_along():
    """When an entry fails behind staged ones, the halt is at the first of them."""
    lab = Lab()
    lab.put("k", 1)
    lab.put("l", 1)
    lab.store.broken = True

    outcome = lab.ask("get", "m")

    assert (outcome.index, lab.machine.applied) == (1, 0)
    assert lab.machine.flush() is outcome


def test_store_failure_before_a_registration_halts():
    """A registration is not applied when what stands before it cannot be committed."""
    lab = Lab()
    lab.put("k", 1)
    lab.store.broken = True

    outcome = lab.register(1)

    assert (outcome.index, outcome.error_class) == (1, "StoreFailed")


@pytest.mark.parametrize("point", ["reg.get_error", "reg.close_error", "reg.set_error"])
@pytest.mark.parametrize("mode", MODES)
def test_registry_failure_halts_until_the_restart(point, mode):
    """An injected failure of the registry halts this life only; the next one applies the entry."""
    lab = Lab(probe=LabProbe(point, "error"), durability=mode)

    outcome = lab.register(1)

    assert (outcome.halt, outcome.error_class) == (True, "RegistryStorageFailed")
    assert (outcome.index, outcome.epoch_entry, lab.machine.applied) == (1, 1, 0)
    assert Lab(lab.platter.after("power"), durability=mode).register(1).decision == "insert"


def test_failure_of_the_second_commit_halts():
    """In `every` a row that is durable while its index is not halts, and replays as a no-op."""
    lab = Lab(durability="every")
    commit = lab.store.batch

    def fail_second(puts, deletes=(), **options):
        if options.get("applied_index") is not None:
            raise StoreFailed("EIO")
        commit(puts, deletes, **options)

    lab.store.batch = fail_second

    outcome = lab.register(1)

    assert (outcome.halt, outcome.error_class, lab.machine.applied) == (True, "StoreFailed", 0)
    assert Lab(lab.platter.after("power"), durability="every").register(1).decision == "noop"


def test_damaged_side_record_refuses_the_start():
    """A side record of the wrong length is found when the machine is built."""
    with pytest.raises(EncryptionApplyError):
        Lab(Platter([(index_key(KEY), b"x")]))


# -- recovering ----------------------------------------------------------------------------------------


def test_recovering_until_the_highest_row():
    """After a restart the replica recovers until it has applied the entry of the newest row again."""
    lab = Lab()
    payloads = [registration_payload(epoch) for epoch in (1, 2, 2)]
    hashes = [lab.apply(payload).state_hash for payload in payloads]

    after = Lab(lab.platter.after("power"))
    assert (after.machine.applied, after.machine.row_horizon) == (0, 2)
    assert after.machine.recovering
    assert after.machine.state_hash() == 0
    with pytest.raises(AssertionError):
        after.machine.dump()
    replayed = [after.apply(payload) for payload in payloads]

    assert [outcome.decision for outcome in replayed] == ["noop_older", "noop", "noop"]
    assert [outcome.state_hash for outcome in replayed] == [0, *hashes[1:]]
    assert not after.machine.recovering


def test_original_guard_halts_at_a_replayed_older_entry():
    """Under the guard `epoch` the replay of an older registration is taken for a rollback (HZ-1)."""
    lab = Lab(guard="epoch")
    lab.register(1)
    lab.register(2)

    after = Lab(lab.platter.after("kill"), guard="epoch")

    assert after.register(1).error_class == "LocalEpochRollback"


# -- snapshots and the trace -----------------------------------------------------------------------------


def test_snapshot_restores_the_same_state():
    """A state restored from the dump has the same hash, rows, sessions, side records and durable index."""
    lab = Lab()
    lab.put("k", [1], client="a", sequence=3)
    lab.register(2)
    lab.put("l", 2, client="b", sequence=1)
    lab.machine.flush()

    after = Lab(lab.restored(), applied=lab.machine.applied)

    assert after.machine.state_hash() == lab.machine.state_hash() != 0
    assert after.platter.written == lab.platter.written
    assert after.platter.written[index_key(KEY)] == encode_index(2)
    assert after.machine.row_horizon == 2
    assert after.put("k", 9, client="a", sequence=3).result.ok
    assert after.machine.read("k") == [1]


def test_dump_is_taken_at_once():
    """Entries applied while the dump is being written are not in it."""
    lab = Lab()
    lab.put("k", 1)
    lab.machine.flush()
    stream = lab.machine.dump()
    lab.put("k", 2)
    lab.machine.flush()

    assert b"kv|k" + b"\x01" + bytes(7) + b"\x01" in b"".join(stream)


def test_dump_carries_the_ceiling():
    """The snapshot's header carries the clock ceiling."""
    lab = Lab()
    lab.apply(encode_lease_payload(0x18F00000000))

    assert b"".join(lab.machine.dump())[:16] == bytes.fromhex("454b5654484c43310000018f00000000")


def test_registry_rows_are_listed():
    """The registry rows can be asked for, without their side records."""
    lab = Lab()
    lab.register(1)

    assert lab.machine.registry_rows() == [(KEY, row(1, 1))]


def test_event_of_an_outcome():
    """An outcome becomes the trace event with nothing lost."""
    lab = Lab()
    lab.register(1)
    outcome = lab.register(2)

    event = outcome.event(node="n1", incarnation=2, group=3, term=4, replay=True, digest=5)

    assert event == Applied(
        node="n1",
        incarnation=2,
        group=3,
        index=2,
        term=4,
        opcode=3,
        digest=5,
        replay=True,
        decision="advance",
        dek_id=1,
        full_node_id=NODE,
        epoch_entry=2,
        epoch_row=1,
        row_index=1,
        row_before=row(1, 1),
        row_after=row(1, 2),
        row_writes=1,
        state_hash=lab.machine.state_hash(),
    )
