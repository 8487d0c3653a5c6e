"""What clients ask of the key-value store, as bytes: one request (opcode 0x00) or a batch (0x01).

Codecs only; an oracle may use them. A request is a msgpack array ``[client, sequence, op, key, value,
expected]``, a batch an array of requests. Requests are numbered by their client from 1: that is what makes a
retry harmless (`sessions`). Values are plain data. Transactions over several keys will be a further op here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from cluster.machine.entries import OPCODE_BATCH, OPCODE_KV

__all__ = [
    "BATCH_MAX",
    "STALE",
    "KvMalformed",
    "KvOp",
    "KvRequest",
    "KvResponse",
    "decode_batch",
    "decode_kv",
    "decode_value",
    "encode_batch",
    "encode_kv",
    "encode_value",
    "kv_request",
]

BATCH_MAX = 4096
"""Most requests in one entry."""

KvOp = Literal["get", "put", "delete", "cas", "append"]


STALE = "stale"
"""The one error of a response that is not definite."""


class KvMalformed(ValueError):
    """The bytes are no request; its proposer is at fault, and every replica rejects the entry alike."""


class KvRequest(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Request number `sequence` of `client`: do `op` to `key`.

    ``put`` stores `value`; ``append`` adds `value` to the list at `key`; ``cas`` stores `value` if the present value
    equals `expected` (None: no value); ``get`` goes through the log only when a client wants it to.
    """

    client: str
    sequence: Annotated[int, msgspec.Meta(ge=1)]
    op: KvOp
    key: str
    value: Any = None
    expected: Any = None


class KvResponse(msgspec.Struct, frozen=True, array_like=True):
    """What a request came to. `ok` False: this entry changed nothing, and `error` says why in one word.

    ``mismatch``: a cas found another value; ``not_a_list``: an append found something else; both are definite.
    ``stale``: a later request of the client was executed already, so it is forgotten whether an earlier copy of this
    one took effect.
    """

    ok: bool
    value: Any = None
    error: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode_request = msgspec.msgpack.Decoder(KvRequest).decode
_KvBatch = Annotated[list[KvRequest], msgspec.Meta(min_length=1, max_length=BATCH_MAX)]
_decode_requests: Callable[[bytes], list[KvRequest]] = msgspec.msgpack.Decoder(_KvBatch).decode
_decode_value = msgspec.msgpack.Decoder().decode


def kv_request(fields: Mapping[str, Any]) -> KvRequest:
    """Return the request with these named fields, checked. Raises KvMalformed, TypeError for a wrong name."""
    return decode_kv(_encode(KvRequest(**fields)))


def encode_kv(request: KvRequest) -> bytes:
    """Return the payload of one request, opcode included."""
    return bytes([OPCODE_KV]) + _encode(request)


def encode_batch(requests: Sequence[KvRequest]) -> bytes:
    """Return the payload of several requests that are executed in order, opcode included."""
    return bytes([OPCODE_BATCH]) + _encode(requests)


def decode_kv(body: bytes) -> KvRequest:
    """Return the request behind opcode 0x00. Raises KvMalformed."""
    try:
        return _decode_request(body)
    except msgspec.MsgspecError as error:
        raise KvMalformed(f"no key-value request: {error}") from error


def decode_batch(body: bytes) -> list[KvRequest]:
    """Return the requests behind opcode 0x01, 1 to `BATCH_MAX` of them. Raises KvMalformed."""
    try:
        return _decode_requests(body)
    except msgspec.MsgspecError as error:
        raise KvMalformed(f"no batch of key-value requests: {error}") from error


def encode_value(value: Any) -> bytes:
    """Return the bytes that stand for `value` in the store.

    Values are the same exactly if their bytes are: 1, 1.0 and True differ, and so do maps in another order.
    """
    return _encode(value)


def decode_value(data: bytes) -> Any:
    """Return the value that `encode_value` made these bytes of."""
    return _decode_value(data)
