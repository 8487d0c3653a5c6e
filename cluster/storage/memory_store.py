"""`MemoryStore`: the `StateStore` contract in a dict, for unit tests. Nothing in it is durable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cluster.probe import Probe
from cluster.storage.state_store import APPLIED_INDEX_KEY, StoreFailed

__all__ = ["MemoryStore"]


class MemoryStore:
    """See `StateStore`. A probe may be handed in; crash points of batches are reached on it."""

    durable_rows = False
    """Whether a synced batch survives a power loss (asked by `writer_registry_for`)."""

    def __init__(self, probe: Probe | None = None) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._probe = probe
        self._closed = False

    def batch(
        self,
        puts: Sequence[tuple[bytes, bytes]],
        deletes: Sequence[bytes] = (),
        *,
        applied_index: int | None = None,
        sync: bool,
        crash_point: str = "",
    ) -> None:
        """See `StateStore.batch`; `sync` means nothing here."""
        self._check()
        for key in deletes:
            self._rows.pop(key, None)
        self._rows.update(puts)
        if applied_index is not None and applied_index > self.applied_index():
            self._rows[APPLIED_INDEX_KEY] = applied_index.to_bytes(8, "little")
        if crash_point and self._probe is not None:
            self._probe.reach(crash_point)

    def get(self, key: bytes) -> bytes | None:
        """See `StateStore.get`."""
        self._check()
        return self._rows.get(key)

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """See `StateStore.scan`."""
        self._check()
        return sorted(pair for pair in self._rows.items() if pair[0].startswith(prefix))

    def applied_index(self) -> int:
        """See `StateStore.applied_index`."""
        self._check()
        return int.from_bytes(self._rows.get(APPLIED_INDEX_KEY, b""), "little")

    def load(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """See `StateStore.load`."""
        self._check()
        self._rows = dict(pairs)

    def close(self) -> None:
        """See `StateStore.close`; what was in it is gone."""
        self._closed = True

    def abandon(self) -> None:
        """See `StateStore.abandon`."""
        self._closed = True

    def _check(self) -> None:
        if self._closed:
            raise StoreFailed("the store is closed")
