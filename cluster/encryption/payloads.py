"""The payloads of encryption entries: the bytes behind the opcode, and the strict way back.

Codecs only: nothing here knows rows, stores or decisions, so that an oracle may use it too. Decoders accept
exactly one spelling: an unknown version, a missing byte and a byte too many are errors, because a replica
that guesses diverges. Layouts: design §2.4; all integers are big-endian.
"""

from __future__ import annotations

import struct

import msgspec

from cluster.encryption.errors import FsmWireMalformed, FsmWireSubtagError, FsmWireVersionError

__all__ = [
    "BOOTSTRAP_ROWS_MAX",
    "PURPOSE_RAFT",
    "PURPOSE_STORAGE",
    "SUB_TAG_ENABLE_RAFT_ENVELOPE",
    "SUB_TAG_ENABLE_STORAGE_ENVELOPE",
    "SUB_TAG_ROTATE_DEK",
    "Bootstrap",
    "FsmWireMalformed",
    "FsmWireSubtagError",
    "FsmWireVersionError",
    "Registration",
    "Rotation",
    "decode_bootstrap",
    "decode_registration",
    "decode_rotation",
    "encode_bootstrap",
    "encode_registration",
    "encode_rotation",
]

WIRE_VERSION = 1

PURPOSE_STORAGE = 1
PURPOSE_RAFT = 2

SUB_TAG_ROTATE_DEK = 0x01
SUB_TAG_ENABLE_STORAGE_ENVELOPE = 0x04
SUB_TAG_ENABLE_RAFT_ENVELOPE = 0x05

BOOTSTRAP_ROWS_MAX = 16_384

_PURPOSES = (PURPOSE_STORAGE, PURPOSE_RAFT)
_WRAPPED_MUST_BE_EMPTY = {
    SUB_TAG_ROTATE_DEK: False,
    SUB_TAG_ENABLE_STORAGE_ENVELOPE: True,
    SUB_TAG_ENABLE_RAFT_ENVELOPE: True,
}
"""The live sub-tags. 0x02 (rewrap) and 0x03 (retire) are reserved: a decode error like any unknown one."""

_REGISTRATION = struct.Struct(">BIQH")
_ROW = struct.Struct(">IQH")
_U32 = struct.Struct(">I")
_ROTATION_HEAD = struct.Struct(">BBIB")


