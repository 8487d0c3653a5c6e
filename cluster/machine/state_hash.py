"""One number for the whole replicated state, kept up to date row by row.

The hash of a state is the sum modulo 2**64 of the hashes of its rows, so it does not depend on the order of
changes and a change costs one row. Two replicas at one applied index must show the same number (I6), and
so must a snapshot and the state restored from it (I25). What is not the same on every replica, or only
speaks of where a replica stands, is left out: meta keys and the side records of registry rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from cluster.encryption.registry_rows import REGISTRY_PREFIX
from cluster.machine.rows import SESSION_PREFIX, USER_PREFIX

__all__ = ["StateHash", "row_hash"]

_REPLICATED = (USER_PREFIX, SESSION_PREFIX, REGISTRY_PREFIX)
_MASK_64 = 0xFFFFFFFFFFFFFFFF


def row_hash(key: bytes, value: bytes) -> int:
    """Return the 64-bit hash of one row. The key's length goes in, so that no two rows look alike."""
    digest = blake2b(b"%d:%b%b" % (len(key), key, value), digest_size=8).digest()
    return int.from_bytes(digest, "big")


class StateHash:
    """The hash of the rows in `pairs`, and of every change noted since."""

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._rows = {
            key: row_hash(key, value) for key, value in pairs if key.startswith(_REPLICATED)
        }
        self._sum = sum(self._rows.values())

    def note_put(self, key: bytes, value: bytes) -> None:
        """The replicated row `key` is now `value`."""
        rows = self._rows
        hashed = row_hash(key, value)
        self._sum += hashed - rows.get(key, 0)
        rows[key] = hashed

    def note_delete(self, key: bytes) -> None:
        """The replicated row `key` is gone."""
        self._sum -= self._rows.pop(key, 0)

    def value(self) -> int:
        """Return the hash, in [0, 2**64)."""
        return self._sum & _MASK_64
