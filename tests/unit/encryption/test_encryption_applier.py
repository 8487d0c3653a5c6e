"""The decision table of registrations, step by step, and what is written and reached on the way."""

import pytest
from machine_lab import NODE, TWIN, LabProbe, Platter, applier_of, registry_of

from cluster.encryption.applier import EncryptionApplier
from cluster.encryption.errors import (
    EncryptionApplyError,
    KekNotConfigured,
    LocalEpochRollback,
    RegistryInconsistent,
    RegistryStorageFailed,
    RegistryValueMalformed,
    RowSeen,
    WriterUint16Collision,
)
from cluster.encryption.identity import node16
from cluster.encryption.payloads import Bootstrap, Registration, Rotation
from cluster.encryption.registry_rows import (
    RegistryRow,
    encode_index,
    encode_row,
    index_key,
    registry_key,
)
from cluster.probe import Crash, SilentProbe

KEY = registry_key(1, node16(NODE))
OLD = encode_row(RegistryRow(NODE, 2, 5))
ROW_INDEX = 20


def stored(value=OLD, row_index=ROW_INDEX):
    """A platter with the row, last epoch 5, changed at entry 20."""
    rows = [(KEY, value)]
    if row_index:
        rows.append((index_key(KEY), encode_index(row_index)))
    return Platter(rows)


def row(first, last, node=NODE):
    return encode_row(RegistryRow(node, first, last))


# (name, guard, node, epoch, entry index, row index) -> decision or error class, value behind it
TABLE = [
    ("R4 new", "index", NODE, 5, 30, ROW_INDEX, "noop", OLD),
    ("R4 at the row's own index", "index", NODE, 5, 20, ROW_INDEX, "noop", OLD),
    ("R4 replayed", "index", NODE, 5, 10, ROW_INDEX, "noop", OLD),
    ("R4 under epoch", "epoch", NODE, 5, 10, ROW_INDEX, "noop", OLD),
    ("R4 without side record", "index", NODE, 5, 10, 0, "noop", OLD),
    ("R5a older", "index", NODE, 4, 19, ROW_INDEX, "noop_older", OLD),
    ("R5a at the row's index", "index", NODE, 4, 20, ROW_INDEX, "noop_older", OLD),
    ("R5a epoch 0", "index", NODE, 0, 1, ROW_INDEX, "noop_older", OLD),
    ("R5b new", "index", NODE, 4, 21, ROW_INDEX, LocalEpochRollback, OLD),
    ("R5b without side record", "index", NODE, 4, 10, 0, LocalEpochRollback, OLD),
    ("R5 under epoch, new", "epoch", NODE, 4, 30, ROW_INDEX, LocalEpochRollback, OLD),
    ("R5 under epoch, replayed", "epoch", NODE, 4, 10, ROW_INDEX, LocalEpochRollback, OLD),
    ("R6 new", "index", NODE, 6, 21, ROW_INDEX, "advance", row(2, 6)),
    ("R6 gap", "index", NODE, 0xFFFF, 21, ROW_INDEX, "advance", row(2, 0xFFFF)),
    ("R6 without side record", "index", NODE, 6, 10, 0, "advance", row(2, 6)),
    ("R6 at the row's index", "index", NODE, 6, 20, ROW_INDEX, RegistryInconsistent, OLD),
    ("R6 behind the row's index", "index", NODE, 6, 10, ROW_INDEX, RegistryInconsistent, OLD),
    ("R6 under epoch, replayed", "epoch", NODE, 6, 10, ROW_INDEX, "advance", row(2, 6)),
    ("R3 smaller", "index", TWIN, 4, 30, ROW_INDEX, WriterUint16Collision, OLD),
    ("R3 equal", "index", TWIN, 5, 30, ROW_INDEX, WriterUint16Collision, OLD),
    ("R3 larger", "index", TWIN, 6, 30, ROW_INDEX, WriterUint16Collision, OLD),
    ("R3 replayed", "index", TWIN, 4, 10, ROW_INDEX, WriterUint16Collision, OLD),
    ("R3 under epoch", "epoch", TWIN, 5, 10, ROW_INDEX, WriterUint16Collision, OLD),
]


