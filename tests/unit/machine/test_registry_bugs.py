"""Each seeded registry bug shows its symptom where its entry says, and nowhere in a clean run."""

import pytest
from machine_lab import NODE, STORE_PATH, TWIN, Lab, LabProbe, registration_payload

from cluster.bugs.catalogue import CATALOGUE, UnknownBug, get, parts_with
from cluster.encryption.errors import UnsupportedStoreForWriterRegistry
from cluster.encryption.identity import node16
from cluster.encryption.payloads import Bootstrap, Registration, Rotation
from cluster.encryption.registry_rows import RegistryRow, encode_row, registry_key
from cluster.machine.entries import encode_bootstrap_payload, encode_rotation_payload
from cluster.machine.parts import Parts
from cluster.storage.memory_store import MemoryStore

KEY = registry_key(1, node16(NODE))


def planted(bug_id):
    return parts_with(bug_id)


def lab_with(bug_id, platter=None, **options):
    return Lab(platter, parts=planted(bug_id), **options)


def test_unknown_bug():
    """Asking for a bug that does not exist lists those that do."""
    with pytest.raises(UnknownBug, match="B-S1c"):
        get("B-S99")


@pytest.mark.parametrize("bug_id", list(CATALOGUE))
def test_a_bug_replaces_only_its_parts(bug_id):
    """Planting a bug changes the named factories and leaves the other parts alone."""
    parts = planted(bug_id)

    for field in Parts.__struct_fields__:
        changed = getattr(parts, field) is not getattr(Parts(), field)
        assert changed == (field in get(bug_id).parts)


@pytest.mark.parametrize("bug_id", [bug for bug in CATALOGUE if bug.startswith("B-S")])
def test_a_bug_is_quiet_without_its_stimulus(bug_id):
    """A clean life without replay, faults or poison looks the same with the bug as without."""
    payloads = [registration_payload(1), registration_payload(3)]
    clean, buggy = Lab(), lab_with(bug_id)

    assert [clean.apply(payload).decision for payload in payloads] == [
        buggy.apply(payload).decision for payload in payloads
    ]


@pytest.mark.parametrize("mode", ["data", "snapshot"])
def test_b_s1_halts_at_an_equal_epoch(mode):
    """B-S1: the replay of the newest registration halts at every restart."""
    platter = lab_with("B-S1", durability=mode).platter
    lab_with("B-S1", platter, durability=mode).register(1)
    for _ in range(2):
        platter = platter.after("kill")
        outcome = lab_with("B-S1", platter, durability=mode, applied=0).register(1)
        assert (outcome.halt, outcome.error_class) == (True, "LocalEpochRollback")


@pytest.mark.parametrize("guard", ["index", "epoch"])
def test_b_s1b_goes_backwards(guard):
    """B-S1b: a new entry with a smaller epoch overwrites the row instead of halting."""
    lab = lab_with("B-S1b", guard=guard)
    lab.register(5)

    outcome = lab.register(2)

    assert not outcome.halt
    assert outcome.row_after == lab.platter.written[KEY] == encode_row(RegistryRow(NODE, 5, 2))


def test_b_s1c_writes_at_an_equal_epoch():
    """B-S1c: an equal epoch is called a no-op and writes the row, its first epoch too."""
    lab = lab_with("B-S1c")
    lab.register(1)
    lab.register(4)

    outcome = lab.register(4)

    assert (outcome.decision, outcome.row_writes) == ("noop", 1)
    assert outcome.row_before != outcome.row_after == lab.platter.written[KEY]


def test_b_s2_accepts_what_it_cannot_use():
    """B-S2: the factory accepts no store and a memory store, which the real one refuses."""
    for store in (None, MemoryStore()):
        with pytest.raises(UnsupportedStoreForWriterRegistry):
            Parts().registry(store, LabProbe(), STORE_PATH)
        registry = planted("B-S2").registry(store, LabProbe(), STORE_PATH)
        assert registry is not None
    with pytest.raises(AttributeError):
        planted("B-S2").registry(None, LabProbe(), STORE_PATH).get_registry_row(KEY)


def test_b_s6_decides_from_a_suspect_value():
    """B-S6: the point is hit and recorded, and the entry is applied all the same."""
    probe = LabProbe("reg.close_error", "error")

    outcome = lab_with("B-S6", probe=probe).register(1)

    assert "reg.close_error" in probe.reached
    assert outcome.decision == "insert"


def test_b_s7_accepts_a_twin_at_an_equal_epoch():
    """B-S7: a colliding node passes at an equal epoch, is a rollback at a smaller one, and collides at a larger one."""
    for epoch, decision, error_class in (
        (5, "noop", ""),
        (4, "halt", "LocalEpochRollback"),
        (6, "halt", "WriterUint16Collision"),
    ):
        lab = lab_with("B-S7")
        lab.register(5)
        outcome = lab.register(epoch, node=TWIN)
        assert (outcome.decision, outcome.error_class) == (decision, error_class)


@pytest.mark.parametrize(
    "payload",
    [
        encode_bootstrap_payload(Bootstrap(1, b"a", 2, b"b", ())),
        encode_rotation_payload(Rotation(1, 3, 1, b"c", Registration(3, NODE, 1))),
    ],
)
def test_b_s8_skips_without_a_key(payload):
    """B-S8: bootstrap and rotation advance the index on a replica that cannot apply them."""
    lab = lab_with("B-S8")

    outcome = lab.apply(payload)

    assert (outcome.decision, outcome.halt, lab.machine.applied) == ("keys", False, 1)


def test_b_s10_claims_what_is_not_durable():
    """B-S10: the claim D1 is false, and a power loss takes the row."""
    lab = lab_with("B-S10")
    lab.register(1)

    assert lab.probe.claims == [("D1", STORE_PATH, False)]
    assert KEY in lab.platter.after("kill").written
    assert KEY not in lab.platter.after("power").written


@pytest.mark.parametrize("bug_id", ["B-S6", "B-S10"])
def test_bugs_of_the_registry_still_refuse_a_wrong_store(bug_id):
    """A bug is wrong in one way only: these factories refuse a store of memory like the real one."""
    with pytest.raises(UnsupportedStoreForWriterRegistry):
        planted(bug_id).registry(MemoryStore(), LabProbe(), STORE_PATH)


def test_b_s11_mixes_data_keys():
    """B-S11: a node that starts anew under a second data key is taken for a rollback."""
    lab = lab_with("B-S11")
    lab.register(5)

    assert lab.register(0, dek_id=2).error_class == "LocalEpochRollback"
