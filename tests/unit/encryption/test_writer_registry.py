"""The registry on a store: one synced batch a row, failures that become halts, stores it refuses."""

import pytest
from machine_lab import STORE_PATH, LabProbe, Platter, PlatterStore

from cluster.encryption.errors import (
    EncryptionApplyError,
    RegistryStorageFailed,
    RegistryValueMalformed,
    UnsupportedStoreForWriterRegistry,
)
from cluster.encryption.registry import writer_registry_for
from cluster.encryption.registry_rows import encode_index, index_key, registry_key
from cluster.probe import Crash, SilentProbe
from cluster.storage.memory_store import MemoryStore

KEY = registry_key(1, 2)
VALUE = bytes(range(12))


def opened(probe=None, rows=()):
    probe = probe or LabProbe()
    store = PlatterStore(Platter(rows), probe)
    return writer_registry_for(store, probe, STORE_PATH), store


def test_set_is_one_synced_batch():
    """Row and side record are written together, synced, without moving the applied index."""
    registry, store = opened()

    registry.set_registry_row(KEY, VALUE, 7)

    puts = [(KEY, VALUE), (index_key(KEY), encode_index(7))]
    assert store.batches == [{"puts": puts, "deletes": [], "index": None, "sync": True}]
    assert registry.get_registry_row(KEY) == VALUE
    assert registry.get_row_index(KEY) == 7
    assert registry.row_writes == 1


def test_claim_after_the_row_is_durable():
    """D1 is claimed once for each row, for the store's path, and it is true."""
    probe = LabProbe()
    registry, _ = opened(probe)

    registry.set_registry_row(KEY, VALUE, 7)

    assert probe.claims == [("D1", STORE_PATH, True)]


def test_missing_row_is_no_error():
    """A row that was never written reads as None, its index as 0."""
    registry, _ = opened()

    assert registry.get_registry_row(KEY) is None
    assert registry.get_row_index(KEY) == 0


def test_missing_side_record_means_unknown():
    """A row without a side record has index 0."""
    registry, _ = opened(rows=[(KEY, VALUE)])

    assert registry.get_row_index(KEY) == 0


def test_damaged_side_record():
    """A side record of the wrong length halts."""
    registry, _ = opened(rows=[(KEY, VALUE), (index_key(KEY), b"short")])

    with pytest.raises(RegistryValueMalformed):
        registry.get_row_index(KEY)


@pytest.mark.parametrize("kind", ["kill", "power"])
def test_crash_between_write_and_sync(kind):
    """At reg.mid_set a killed process leaves row and side record, a power loss leaves neither."""
    probe = LabProbe("reg.mid_set", kind)
    registry, store = opened(probe)

    with pytest.raises(Crash):
        registry.set_registry_row(KEY, VALUE, 7)

    survivors = store.platter.after(kind).written
    assert set(survivors) == ({KEY, index_key(KEY)} if kind == "kill" else set())
    assert probe.claims == []


@pytest.mark.parametrize("point", ["reg.get_error", "reg.close_error"])
def test_injected_read_failure(point):
    """An armed read failure is recorded, and nobody sees the value."""
    probe = LabProbe(point, "error")
    registry, _ = opened(probe, rows=[(KEY, VALUE)])

    with pytest.raises(RegistryStorageFailed, match=point):
        registry.get_registry_row(KEY)
    assert probe.reached == [point]


def test_injected_write_failure():
    """An armed write failure is recorded, and nothing is written."""
    probe = LabProbe("reg.set_error", "error")
    registry, store = opened(probe)

    with pytest.raises(RegistryStorageFailed, match="injected"):
        registry.set_registry_row(KEY, VALUE, 7)
    assert probe.reached == ["reg.set_error"]
    assert store.batches == []
    assert registry.row_writes == 0


@pytest.mark.parametrize(("rows", "left"), [([(KEY, VALUE)], VALUE[:11]), ([], bytes(11))])
def test_injected_corruption_stays(rows, left):
    """An armed corruption leaves 11 bytes in the store, durably, and they are what is read."""
    probe = LabProbe("reg.row_corrupt", "error")
    registry, store = opened(probe, rows)

    assert registry.get_registry_row(KEY) == left
    assert store.platter.after("power").written[KEY] == left
    assert probe.reached == ["reg.row_corrupt"]


@pytest.mark.parametrize(
    "call",
    [
        lambda registry: registry.get_registry_row(KEY),
        lambda registry: registry.get_row_index(KEY),
        lambda registry: registry.set_registry_row(KEY, VALUE, 7),
    ],
)
def test_failing_store_halts(call):
    """Whatever the store cannot do is an apply error."""
    registry, store = opened()
    store.broken = True

    with pytest.raises(EncryptionApplyError, match="EIO"):
        call(registry)


def test_failing_store_cannot_be_damaged_further():
    """A corruption ordered on a failed store is a storage failure as well."""
    registry, store = opened(LabProbe("reg.row_corrupt", "error"))
    store.broken = True

    with pytest.raises(RegistryStorageFailed):
        registry.get_registry_row(KEY)


@pytest.mark.parametrize("store", [None, MemoryStore(), object()])
def test_unsupported_stores_are_refused(store):
    """No store, a store of memory and something else are refused when the node is built."""
    with pytest.raises(UnsupportedStoreForWriterRegistry, match=type(store).__name__):
        writer_registry_for(store, SilentProbe(), STORE_PATH)


def test_refusal_is_no_apply_error():
    """Refusing a store refuses the start; it halts nothing."""
    assert not issubclass(UnsupportedStoreForWriterRegistry, EncryptionApplyError)
