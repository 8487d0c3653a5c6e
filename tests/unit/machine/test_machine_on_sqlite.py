"""The state machine on the real engine over a simulated disk: the promises hold where they are made."""

import random

import pytest
from machine_lab import NODE, registration_payload

from cluster.encryption.applier import EncryptionApplier
from cluster.encryption.registry import StateStoreRegistry, writer_registry_for
from cluster.machine.entries import encode_entry
from cluster.machine.kv_requests import KvRequest, encode_kv
from cluster.machine.machine import MachineConfig, StateMachine
from cluster.probe import Crash, SilentProbe
from cluster.raft.messages import Entry
from cluster.storage.directories import make_directories
from cluster.storage.sim_disk import SimDisk
from cluster.storage.sqlite_store import SqliteStore

STORE = "g0/store"
PAYLOADS = [
    encode_kv(KvRequest("c", 1, "append", "k", 1)),
    registration_payload(1),
    registration_payload(2),
    encode_kv(KvRequest("c", 2, "append", "k", 2)),
    registration_payload(3),
]


class DiskProbe(SilentProbe):
    """Dies at one point, and asks the disk whether claims are true."""

    def __init__(self, disk, point=""):
        self.point = point
        self.false_claims = []
        self._disk = disk

    def reach(self, point):
        if point == self.point:
            raise Crash(point, "power")

    def claim(self, durable_id, path):
        missing = self._disk.unsynced(path)
        if missing:
            self.false_claims.append((durable_id, missing))


def opened(disk, probe):
    store = SqliteStore.open(disk, STORE, probe)
    applier = EncryptionApplier(writer_registry_for(store, probe, STORE), probe)
    return StateMachine(store, applier, probe, MachineConfig(store_path=STORE))


def live(disk, point=""):
    """Apply what is left and return (state hash, k, probe); a crash loses the disk's power."""
    probe = DiskProbe(disk, point)
    machine = opened(disk, probe)
    try:
        for at in range(machine.applied, len(PAYLOADS)):
            assert not machine.apply(Entry(at + 1, 1, encode_entry(at, PAYLOADS[at]))).halt
            assert machine.flush() is None
        result = machine.state_hash(), machine.read("k"), probe
    except Crash:
        result = 0, None, probe
    machine.store.abandon()
    return result


@pytest.fixture
def disk():
    """A disk with the store's directory on it."""
    disk = SimDisk()
    make_directories(disk, STORE)
    return disk


def test_claims_are_true(disk):
    """Rows, runs and applied indexes are durable when they are claimed."""
    state_hash, value, probe = live(disk)

    assert state_hash != 0
    assert value == [1, 2]
    assert probe.false_claims == []


@pytest.mark.parametrize(
    "point", ["reg.before_get", "reg.mid_set", "reg.after_set", "reg.after_return"]
)
@pytest.mark.parametrize("seed", range(3))
def test_power_loss_and_replay(disk, point, seed):
    """Two power losses at a point and a replay end in the state of a replica that never died."""
    other = SimDisk()
    make_directories(other, STORE)
    expected = live(other)[:2]
    below = random.Random(seed).randrange
    for _ in range(2):
        assert live(disk, point)[0] == 0
        disk.power_loss(below)

    state_hash, value, probe = live(disk)

    assert (state_hash, value) == expected
    assert probe.false_claims == []


def test_unsynced_row_is_seen_by_the_ledger(disk):
    """A registry that does not sync makes a false claim on the real engine."""

    class Unsynced(StateStoreRegistry):
        def commit(self, puts):
            self.store.batch(puts, sync=False)

    probe = DiskProbe(disk)
    store = SqliteStore.open(disk, STORE, probe)
    Unsynced(store, probe, STORE).set_registry_row(
        b"!encryption|writers|" + bytes(7), NODE.to_bytes(12), 1
    )
    store.abandon()

    assert [durable_id for durable_id, _ in probe.false_claims] == ["D1"]
