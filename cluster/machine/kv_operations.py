"""What each key-value operation does: one small function an operation, and the table of them.

Here is the meaning of requests, and nothing of retries (`sessions`) or of durability (`machine`). An operation
that cannot be done answers with an error response, the same on every replica; only a failing store raises.
"""

from __future__ import annotations

from collections.abc import Callable

from cluster.machine.kv_requests import (
    KvOp,
    KvRequest,
    KvResponse,
    decode_value,
    encode_value,
    micro_operations,
)
from cluster.machine.rows import StagedRows, user_key
from cluster.machine.transactions import transact

__all__ = ["execute"]

_DONE = KvResponse(True)
_MISMATCH = KvResponse(False, None, "mismatch")
_NOT_A_LIST = KvResponse(False, None, "not_a_list")
_NOTHING = encode_value(None)


def execute(rows: StagedRows, request: KvRequest) -> KvResponse:
    """Carry out `request` on `rows` and return its response. Raises StoreFailed."""
    return _OPERATIONS[request.op](rows, user_key(request.key), request)


def _get(rows: StagedRows, key: bytes, _: KvRequest) -> KvResponse:
    stored = rows.get(key)
    return KvResponse(True, None if stored is None else decode_value(stored))


def _put(rows: StagedRows, key: bytes, request: KvRequest) -> KvResponse:
    rows.put(key, encode_value(request.value))
    return _DONE


def _delete(rows: StagedRows, key: bytes, _: KvRequest) -> KvResponse:
    rows.delete(key)
    return _DONE


def _cas(rows: StagedRows, key: bytes, request: KvRequest) -> KvResponse:
    stored = rows.get(key)
    if (_NOTHING if stored is None else stored) != encode_value(request.expected):
        return _MISMATCH
    rows.put(key, encode_value(request.value))
    return _DONE


def _append(rows: StagedRows, key: bytes, request: KvRequest) -> KvResponse:
    stored = rows.get(key)
    present = [] if stored is None else decode_value(stored)
    if not isinstance(present, list):
        return _NOT_A_LIST
    present.append(request.value)
    rows.put(key, encode_value(present))
    return _DONE


def _txn(rows: StagedRows, _: bytes, request: KvRequest) -> KvResponse:
    response, changes = transact(rows.get, micro_operations(request.value))
    for key, value in changes.items():
        if value is None:
            rows.delete(key)
        else:
            rows.put(key, value)
    return response


_OPERATIONS: dict[KvOp, Callable[[StagedRows, bytes, KvRequest], KvResponse]] = {
    "get": _get,
    "put": _put,
    "delete": _delete,
    "cas": _cas,
    "append": _append,
    "txn": _txn,
}
