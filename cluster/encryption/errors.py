"""What can go wrong with encryption entries and the writer registry, by who is at fault.

`EncryptionApplyError` marks everything that halts the replica that meets it while applying (design §4.1,
appendix B): the applied index stays below the entry, and the same entry is met again at every restart.
`seen` carries what the replica had read of the row by then, so that a halt explains itself. Errors that are
not apply errors refuse a start.
"""

from __future__ import annotations

import msgspec

__all__ = [
    "EncryptionApplyError",
    "EncryptionNotWired",
    "FsmWireMalformed",
    "FsmWireSubtagError",
    "FsmWireVersionError",
    "KekNotConfigured",
    "LocalEpochRollback",
    "RegistryInconsistent",
    "RegistryKeyMalformed",
    "RegistryStorageFailed",
    "RegistryValueMalformed",
    "RowSeen",
    "UnknownEncryptionOpcode",
    "UnsupportedStoreForWriterRegistry",
    "WriterUint16Collision",
]


class RowSeen(msgspec.Struct, frozen=True, gc=False):
    """What was read of a registry row before a decision.

    `value` are the raw bytes (empty: no row), `last_epoch` its last seen epoch (-1: no row or undecodable),
    `row_index` the raft index of the row's last change (0: unknown).
    """

    value: bytes = b""
    last_epoch: int = -1
    row_index: int = 0


class EncryptionApplyError(Exception):
    """An encryption entry cannot be applied here; the replica halts at it."""

    def __init__(self, message: str, seen: RowSeen | None = None) -> None:
        super().__init__(message)
        self.seen = seen or RowSeen()


class FsmWireMalformed(EncryptionApplyError):
    """The payload is too short, too long, or holds a value that its format forbids: its proposer is at fault."""


class FsmWireVersionError(EncryptionApplyError):
    """The payload has a version that this binary does not know: a newer node proposed it."""


class FsmWireSubtagError(EncryptionApplyError):
    """The rotation has a sub-tag that this binary does not know, or that is reserved."""


class UnknownEncryptionOpcode(EncryptionApplyError):
    """The opcode lies in the range kept for encryption, and this binary does not know it."""


class EncryptionNotWired(EncryptionApplyError):
    """An encryption entry was committed in a group that has no applier: the node's wiring is at fault."""


class KekNotConfigured(EncryptionApplyError):
    """This replica has no key-encryption key; give it one and restart, the entry is applied again."""


class WriterUint16Collision(EncryptionApplyError):
    """The row belongs to another node whose id shares the low 16 bits; both would draw the same nonces."""


class LocalEpochRollback(EncryptionApplyError):
    """A new entry registers a smaller epoch than the row has seen: a node came back with an old disk."""


class RegistryInconsistent(EncryptionApplyError):
    """The row was changed at or behind this entry's index, yet has not seen its epoch: the store is wrong."""


class RegistryKeyMalformed(EncryptionApplyError):
    """The bytes are not a registry key."""


class RegistryValueMalformed(EncryptionApplyError):
    """The row, or the record of its index, has the wrong length: this replica's store is damaged."""


class RegistryStorageFailed(EncryptionApplyError):
    """This replica's store failed to read or write the row; other replicas are not concerned."""


class UnsupportedStoreForWriterRegistry(Exception):
    """The store cannot keep registry rows durably; the node must not start with encryption on it."""
