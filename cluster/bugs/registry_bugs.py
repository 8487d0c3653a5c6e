"""Seeded bugs of the writer registry and its applier, each a small override of one part.

Every class or function here is wrong on purpose, in one way that the design's bug catalogue (§1.3) names; the
harness must convict it. `BUGS` says under which replay mode and guard each one shows.
"""

from __future__ import annotations

import msgspec

from cluster.bugs.bug import Bug, Way, bug_of
from cluster.encryption.applier import Decision, EncryptionApplier
from cluster.encryption.identity import node16
from cluster.encryption.payloads import Bootstrap, Registration, Rotation
from cluster.encryption.registry import StateStoreRegistry, WriterRegistryStore, writer_registry_for
from cluster.encryption.registry_rows import RegistryRow, registry_key
from cluster.machine.leader_check import LeaderCheck
from cluster.node.replica import Replica
from cluster.probe import Probe
from cluster.storage.state_store import StateStore

__all__ = ["BUGS"]


class EqualEpochHalts(EncryptionApplier):
    """B-S1: ``<=`` is the rollback test, so a replay of the newest registration halts, at every restart."""

    def decide(
        self, row: RegistryRow | None, registration: Registration, index: int, row_index: int
    ) -> Decision:
        decision = super().decide(row, registration, index, row_index)
        return "rollback" if decision == "noop" else decision


class SmallerEpochOverwrites(EncryptionApplier):
    """B-S1b: a new entry with a smaller epoch overwrites the row, which goes backwards."""

    def decide(
        self, row: RegistryRow | None, registration: Registration, index: int, row_index: int
    ) -> Decision:
        decision = super().decide(row, registration, index, row_index)
        return "advance" if decision == "rollback" else decision


class EqualEpochWrites(EncryptionApplier):
    """B-S1c: an equal epoch writes the row anew, and with it the first epoch."""

    def row_after(
        self, decision: Decision, row: RegistryRow | None, registration: Registration
    ) -> RegistryRow | None:
        return super().row_after("insert" if decision == "noop" else decision, row, registration)


class EpochBeforeIdentity(EncryptionApplier):
    """B-S7: epochs are compared first, so a colliding node at an equal epoch passes as a replay."""

    def decide(
        self, row: RegistryRow | None, registration: Registration, index: int, row_index: int
    ) -> Decision:
        if row is not None and registration.local_epoch <= row.last_seen_epoch:
            row = RegistryRow(registration.full_node_id, row.first_seen_epoch, row.last_seen_epoch)
        return super().decide(row, registration, index, row_index)


class MissingKekSkips(EncryptionApplier):
    """B-S8: without a key-encryption key, bootstrap and rotation are taken for done."""

    def apply_bootstrap(self, index: int, bootstrap: Bootstrap) -> None:
        pass

    def apply_rotation(self, index: int, rotation: Rotation) -> None:
        pass


class KeyWithoutDek(EncryptionApplier):
    """B-S11: the registry key omits the data key, so a node has one row for all of them."""

    def row_key(self, registration: Registration) -> bytes:
        return registry_key(0, node16(registration.full_node_id))


class CloseErrorIgnored(StateStoreRegistry):
    """B-S6: the value is used although the store declared it suspect when the read was closed."""

    def close_read(self) -> None:
        self.probe.reach("reg.close_error")


class UnsyncedRow(StateStoreRegistry):
    """B-S10: the row is written without a sync, and durability is claimed all the same."""

    def commit(self, puts: list[tuple[bytes, bytes]]) -> None:
        self.store.batch(puts, sync=False, crash_point="reg.mid_set")


class RowsWithoutIndex(EncryptionApplier):
    """HZ-1: an older entry is not known by its index, so its replay looks like a rollback and halts."""

    def decide(
        self, row: RegistryRow | None, registration: Registration, index: int, row_index: int
    ) -> Decision:
        return super().decide(row, registration, index, 0)


class TailNotForeseen(Replica):
    """HZ-20: a leader checks a registration against rows it has applied, not against the log behind them."""

    def check_registration(self, registration: Registration) -> None:
        LeaderCheck(self.machine.store.get, ()).admit(registration)


class RegistrationsUnchecked(Replica):
    """HZ-21: the leader proposes whatever registration it is asked for, smaller epochs and foreign identities included."""

    def check_registration(self, registration: Registration) -> None:
        return


