"""The writer registry as the applier sees it: two reads and one durable write.

`WriterRegistryStore` is the port (design §1.1, §3.10), `StateStoreRegistry` its adapter on a `StateStore`,
`writer_registry_for` the only way to get one. Nothing here decides what a row should say. Every failure of the
store becomes `RegistryStorageFailed`: a replica that cannot read or write its registry halts, it never
guesses. The adapter is also where a fault plan makes the store fail (`reg.*_error`, `reg.row_corrupt`).
"""

from __future__ import annotations

from typing import Protocol

from cluster.encryption.errors import RegistryStorageFailed, UnsupportedStoreForWriterRegistry
from cluster.encryption.registry_rows import decode_index, encode_index, index_key
from cluster.probe import Probe
from cluster.storage.state_store import StateStore, StoreFailed

__all__ = ["StateStoreRegistry", "WriterRegistryStore", "writer_registry_for"]

_DAMAGED_ROW_BYTES = 11
_ROW_BYTES = 12


class WriterRegistryStore(Protocol):
    """Where registry rows live. Every method raises RegistryStorageFailed, after which the replica halts."""

    row_writes: int
    """How many row writes became durable since the registry was opened; only grows."""

    def get_registry_row(self, key: bytes) -> bytes | None:
        """Return the raw value of the row, or None: a missing row is no error."""

    def get_row_index(self, key: bytes) -> int:
        """Return the raft index of the row's last change, 0 when there is no record of it.

        Raises RegistryValueMalformed for a damaged record.
        """

    def set_registry_row(self, key: bytes, value: bytes, index: int) -> None:
        """Write the row and its raft index together; both are durable when this returns."""


class StateStoreRegistry:
    """The port on a `StateStore`; `path` is what the durability claim D1 speaks of."""

    def __init__(self, store: StateStore, probe: Probe, path: str) -> None:
        self.row_writes = 0
        self.store = store
        self.probe = probe
        self._path = path

    def get_registry_row(self, key: bytes) -> bytes | None:
        """See `WriterRegistryStore`."""
        if self.probe.armed("reg.get_error"):
            self.probe.reach("reg.get_error")
            raise RegistryStorageFailed("reading the row failed (injected: reg.get_error)")
        if self.probe.armed("reg.row_corrupt"):
            self.probe.reach("reg.row_corrupt")
            self._damage(key)
        try:
            value = self.store.get(key)
        except StoreFailed as error:
            raise RegistryStorageFailed(f"reading the row failed: {error}") from error
        self.close_read()
        return value

    def get_row_index(self, key: bytes) -> int:
        """See `WriterRegistryStore`."""
        try:
            value = self.store.get(index_key(key))
        except StoreFailed as error:
            raise RegistryStorageFailed(f"reading the row's index failed: {error}") from error
        return 0 if value is None else decode_index(value)

    def set_registry_row(self, key: bytes, value: bytes, index: int) -> None:
        """See `WriterRegistryStore`."""
        if self.probe.armed("reg.set_error"):
            self.probe.reach("reg.set_error")
            raise RegistryStorageFailed("writing the row failed (injected: reg.set_error)")
        try:
            self.commit([(key, value), (index_key(key), encode_index(index))])
        except StoreFailed as error:
            raise RegistryStorageFailed(f"writing the row failed: {error}") from error
        self.row_writes += 1
        self.probe.claim("D1", self._path)

    def close_read(self) -> None:
        """End a read. The store may declare here that what it returned is suspect: then nobody sees it."""
        if self.probe.armed("reg.close_error"):
            self.probe.reach("reg.close_error")
            raise RegistryStorageFailed("the row read is suspect (injected: reg.close_error)")

    def commit(self, puts: list[tuple[bytes, bytes]]) -> None:
        """Write row and side record in one batch, synced whatever else the store does."""
        self.store.batch(puts, sync=True, crash_point="reg.mid_set")

    def _damage(self, key: bytes) -> None:
        """Cut the row short by one byte, as a damaged store would return it from now on."""
        try:
            value = self.store.get(key) or bytes(_ROW_BYTES)
            self.store.batch([(key, value[:_DAMAGED_ROW_BYTES])], sync=True)
        except StoreFailed as error:
            raise RegistryStorageFailed(f"damaging the row failed: {error}") from error


def writer_registry_for(store: StateStore | None, probe: Probe, path: str) -> WriterRegistryStore:
    """Return the registry on `store`, whose files lie below `path`.

    Raises UnsupportedStoreForWriterRegistry for no store and for one that does not keep synced rows:
    better refused at the start than found out at the first registration, after it was committed.
    """
    if store is None or getattr(store, "durable_rows", False) is not True:
        raise UnsupportedStoreForWriterRegistry(
            f"the writer registry needs a store that keeps synced rows; got {type(store).__name__}"
        )
    return StateStoreRegistry(store, probe, path)