@pytest.mark.parametrize(
    ("guard", "node", "epoch", "index", "row_index", "expected", "after"),
    [line[1:] for line in TABLE],
    ids=[line[0] for line in TABLE],
)
def test_decision_table(*, guard, node, epoch, index, row_index, expected, after):
    """Each line of the table decides as the specification says, and leaves exactly that row."""
    platter = stored(row_index=row_index)
    applier = applier_of(platter, guard=guard)
    registration = Registration(1, node, epoch)
    if isinstance(expected, str):
        ruling = applier.apply_registration(index, registration)

        assert ruling.decision == expected
        assert ruling.key == KEY
        assert ruling.value_after == after
        assert ruling.row_writes == (1 if after != OLD else 0)
        assert ruling.seen == RowSeen(OLD, 5, row_index if guard == "index" else 0)
    else:
        with pytest.raises(expected) as caught:
            applier.apply_registration(index, registration)

        assert caught.value.seen.value == OLD
        assert caught.value.seen.last_epoch == 5
    assert platter.synced[KEY] == after


def test_r1_inserts():
    """Without a row, first and last epoch become the entry's, and the side record its index."""
    platter = Platter()

    ruling = applier_of(platter).apply_registration(9, Registration(1, NODE, 3))

    assert ruling.decision == "insert"
    assert ruling.seen == RowSeen()
    assert platter.synced == {KEY: row(3, 3), index_key(KEY): encode_index(9)}


def test_r6_moves_the_side_record():
    """An advance writes its own index beside the row."""
    platter = stored()

    applier_of(platter).apply_registration(21, Registration(1, NODE, 6))

    assert platter.synced[index_key(KEY)] == encode_index(21)


@pytest.mark.parametrize("length", [0, 11, 13])
@pytest.mark.parametrize("node", [NODE, TWIN])
def test_r2_undecodable_row(length, node):
    """A row of the wrong length halts before anything else is looked at, and stays as it is."""
    platter = stored(value=bytes(length))

    with pytest.raises(RegistryValueMalformed) as caught:
        applier_of(platter).apply_registration(30, Registration(1, node, 9))
    assert caught.value.seen == RowSeen(bytes(length))
    assert platter.written[KEY] == bytes(length)


def test_r2_undecodable_side_record():
    """A damaged side record halts too."""
    platter = stored()
    platter.written[index_key(KEY)] = b"\x01"

    with pytest.raises(RegistryValueMalformed):
        applier_of(platter).apply_registration(30, Registration(1, NODE, 9))


@pytest.mark.parametrize("point", ["reg.get_error", "reg.close_error"])
def test_r0_read_failure(point):
    """A failing read halts without a decision and without a write."""
    platter = stored()
    probe = LabProbe(point, "error")

    with pytest.raises(RegistryStorageFailed) as caught:
        applier_of(platter, probe).apply_registration(30, Registration(1, NODE, 9))
    assert caught.value.seen == RowSeen()
    assert platter.written == stored().written


def test_write_failure_tells_what_was_seen():
    """A failing write halts, and the error still carries the row before."""
    platter = stored()
    probe = LabProbe("reg.set_error", "error")

    with pytest.raises(RegistryStorageFailed) as caught:
        applier_of(platter, probe).apply_registration(30, Registration(1, NODE, 9))
    assert caught.value.seen == RowSeen(OLD, 5, ROW_INDEX)
    assert platter.written == stored().written


def test_corrupted_row_halts_until_it_is_repaired():
    """An injected corruption halts this start and the next ones; with the row repaired the entry applies."""
    platter = stored()
    with pytest.raises(RegistryValueMalformed):
        applier_of(platter, LabProbe("reg.row_corrupt", "error")).apply_registration(
            30, Registration(1, NODE, 9)
        )
    for _ in range(2):
        with pytest.raises(RegistryValueMalformed):
            applier_of(platter).apply_registration(30, Registration(1, NODE, 9))

    platter.written[KEY] = OLD
    ruling = applier_of(platter).apply_registration(30, Registration(1, NODE, 9))

    assert ruling.decision == "advance"


