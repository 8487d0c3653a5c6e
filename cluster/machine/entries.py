"""The data of a log entry: the proposal frame, the opcode behind it, and the lease.

Codecs only; an oracle may use them. Frame: ``0x01 ‖ proposal id u64be ‖ payload``, payload: ``opcode u8 ‖ body``
(design §2.3). An entry that is empty or no frame is a no-op for the state machine. Opcodes 0x03-0x07 belong
to encryption as a whole, so that a future one is never skipped by an older binary.
"""

from __future__ import annotations

from typing import Final

from cluster.encryption import payloads

__all__ = [
    "ENCRYPTION_OPCODES",
    "NO_OPCODE",
    "OPCODE_BATCH",
    "OPCODE_BOOTSTRAP",
    "OPCODE_KV",
    "OPCODE_LEASE",
    "OPCODE_REGISTRATION",
    "OPCODE_ROTATION",
    "STAGED_OPCODES",
    "LeaseMalformed",
    "body_of",
    "decode_lease",
    "encode_bootstrap_payload",
    "encode_entry",
    "encode_lease_payload",
    "encode_registration_payload",
    "encode_rotation_payload",
    "opcode_of",
    "proposal_id_of",
]

NO_OPCODE: Final = -1
"""What `opcode_of` says of an entry that is a no-op for the state machine."""

OPCODE_KV: Final = 0x00
OPCODE_BATCH: Final = 0x01
OPCODE_LEASE: Final = 0x02
OPCODE_REGISTRATION: Final = 0x03
OPCODE_BOOTSTRAP: Final = 0x04
OPCODE_ROTATION: Final = 0x05

STAGED_OPCODES: Final = (OPCODE_KV, OPCODE_BATCH)
"""Entries whose effects become durable run by run, when the state machine is flushed."""

ENCRYPTION_OPCODES: Final = range(0x03, 0x08)

_FRAME_VERSION = 0x01
_FRAME_BYTES = 9
_BODY_OFFSET = _FRAME_BYTES + 1
_LEASE_BYTES = 8


class LeaseMalformed(ValueError):
    """The lease's body is not 8 bytes; its proposer is at fault, and every replica rejects it alike."""


def encode_entry(proposal_id: int, payload: bytes) -> bytes:
    """Return the entry data that carries `payload`. Raises OverflowError unless the id is a u64."""
    return b"\x01" + proposal_id.to_bytes(8, "big") + payload


def opcode_of(data: bytes) -> int:
    """Return the opcode, or `NO_OPCODE` for an entry that is a no-op for the state machine."""
    if len(data) > _FRAME_BYTES and data[0] == _FRAME_VERSION:
        return data[_FRAME_BYTES]
    return NO_OPCODE


def proposal_id_of(data: bytes) -> int:
    """Return the proposal id of entry data that has an opcode."""
    return int.from_bytes(data[1:_FRAME_BYTES], "big")


def body_of(data: bytes) -> bytes:
    """Return what follows the opcode of entry data that has one."""
    return data[_BODY_OFFSET:]


def encode_lease_payload(ceiling_ms: int) -> bytes:
    """Return the payload that raises the clock ceiling to `ceiling_ms`."""
    return bytes([OPCODE_LEASE]) + ceiling_ms.to_bytes(_LEASE_BYTES, "big")


def decode_lease(body: bytes) -> int:
    """Return the ceiling in milliseconds. Raises LeaseMalformed."""
    if len(body) != _LEASE_BYTES:
        raise LeaseMalformed(f"lease of {len(body)} bytes; it must have {_LEASE_BYTES}")
    return int.from_bytes(body, "big")


def encode_registration_payload(registration: payloads.Registration) -> bytes:
    """Return the payload of a writer registration."""
    return bytes([OPCODE_REGISTRATION]) + payloads.encode_registration(registration)


def encode_bootstrap_payload(bootstrap: payloads.Bootstrap) -> bytes:
    """Return the payload of a bootstrap."""
    return bytes([OPCODE_BOOTSTRAP]) + payloads.encode_bootstrap(bootstrap)


def encode_rotation_payload(rotation: payloads.Rotation) -> bytes:
    """Return the payload of a rotation or cutover."""
    return bytes([OPCODE_ROTATION]) + payloads.encode_rotation(rotation)
