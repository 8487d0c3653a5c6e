"""What clients ask of the key-value store, as bytes: one request (opcode 0x00) or a batch (0x01).

Codecs only; an oracle may use them. A request is a msgpack array ``[client, sequence, op, key, value,
expected]``, a batch an array of requests. Requests are numbered by their client from 1: that is what makes a
retry harmless (`sessions`). Values are plain data.

A transaction is the request whose op is ``txn``: its key is ``""`` and its value an array of micro-operations
``[op, key, value]``, one to `MICRO_OPERATIONS_MAX` of them, on any keys of the group. A request whose
micro-operations are none is no request, so an entry is refused as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from cluster.machine.entries import OPCODE_BATCH, OPCODE_KV

__all__ = [
    "BATCH_MAX",
    "MICRO_OPERATIONS_MAX",
    "STALE",
    "KvMalformed",
    "KvOp",
    "KvRequest",
    "KvResponse",
    "MicroOp",
    "MicroOperation",
    "decode_batch",
    "decode_kv",
    "decode_value",
    "encode_batch",
    "encode_kv",
    "encode_value",
    "kv_request",
    "micro_operations",
    "only_looks",
]

BATCH_MAX = 4096
"""Most requests in one entry."""

MICRO_OPERATIONS_MAX = 128
"""Most micro-operations in one transaction."""

KvOp = Literal["get", "put", "delete", "cas", "append", "txn"]

MicroOp = Literal["r", "w", "append", "compare", "delete", "add", "take"]

_WITHOUT_VALUE = frozenset({"r", "delete", "take"})
_LOOKING = frozenset({"r", "compare"})

STALE = "stale"
"""The one error of a response that is not definite."""


class KvMalformed(ValueError):
    """The bytes are no request; its proposer is at fault, and every replica rejects the entry alike."""


class KvRequest(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Request number `sequence` of `client`: do `op` to `key`.

    ``put`` stores `value`; ``append`` adds `value` to the list at `key`; ``cas`` stores `value` if the present value
    equals `expected` (None: no value); ``get`` goes through the log only when a client wants it to; ``txn`` does the
    micro-operations that are its `value`, all of them or none.
    """

    client: str
    sequence: Annotated[int, msgspec.Meta(ge=1)]
    op: KvOp
    key: str
    value: Any = None
    expected: Any = None


class MicroOperation(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One step of a transaction, on `key`; it sees what the steps before it did.

    ``r`` results in the value there, None for none. ``w`` stores `value`, ``delete`` removes what is there. ``append``
    adds `value` to the list there, ``take`` removes its first element and results in that (None: nothing was there).
    ``add`` adds the integer `value` to the number there and results in the sum. ``compare`` lets the transaction go on
    exactly if `value` is there (None: no value).
    """

    op: MicroOp
    key: str
    value: Any = None


class KvResponse(msgspec.Struct, frozen=True, array_like=True):
    """What a request came to. `ok` False: this entry changed nothing, and `error` says why in one word.

    ``mismatch``: a cas or a compare found another value; ``not_a_list``, ``not_a_number``: an append or take, an add
    found something else; ``too_large``: a sum or all results together exceed their bounds. All these are definite.
    ``stale``: a later request of the client was executed already, so it is forgotten whether an earlier copy of this
    one took effect.

    `value` of a transaction is a list with one result for each micro-operation; after a mismatch it is ``[position,
    value found]`` of the compare that failed.
    """

    ok: bool
    value: Any = None
    error: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode_request = msgspec.msgpack.Decoder(KvRequest).decode
_KvBatch = Annotated[list[KvRequest], msgspec.Meta(min_length=1, max_length=BATCH_MAX)]
_decode_requests: Callable[[bytes], list[KvRequest]] = msgspec.msgpack.Decoder(_KvBatch).decode
_MicroOperations = Annotated[
    tuple[MicroOperation, ...], msgspec.Meta(min_length=1, max_length=MICRO_OPERATIONS_MAX)
]
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
        request = _decode_request(body)
    except msgspec.MsgspecError as error:
        raise KvMalformed(f"no key-value request: {error}") from error
    if request.op == "txn":
        micro_operations(request.value)
    return request


def decode_batch(body: bytes) -> list[KvRequest]:
    """Return the requests behind opcode 0x01, 1 to `BATCH_MAX` of them. Raises KvMalformed."""
    try:
        requests = _decode_requests(body)
    except msgspec.MsgspecError as error:
        raise KvMalformed(f"no batch of key-value requests: {error}") from error
    for request in requests:
        if request.op == "txn":
            micro_operations(request.value)
    return requests


def micro_operations(value: Any) -> tuple[MicroOperation, ...]:
    """Return the micro-operations that the value of a transaction stands for. Raises KvMalformed."""
    try:
        operations: tuple[MicroOperation, ...] = msgspec.convert(value, _MicroOperations)
    except msgspec.ValidationError as error:
        raise KvMalformed(f"no transaction: {error}") from error
    for operation in operations:
        op, given = operation.op, operation.value
        if op in _WITHOUT_VALUE and given is not None:
            raise KvMalformed(f"no transaction: {op} takes no value")
        if op == "add" and type(given) is not int:
            raise KvMalformed(f"no transaction: add takes an integer, not {given!r}")
    return operations


def only_looks(operations: Sequence[MicroOperation]) -> bool:
    """Whether a transaction changes nothing, so that it need not go through the log."""
    return all(operation.op in _LOOKING for operation in operations)


def encode_value(value: Any) -> bytes:
    """Return the bytes that stand for `value` in the store.

    Values are the same exactly if their bytes are: 1, 1.0 and True differ, and so do maps in another order.
    """
    return _encode(value)


def decode_value(data: bytes) -> Any:
    """Return the value that `encode_value` made these bytes of."""
    return _decode_value(data)