class Registration(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Node `full_node_id` writes under `dek_id` (u32) with `local_epoch` (u16); opcode 0x03, or a batch row."""

    dek_id: int
    full_node_id: int
    local_epoch: int


class Bootstrap(msgspec.Struct, frozen=True, array_like=True):
    """The first two data keys, wrapped, and who writes under them; opcode 0x04."""

    storage_dek_id: int
    wrapped_storage: bytes
    raft_dek_id: int
    wrapped_raft: bytes
    rows: tuple[Registration, ...]


class Rotation(msgspec.Struct, frozen=True, array_like=True):
    """A new data key, or one of the two cutovers (`wrapped` is empty then); opcode 0x05."""

    sub_tag: int
    dek_id: int
    purpose: int
    wrapped: bytes
    proposer: Registration


def encode_registration(registration: Registration) -> bytes:
    """Return the 15 payload bytes. Raises struct.error for a field outside its width."""
    return _REGISTRATION.pack(
        WIRE_VERSION, registration.dek_id, registration.full_node_id, registration.local_epoch
    )


def decode_registration(payload: bytes) -> Registration:
    """Return the registration. Raises FsmWireMalformed, FsmWireVersionError."""
    _check_version(payload, "registration")
    if len(payload) != _REGISTRATION.size:
        raise FsmWireMalformed(
            f"registration of {len(payload)} bytes; it must have {_REGISTRATION.size}"
        )
    _, dek_id, full_node_id, local_epoch = _REGISTRATION.unpack(payload)
    return Registration(dek_id, full_node_id, local_epoch)


def encode_bootstrap(bootstrap: Bootstrap) -> bytes:
    """Return the payload. Raises struct.error for a field outside its width."""
    parts = [
        bytes([WIRE_VERSION]),
        _U32.pack(bootstrap.storage_dek_id),
        _counted(bootstrap.wrapped_storage),
        _U32.pack(bootstrap.raft_dek_id),
        _counted(bootstrap.wrapped_raft),
        _U32.pack(len(bootstrap.rows)),
    ]
    parts.extend(_pack_row(row) for row in bootstrap.rows)
    return b"".join(parts)


def decode_bootstrap(payload: bytes) -> Bootstrap:
    """Return the bootstrap. Raises FsmWireMalformed, FsmWireVersionError."""
    _check_version(payload, "bootstrap")
    reader = _Reader(payload, "bootstrap", start=1)
    storage_dek_id = reader.u32()
    wrapped_storage = reader.counted()
    raft_dek_id = reader.u32()
    wrapped_raft = reader.counted()
    count = reader.u32()
    if count > BOOTSTRAP_ROWS_MAX:
        raise FsmWireMalformed(
            f"bootstrap of {count} rows; at most {BOOTSTRAP_ROWS_MAX} are allowed"
        )
    if reader.left() != count * _ROW.size:
        raise FsmWireMalformed(
            f"bootstrap says {count} rows of {_ROW.size} bytes, but {reader.left()} bytes follow"
        )
    rows = tuple(reader.row() for _ in range(count))
    return Bootstrap(storage_dek_id, wrapped_storage, raft_dek_id, wrapped_raft, rows)


def encode_rotation(rotation: Rotation) -> bytes:
    """Return the payload. Raises struct.error for a field outside its width."""
    head = _ROTATION_HEAD.pack(WIRE_VERSION, rotation.sub_tag, rotation.dek_id, rotation.purpose)
    return head + _counted(rotation.wrapped) + _pack_row(rotation.proposer)


def decode_rotation(payload: bytes) -> Rotation:
    """Return the rotation. Raises FsmWireMalformed, FsmWireVersionError, FsmWireSubtagError."""
    _check_version(payload, "rotation")
    reader = _Reader(payload, "rotation", start=1)
    sub_tag = reader.u8()
    wrapped_must_be_empty = _WRAPPED_MUST_BE_EMPTY.get(sub_tag)
    if wrapped_must_be_empty is None:
        raise FsmWireSubtagError(f"rotation sub-tag 0x{sub_tag:02x} is reserved or unknown")
    dek_id = reader.u32()
    purpose = reader.u8()
    if purpose not in _PURPOSES:
        raise FsmWireMalformed(f"rotation for purpose {purpose}; 1 is storage, 2 is raft")
    wrapped = reader.counted()
    if wrapped_must_be_empty and wrapped:
        raise FsmWireMalformed(f"rotation sub-tag 0x{sub_tag:02x} must not carry a wrapped key")
    proposer = reader.row()
    if reader.left():
        raise FsmWireMalformed(f"{reader.left()} bytes follow the rotation's proposer row")
    return Rotation(sub_tag, dek_id, purpose, wrapped, proposer)


def _check_version(payload: bytes, what: str) -> None:
    if not payload:
        raise FsmWireMalformed(f"empty {what}")
    if payload[0] != WIRE_VERSION:
        raise FsmWireVersionError(
            f"{what} of version {payload[0]}; this binary knows {WIRE_VERSION}"
        )


def _counted(data: bytes) -> bytes:
    return _U32.pack(len(data)) + data


def _pack_row(row: Registration) -> bytes:
    return _ROW.pack(row.dek_id, row.full_node_id, row.local_epoch)


class _Reader:
    """Takes fields off a payload from the left; a field that is not all there is malformed."""

    def __init__(self, payload: bytes, what: str, *, start: int) -> None:
        self._payload = payload
        self._what = what
        self._offset = start

    def left(self) -> int:
        return len(self._payload) - self._offset

    def take(self, length: int) -> bytes:
        if length > self.left():
            raise FsmWireMalformed(
                f"{self._what} ends at byte {len(self._payload)}; "
                f"a field of {length} bytes begins at byte {self._offset}"
            )
        start = self._offset
        self._offset += length
        return self._payload[start : self._offset]

    def u8(self) -> int:
        return self.take(1)[0]

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def counted(self) -> bytes:
        return self.take(self.u32())

    def row(self) -> Registration:
        return Registration(*_ROW.unpack(self.take(_ROW.size)))
