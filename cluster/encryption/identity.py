"""Who a writer is: the 64-bit id derived from a raft id, and the 16 bits of it that go into nonces.

Pure arithmetic, nothing else. Source: Fowler, Noll and Vo's FNV-1a (64 bit); the encryption design, §2.1.
"""

from __future__ import annotations

__all__ = ["NODE_ID_MASK", "NO_NODE", "fnv1a64", "full_node_id", "node16"]

NO_NODE = 0
"""The full id of "no node": what the empty raft id maps to, and no other."""

NODE_ID_MASK = 0xFFFF

_OFFSET = 0xCBF29CE484222325
_PRIME = 0x100000001B3
_MASK_64 = 0xFFFFFFFFFFFFFFFF


def fnv1a64(text: str) -> int:
    """Return the FNV-1a hash of the UTF-8 bytes of `text`, in [0, 2**64)."""
    value = _OFFSET
    for byte in text.encode():
        value = ((value ^ byte) * _PRIME) & _MASK_64
    return value


def full_node_id(raft_id: str) -> int:
    """Return the 64-bit id of the node named `raft_id`; `NO_NODE` for the empty name only."""
    if not raft_id:
        return NO_NODE
    return fnv1a64(raft_id) or 1


def node16(full_id: int) -> int:
    """Return the low 16 bits of a full id: what registry keys and nonces carry."""
    return full_id & NODE_ID_MASK