def _close_error_ignored(store: StateStore | None, probe: Probe, path: str) -> WriterRegistryStore:
    return CloseErrorIgnored(_checked(store, probe, path), probe, path)


def _unsynced_row(store: StateStore | None, probe: Probe, path: str) -> WriterRegistryStore:
    return UnsyncedRow(_checked(store, probe, path), probe, path)


def _any_store_accepted(store: StateStore | None, probe: Probe, path: str) -> WriterRegistryStore:
    """B-S2: the factory builds a registry around whatever it gets; the first registration finds out."""
    return StateStoreRegistry(store, probe, path)  # type: ignore[arg-type]


def _checked(store: StateStore | None, probe: Probe, path: str) -> StateStore:
    """Refuse what the real factory refuses: these two bugs are not about the kind of store."""
    writer_registry_for(store, probe, path)
    assert store is not None
    return store


_SOURCE = "design of the public writer registry that this one models"

_REGISTERING = Way(workload="registry", rate=20.0, time_limit_s=15.0)

BUGS = (
    Bug(
        id="B-S1",
        title="an equal epoch halts",
        source=_SOURCE,
        caught_by=("registry",),
        way=_REGISTERING,
        replay="data or snapshot",
        shows="durability data or snapshot; a registration replayed with no data entry behind it",
        parts={"applier": EqualEpochHalts},
    ),
    Bug(
        id="B-S1b",
        title="a rollback is accepted and overwrites the row",
        source=_SOURCE,
        caught_by=("registry",),
        way=_REGISTERING,
        shows="any durability and guard; a new entry with a smaller epoch",
        parts={"applier": SmallerEpochOverwrites},
    ),
    Bug(
        id="B-S1c",
        title="an equal epoch writes the row",
        source=_SOURCE,
        caught_by=("registry",),
        way=_REGISTERING,
        shows="any guard; an equal epoch, replayed or registered twice",
        parts={"applier": EqualEpochWrites},
    ),
    Bug(
        id="B-S2",
        title="the registry accepts an unsupported store",
        source=_SOURCE,
        caught_by=(),
        way=None,
        shows="a node started with a memory store: tests/unit/machine/test_registry_bugs.py, no scenario chooses a store",
        parts={"registry": _any_store_accepted},
    ),
    Bug(
        id="B-S6",
        title="an error at the end of a read is ignored",
        source=_SOURCE,
        caught_by=("registry",),
        way=_REGISTERING,
        shows="reg.close_error armed",
        parts={"registry": _close_error_ignored},
    ),
    Bug(
        id="B-S7",
        title="the epoch is tested before the identity",
        source=_SOURCE,
        caught_by=("registry",),
        way=_REGISTERING,
        shows="two node ids that share 16 bits, the second with an equal epoch",
        parts={"applier": EpochBeforeIdentity},
    ),
    Bug(
        id="B-S8",
        title="bootstrap and rotation without a key are skipped",
        source=_SOURCE,
        caught_by=("registry",),
        way=_REGISTERING,
        shows="a raw bootstrap or rotation entry",
        parts={"applier": MissingKekSkips},
    ),
    Bug(
        id="B-S10",
        title="the row is not synced",
        source=_SOURCE,
        caught_by=("durability",),
        way=_REGISTERING,
        shows="the claim D1 in the ledger; in data only through it, since replay writes the row again",
        parts={"registry": _unsynced_row},
    ),
    Bug(
        id="B-S11",
        title="rows of different data keys are mixed",
        source=_SOURCE,
        caught_by=("registry",),
        way=_REGISTERING,
        shows="one node registered under two data keys",
        parts={"applier": KeyWithoutDek},
    ),
    bug_of(
        RowsWithoutIndex,
        source=_SOURCE,
        shows="a restart with two registrations of one writer and no data entry behind them",
        caught_by=("registry",),
        way=_REGISTERING,
        replay="data or snapshot",
        guard="epoch",
        applier=RowsWithoutIndex,
    ),
    bug_of(
        TailNotForeseen,
        source=_SOURCE,
        shows="a smaller epoch asked for while a larger one is on its way",
        caught_by=("registry",),
        way=msgspec.structs.replace(_REGISTERING, seeds=80),
        replica=TailNotForeseen,
    ),
    bug_of(
        RegistrationsUnchecked,
        source=_SOURCE,
        shows="a smaller epoch or a colliding identity",
        caught_by=("registry",),
        way=_REGISTERING,
        replica=RegistrationsUnchecked,
    ),
)
