"""What a committed encryption entry does to this replica: the decision table of registrations.

`EncryptionApplier` reads one row, decides (`decide`, pure), says what the row must become (`row_after`, pure)
and has it written; one entry is one call, and the caller serialises them. Bootstrap and rotation need a key
that this stage does not have, so they halt. It owns no state of its own: what it knows is in the registry.
Source: design §3.2 (steps R0-R6), §3.10 rule 2 (the index guard).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cluster.encryption.errors import (
    EncryptionApplyError,
    KekNotConfigured,
    LocalEpochRollback,
    RegistryInconsistent,
    RowSeen,
    WriterUint16Collision,
)
from cluster.encryption.identity import node16
from cluster.encryption.payloads import Bootstrap, Registration, Rotation
from cluster.encryption.registry import WriterRegistryStore
from cluster.encryption.registry_rows import RegistryRow, decode_row, encode_row, registry_key
from cluster.probe import Probe

__all__ = ["Decision", "EncryptionApplier", "RowReplayGuard", "Ruling"]

RowReplayGuard = Literal["index", "epoch"]
"""``index``: a replayed older entry is known by its raft index. ``epoch``: it is not (the original system)."""

Decision = Literal[
    "insert",
    "advance",
    "noop",
    "noop_older",
    "collision",
    "rollback",
    "inconsistent",
]

_HALTS: dict[Decision, tuple[type[EncryptionApplyError], str]] = {
    "collision": (WriterUint16Collision, "the row belongs to another node"),
    "rollback": (LocalEpochRollback, "the row has seen a larger epoch"),
    "inconsistent": (
        RegistryInconsistent,
        "the row is newer than the entry but has not seen its epoch",
    ),
}


class Ruling(msgspec.Struct, frozen=True, gc=False):
    """How a registration was settled without a halt.

    `seen` is the row before, `key` its registry key, `value_after` the 12 bytes behind it, `row_writes` how many
    durable writes that took.
    """

    decision: Decision
    key: bytes
    seen: RowSeen
    value_after: bytes
    row_writes: int


class EncryptionApplier:
    """Applies encryption entries to one group's registry. Raises EncryptionApplyError where the replica must halt."""

    def __init__(
        self,
        registry: WriterRegistryStore,
        probe: Probe,
        row_replay_guard: RowReplayGuard = "index",
    ) -> None:
        """Raises TypeError without a registry: found at the start, not at the first registration."""
        if registry is None:
            raise TypeError("an EncryptionApplier needs a writer registry; got None")
        self._registry = registry
        self._probe = probe
        self._guarded_by_index = row_replay_guard == "index"

    def apply_registration(self, index: int, registration: Registration) -> Ruling:
        """Settle the registration committed at raft index `index`; a changed row is durable on return.

        Raises RegistryStorageFailed and RegistryValueMalformed (this replica's store), WriterUint16Collision and
        LocalEpochRollback (the entry), RegistryInconsistent (one of them). Nothing is written then.
        """
        key = self.row_key(registration)
        self._probe.reach("reg.before_get")
        value = self._registry.get_registry_row(key)
        row, seen = self._read(key, value)
        decision = self.decide(row, registration, index, seen.row_index)
        halt = _HALTS.get(decision)
        if halt is not None:
            error, why = halt
            raise error(_explain(why, index, registration, row, seen), seen)
        after = self.row_after(decision, row, registration)
        if after is None:
            return Ruling(decision, key, seen, seen.value, 0)
        self._probe.reach("reg.after_get_before_set")
        value_after = encode_row(after)
        writes_before = self._registry.row_writes
        try:
            self._registry.set_registry_row(key, value_after, index)
        except EncryptionApplyError as error:
            error.seen = seen
            raise
        self._probe.reach("reg.after_set")
        return Ruling(decision, key, seen, value_after, self._registry.row_writes - writes_before)

    def apply_bootstrap(self, index: int, bootstrap: Bootstrap) -> None:
        """Raises KekNotConfigured: this stage has no key to unwrap the data keys with."""
        raise KekNotConfigured(
            f"bootstrap at index {index} (keys {bootstrap.storage_dek_id}, {bootstrap.raft_dek_id}) "
            "needs a key-encryption key, and none is configured"
        )

    def apply_rotation(self, index: int, rotation: Rotation) -> None:
        """Raises KekNotConfigured: this stage has no key to unwrap the data key with."""
        raise KekNotConfigured(
            f"rotation 0x{rotation.sub_tag:02x} of key {rotation.dek_id} at index {index} "
            "needs a key-encryption key, and none is configured"
        )

    def row_key(self, registration: Registration) -> bytes:
        """Return the key of the row that the registration speaks of: one row for each key and node."""
        return registry_key(registration.dek_id, node16(registration.full_node_id))

    def decide(
        self, row: RegistryRow | None, registration: Registration, index: int, row_index: int
    ) -> Decision:
        """Return R1 and R3-R6 of the design in their order; the first that matches decides.

        Identity comes before any epoch (a foreign node at an equal epoch is no replay), the equal epoch before the
        index guard (so the replay of the newest entry is a no-op however old the store is). `row_index` 0 disables
        the guard, since raft indexes start at 1.
        """
        if row is None:
            return "insert"
        if row.full_node_id != registration.full_node_id:
            return "collision"
        if registration.local_epoch == row.last_seen_epoch:
            return "noop"
        if registration.local_epoch < row.last_seen_epoch:
            return "noop_older" if index <= row_index else "rollback"
        return "inconsistent" if index <= row_index else "advance"

    def row_after(
        self, decision: Decision, row: RegistryRow | None, registration: Registration
    ) -> RegistryRow | None:
        """Return what must be written, or None for no write at all."""
        epoch = registration.local_epoch
        if decision == "insert":
            return RegistryRow(registration.full_node_id, epoch, epoch)
        if decision == "advance" and row is not None:
            return RegistryRow(row.full_node_id, row.first_seen_epoch, epoch)
        return None

    def _read(self, key: bytes, value: bytes | None) -> tuple[RegistryRow | None, RowSeen]:
        """Decode what the registry returned. Raises RegistryValueMalformed (R2), RegistryStorageFailed."""
        if value is None:
            return None, RowSeen()
        try:
            row = decode_row(value)
            row_index = self._registry.get_row_index(key) if self._guarded_by_index else 0
        except EncryptionApplyError as error:
            error.seen = RowSeen(value)
            raise
        return row, RowSeen(value, row.last_seen_epoch, row_index)


def _explain(
    why: str, index: int, registration: Registration, row: RegistryRow | None, seen: RowSeen
) -> str:
    """Put the numbers that a halt rests on into words."""
    owner = 0 if row is None else row.full_node_id
    changed = f", changed at entry {seen.row_index}" if seen.row_index else ""
    return (
        f"{why}: entry {index} registers node {registration.full_node_id:016x} under key "
        f"{registration.dek_id} at epoch {registration.local_epoch}; the row belongs to {owner:016x}, "
        f"last epoch {seen.last_epoch}{changed}"
    )
