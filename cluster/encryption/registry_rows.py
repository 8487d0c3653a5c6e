"""Registry rows as bytes: the key, the value, and the side record of a row's raft index.

Codecs only; an oracle may use them. A row says which node writes under a data key and which epochs it has
used; it lives among the replicated rows of the store, outside user data. The *side record* holds the raft
index of the row's last change, so that a replayed older entry is known by its index (design §2.2, §3.10).
Ids are raw binary: a key may contain ``|`` anywhere, so it is read by offset, never split.
"""

from __future__ import annotations

import struct

import msgspec

from cluster.encryption.errors import RegistryKeyMalformed, RegistryValueMalformed

__all__ = [
    "INDEX_PREFIX",
    "REGISTRY_PREFIX",
    "RegistryKeyMalformed",
    "RegistryRow",
    "RegistryValueMalformed",
    "decode_index",
    "decode_key",
    "decode_row",
    "encode_index",
    "encode_row",
    "index_key",
    "is_registry_key",
    "registry_key",
]

REGISTRY_PREFIX = b"!encryption|writers|"
INDEX_PREFIX = b"!encryption|windex|"

_KEY_TAIL = struct.Struct(">IBH")
_ROW = struct.Struct(">QHH")
_SEPARATOR = 0x7C
_PREFIX_BYTES = len(REGISTRY_PREFIX)
_KEY_BYTES = _PREFIX_BYTES + _KEY_TAIL.size
_INDEX_BYTES = 8


class RegistryRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The node that owns (dek, node16), and the first and last epoch (u16) it registered."""

    full_node_id: int
    first_seen_epoch: int
    last_seen_epoch: int


def registry_key(dek_id: int, node16: int) -> bytes:
    """Return the 27-byte key of the row. Raises struct.error for an id outside its width."""
    return REGISTRY_PREFIX + _KEY_TAIL.pack(dek_id, _SEPARATOR, node16)


def index_key(key: bytes) -> bytes:
    """Return the key of the side record that belongs to the row at registry key `key`."""
    return INDEX_PREFIX + key[_PREFIX_BYTES:]


def is_registry_key(key: bytes) -> bool:
    """Whether the *whole* shape matches: prefix, length and separator."""
    return len(key) == _KEY_BYTES and key.startswith(REGISTRY_PREFIX) and key[-3] == _SEPARATOR


def decode_key(key: bytes) -> tuple[int, int]:
    """Return (dek_id, node16). Raises RegistryKeyMalformed."""
    if not is_registry_key(key):
        raise RegistryKeyMalformed(f"not a registry key: {key.hex()}")
    dek_id, _, node16 = _KEY_TAIL.unpack_from(key, _PREFIX_BYTES)
    return dek_id, node16


def encode_row(row: RegistryRow) -> bytes:
    """Return the 12 value bytes. Raises struct.error for a field outside its width."""
    return _ROW.pack(row.full_node_id, row.first_seen_epoch, row.last_seen_epoch)


def decode_row(value: bytes) -> RegistryRow:
    """Return the row. Raises RegistryValueMalformed unless there are exactly 12 bytes."""
    if len(value) != _ROW.size:
        raise RegistryValueMalformed(
            f"registry row of {len(value)} bytes ({value.hex()}); it must have {_ROW.size}"
        )
    return RegistryRow(*_ROW.unpack(value))


def encode_index(index: int) -> bytes:
    """Return the side record of a raft index, 8 bytes."""
    return index.to_bytes(_INDEX_BYTES, "big")


def decode_index(value: bytes) -> int:
    """Return the raft index of a side record. Raises RegistryValueMalformed unless it has 8 bytes."""
    if len(value) != _INDEX_BYTES:
        raise RegistryValueMalformed(
            f"side record of {len(value)} bytes ({value.hex()}); it must have {_INDEX_BYTES}"
        )
    return int.from_bytes(value, "big")