def test_points_of_a_write():
    """A registration that writes passes its crash points in this order."""
    probe = LabProbe()

    applier_of(Platter(), probe).apply_registration(1, Registration(1, NODE, 1))

    assert probe.reached == [
        "reg.before_get",
        "reg.after_get_before_set",
        "reg.mid_set",
        "reg.after_set",
    ]


def test_points_of_a_no_op():
    """A no-op reads, and passes no point of writing."""
    probe = LabProbe()

    applier_of(stored(), probe).apply_registration(30, Registration(1, NODE, 5))

    assert probe.reached == ["reg.before_get"]
    assert probe.claims == []


@pytest.mark.parametrize("kind", ["kill", "power"])
def test_row_survives_at_after_set(kind):
    """Whoever dies at reg.after_set leaves the row, a power loss included."""
    platter = Platter()
    with pytest.raises(Crash):
        applier_of(platter, LabProbe("reg.after_set", kind)).apply_registration(
            1, Registration(1, NODE, 1)
        )

    assert platter.after(kind).written[KEY] == row(1, 1)


def test_a_node_has_a_row_for_each_key():
    """Registrations of one node under two data keys do not touch each other's row."""
    platter = Platter()
    applier = applier_of(platter)
    applier.apply_registration(1, Registration(1, NODE, 5))

    ruling = applier.apply_registration(2, Registration(2, NODE, 0))

    assert ruling.decision == "insert"
    assert platter.synced[registry_key(1, node16(NODE))] == row(5, 5)
    assert platter.synced[registry_key(2, node16(NODE))] == row(0, 0)


def test_key_zero_is_not_refused():
    """The reserved data key 0 registers like any other."""
    assert (
        applier_of(Platter()).apply_registration(1, Registration(0, NODE, 0)).decision == "insert"
    )


@pytest.mark.parametrize(
    ("method", "payload"),
    [
        ("apply_bootstrap", Bootstrap(1, b"a", 2, b"b", ())),
        ("apply_rotation", Rotation(1, 3, 1, b"c", Registration(3, NODE, 1))),
    ],
)
def test_keys_need_a_key_encryption_key(method, payload):
    """Bootstrap and rotation halt with their own error, and write nothing."""
    platter = Platter()

    with pytest.raises(KekNotConfigured):
        getattr(applier_of(platter), method)(4, payload)
    assert platter.written == {}


def test_no_registry_is_refused_at_construction():
    """An applier without a registry cannot be built."""
    with pytest.raises(TypeError, match="registry"):
        EncryptionApplier(None, SilentProbe())


@pytest.mark.parametrize(
    "error",
    [
        KekNotConfigured,
        LocalEpochRollback,
        RegistryInconsistent,
        RegistryStorageFailed,
        RegistryValueMalformed,
        WriterUint16Collision,
    ],
)
def test_halts_share_a_mark(error):
    """Every reason to halt is an EncryptionApplyError."""
    assert issubclass(error, EncryptionApplyError)


def test_halt_explains_itself():
    """A rollback's message names entry, key, both epochs and the row's index."""
    with pytest.raises(LocalEpochRollback) as caught:
        applier_of(stored()).apply_registration(33, Registration(1, NODE, 4))

    for part in ("entry 33", "key 1", "epoch 4", "last epoch 5", "entry 20", f"{NODE:016x}"):
        assert part in str(caught.value)


def test_row_writes_counts_only_durable_ones():
    """The registry counts a row once it is durable."""
    platter = Platter()
    probe = LabProbe("reg.mid_set", "kill")
    registry = registry_of(platter, probe)

    with pytest.raises(Crash):
        EncryptionApplier(registry, probe).apply_registration(1, Registration(1, NODE, 1))
    assert registry.row_writes == 0
