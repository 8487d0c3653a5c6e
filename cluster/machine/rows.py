"""Which rows a state machine keeps, and the changes not committed yet in front of them.

Every replicated row belongs to one family by its prefix: user data, sessions, or the writer registry (whose
keys `cluster.encryption.registry_rows` knows). `StagedRows` collects the changes of consecutive entries, so that
they become durable in one batch: reads see them, the store does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster.storage.state_store import StateStore

if TYPE_CHECKING:
    from cluster.machine.state_hash import StateHash

__all__ = ["SESSION_PREFIX", "USER_PREFIX", "StagedRows", "session_key", "user_key"]

USER_PREFIX = b"kv|"
SESSION_PREFIX = b"!session|"


def user_key(key: str) -> bytes:
    """Return the store's key of a client's key."""
    return USER_PREFIX + key.encode()


def session_key(client: str) -> bytes:
    """Return the store's key of a client's session."""
    return SESSION_PREFIX + client.encode()


class StagedRows:
    """Changes in front of `store`; each one is told to `state_hash`."""

    def __init__(self, store: StateStore, state_hash: StateHash) -> None:
        self._store = store
        self._state_hash = state_hash
        self._staged: dict[bytes, bytes | None] = {}

    def get(self, key: bytes) -> bytes | None:
        """Return the newest value, staged or stored. Raises StoreFailed."""
        if key in self._staged:
            return self._staged[key]
        return self._store.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        """Stage a value."""
        self._staged[key] = value
        self._state_hash.note_put(key, value)

    def delete(self, key: bytes) -> None:
        """Stage a removal; a missing key is no error."""
        self._staged[key] = None
        self._state_hash.note_delete(key)

    def changes(self) -> tuple[list[tuple[bytes, bytes]], list[bytes]]:
        """Return (puts, deletes) in the order in which their keys were first touched."""
        puts: list[tuple[bytes, bytes]] = []
        deletes: list[bytes] = []
        for key, value in self._staged.items():
            if value is None:
                deletes.append(key)
            else:
                puts.append((key, value))
        return puts, deletes

    def clear(self) -> None:
        """Forget the changes: the store has them now."""
        self._staged.clear()
