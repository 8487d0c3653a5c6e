"""The `StateStore`: the ordered key-value store that holds a replica's applied state.

Here stand the protocol, its errors and the meta key. Implementations: `sqlite_store` (the real
engine on a `Disk`) and `memory_store` (unit tests; refused by `writer_registry_for`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

__all__ = ["APPLIED_INDEX_KEY", "StateStore", "StoreFailed", "StoreRefused"]

APPLIED_INDEX_KEY = b"_meta_applied_index"
"""Meta key of the durable applied index, a u64 little-endian (spec §2.10)."""


class StoreFailed(Exception):
    """The store or its disk failed; the store is finished and must not be used again (EIO is final)."""


class StoreRefused(Exception):
    """The store on disk is damaged (page checksum, not a database); opening it was refused."""


class StateStore(Protocol):
    """An ordered map from bytes to bytes with atomic batches.

    Every method raises `StoreFailed` after a failure of the disk; from then on every call does.
    """

    durable_rows: bool
    """Whether a synced batch survives a power loss: True for the real engine, False for `MemoryStore`.

    The writer registry is refused on a store without it (`UnsupportedStoreForWriterRegistry`).
    """

    def batch(
        self,
        puts: Sequence[tuple[bytes, bytes]],
        deletes: Sequence[bytes] = (),
        *,
        applied_index: int | None = None,
        sync: bool,
        crash_point: str = "",
    ) -> None:
        """Apply deletes, then puts, then the applied index, all or nothing, in one transaction.

        `crash_point` is reached on the probe after the write to the store's log and before its fsync.

        With `sync` the batch and every earlier one are durable when the call returns. `applied_index` moves
        the durable applied index; a value not above the present one leaves it alone (spec §7.4).
        """

    def get(self, key: bytes) -> bytes | None:
        """Return the value of `key`, or None."""

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Return all (key, value) pairs whose key starts with `prefix`, in key order."""

    def applied_index(self) -> int:
        """Return the applied index of the newest batch that carried one; 0 when none did."""

    def load(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Replace the whole content by `pairs` (meta keys included), atomically and synced."""

    def abandon(self) -> None:
        """The node died: let go of everything and touch the disk no more. Never raises.

        May be called in any state, after the disk died too.
        """

    def close(self) -> None:
        """Close; nothing un-synced is synced by it on purpose. A second call does nothing."""
