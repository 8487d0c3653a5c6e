"""The check in front of the halt: would this registration, proposed now, stop the cluster?

A rollback or an identity collision halts every replica once it is committed. So the leader foresees the row:
the stored one, changed by every registration in its log that is not applied yet (two registrations of one writer
may be in flight), and refuses what would halt. A refusal is definite: nothing was proposed. Whatever is admitted
stands in the log behind exactly the entries that were folded, so it cannot halt when it is applied. Source:
design, head ("Rollbacks and identity collisions halt").

Only the leader may ask, and only once the no-op of its own term is applied; before, it answers `NotReady`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cluster.encryption.errors import EncryptionApplyError, RegistryValueMalformed
from cluster.encryption.identity import node16
from cluster.encryption.payloads import Registration, decode_registration
from cluster.encryption.registry_rows import RegistryRow, decode_row, registry_key
from cluster.machine.entries import OPCODE_REGISTRATION, body_of, opcode_of
from cluster.raft.messages import Entry

__all__ = [
    "CollisionRefused",
    "LeaderCheck",
    "NotReady",
    "RegistrationRefused",
    "RollbackRefused",
    "RowUnreadable",
]


class RegistrationRefused(Exception):
    """The registration was not proposed. `code` is the status word of the admin surface; always definite."""

    code = "FailedPrecondition"


class RollbackRefused(RegistrationRefused):
    """The epoch is below what the row will have seen; register with a larger one."""


class CollisionRefused(RegistrationRefused):
    """The row will belong to another node with the same low 16 bits; use another node id."""


class NotReady(RegistrationRefused):
    """This leader has not applied the no-op of its own term; try again soon."""

    code = "Unavailable"


class RowUnreadable(RegistrationRefused):
    """The stored row is damaged on the leader; repair or replace that node."""

    code = "Internal"


class LeaderCheck:
    """Foresees registry rows behind `tail`.

    `lookup` returns the stored value of a registry key at the leader's applied index, `tail` are its log entries
    behind that index, in order, committed or not.
    """

    def __init__(self, lookup: Callable[[bytes], bytes | None], tail: Iterable[Entry]) -> None:
        self._lookup = lookup
        self._foreseen: dict[bytes, RegistryRow | None] = {}
        for entry in tail:
            if opcode_of(entry.data) == OPCODE_REGISTRATION:
                self._fold(body_of(entry.data))

    def admit(self, registration: Registration) -> None:
        """Return if the registration cannot halt behind the tail. Raises RegistrationRefused.

        Folds nothing: the next check is made over the log that then holds what was proposed.
        """
        row = self._row(registration)
        if row is None:
            return
        if row.full_node_id != registration.full_node_id:
            raise CollisionRefused(
                f"node {registration.full_node_id:016x} collides with {row.full_node_id:016x} "
                f"under key {registration.dek_id}"
            )
        if registration.local_epoch < row.last_seen_epoch:
            raise RollbackRefused(
                f"epoch {registration.local_epoch} of node {registration.full_node_id:016x} under key "
                f"{registration.dek_id} is below {row.last_seen_epoch}"
            )

    def _fold(self, body: bytes) -> None:
        """Take in one registration of the tail. One that will halt changes no row."""
        try:
            registration = decode_registration(body)
            row = self._row(registration)
        except (EncryptionApplyError, RowUnreadable):
            return
        epoch = registration.local_epoch
        key = _key(registration)
        if row is None:
            self._foreseen[key] = RegistryRow(registration.full_node_id, epoch, epoch)
        elif row.full_node_id == registration.full_node_id and epoch > row.last_seen_epoch:
            self._foreseen[key] = RegistryRow(row.full_node_id, row.first_seen_epoch, epoch)

    def _row(self, registration: Registration) -> RegistryRow | None:
        """Return the row as it will be behind what was folded. Raises RowUnreadable."""
        key = _key(registration)
        if key not in self._foreseen:
            value = self._lookup(key)
            try:
                self._foreseen[key] = None if value is None else decode_row(value)
            except RegistryValueMalformed as error:
                raise RowUnreadable(str(error)) from error
        return self._foreseen[key]


def _key(registration: Registration) -> bytes:
    return registry_key(registration.dek_id, node16(registration.full_node_id))
