"""Porcupine's operations as JSON, one object after the other or all in one array.

    {"ClientId": 0, "Input": {"Op": "put", "Key": "x", "Value": "1"}, "Call": 10, "Output": {}, "Return": 30}

What stands in Input and Output is the business of a model. Two kinds are understood, and become ``get``, ``put`` and ``append``
of [key, value]: a key-value store's (``Op``, ``Key``, ``Value``, in any case; an Op may be 0, 1, 2), and that of etcd's robustness
tests where a request reads, puts or deletes one key without conditions (a deletion puts nil, and of a long value its hash
is known). What changes no key of etcd's is passed over; anything else is refused.

Operations stand in any order; calls and returns are put in order of their times, calls before returns at the same time, as
Porcupine does. An Output with an ``Error`` is indeterminate, one with a ``ClientError`` failed. A client goes on after
an indeterminate operation, so what follows counts as another process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from harness.formats.source import UNREADABLE, Source, reason_of
from harness.operation import Kind, Operation

__all__ = ["read"]

_NEVER: Final = (1 << 63) - 1
"""The return of what never returned."""

_BETWEEN: Final = re.compile(rb"\}[\s,]*\{")
_FS: Final[dict[Any, str]] = {
    **dict.fromkeys((0, "0", "get", "read", "r"), "get"),
    **dict.fromkeys((1, "1", "put", "write", "set", "w"), "put"),
    **dict.fromkeys((2, "2", "append"), "append"),
}
_OF_NO_KEY: Final = frozenset(("leaseGrant", "defragment", "compact"))


class _Entry(msgspec.Struct, rename="pascal"):
    """One operation of Porcupine's."""

    call: int
    return_: int = msgspec.field(name="Return", default=_NEVER)
    client_id: int = msgspec.field(name="ClientId", default=0)
    input: Any = None
    output: Any = None


class _Unfit(Exception):
    """An operation that is of none of the kinds that are understood."""


_decoder = msgspec.json.Decoder(list[_Entry])


def read(source: Source) -> Iterator[Operation]:
    """The operations of `source`, in order of their times. Raises HistoryDamaged naming the operation, counted from 1."""
    events: list[tuple[int, int, int, Operation]] = []
    for number, entry in enumerate(_entries(source)):
        source.line = number + 1
        try:
            told = _told(entry.input, entry.output)
        except _Unfit as unfit:
            raise source.damage(str(unfit)) from None
        if told is None:
            continue
        if entry.return_ < entry.call:
            raise source.damage("returns before it is called")
        f, key, given, seen, kind = told
        invoked = Operation(process=entry.client_id, f=f, value=[key, given], time_ns=entry.call)
        ended = Operation(
            process=entry.client_id,
            type=kind,
            f=f,
            value=[key, seen if f == "get" else given],
            time_ns=entry.return_,
        )
        events += [(entry.call, 0, number, invoked), (entry.return_, 1, number, ended)]
    events.sort(key=lambda event: event[:3])
    yield from _with_processes(source, events)


def _entries(source: Source) -> list[_Entry]:
    content = b"".join(source.blocks()).strip()
    source.line = 1
    source.text(content)
    if not content.startswith(b"["):
        content = b"[" + _BETWEEN.sub(b"},{", content) + b"]"
    try:
        return _decoder.decode(content)
    except UNREADABLE as error:
        at = re.search(r"\$\[(\d+)\]", str(error))
        source.line = int(at[1]) + 1 if at else 1
        raise source.damage(
            f"cannot be read as an operation of Porcupine's: {reason_of(error)}"
        ) from None


def _with_processes(
    source: Source, events: list[tuple[int, int, int, Operation]]
) -> Iterator[Operation]:
    """The operations of `events`; a client whose operation is indeterminate goes on under another number."""
    unused = 1 + max((one.process for *_, one in events), default=0)
    number_of: dict[int, int] = {}
    begun: dict[int, int] = {}
    for _, ends, number, one in events:
        source.line = number + 1
        if not ends:
            process = begun[number] = number_of.get(one.process, one.process)
        else:
            process = begun[number]
            if one.type == "info":
                number_of[one.process] = unused
                unused += 1
        if process < 0:
            raise source.damage(f"belongs to client {process}")
        yield msgspec.structs.replace(one, process=process)


def _told(asked: Any, answered: Any) -> tuple[str, Any, Any, Any, Kind] | None:
    """(f, key, what was given, what was seen, how it ended); None for what touches no key."""
    if not isinstance(asked, dict):
        raise _Unfit(f"has the Input {asked!r}, which is no request to a key-value store")
    if not {"Txn", "Range", "LeaseGrant", "LeaseRevoke", "Defragment", "Compact"}.isdisjoint(asked):
        return _of_etcd(asked, answered if isinstance(answered, dict) else {})
    fields = {str(name).lower(): value for name, value in asked.items()}
    f = fields.get("op", fields.get("kind", fields.get("type")))
    f = f.lower() if isinstance(f, str) else f
    if not isinstance(f, (str, int)) or f not in _FS or "key" not in fields:
        raise _Unfit(f"has the Input {asked!r}, which is no get, put or append of a key")
    seen: Any = answered
    kind: Kind = "ok"
    if isinstance(answered, dict):
        found = {str(name).lower(): value for name, value in answered.items()}
        seen, kind = found.get("value"), _ending(answered)
    return _FS[f], fields["key"], fields.get("value") if _FS[f] != "get" else None, seen, kind


def _ending(answered: Mapping[str, Any]) -> Kind:
    if answered.get("ClientError"):
        return "fail"
    unknown = answered.get("Error") or answered.get("Persisted") or answered.get("Unknown")
    return "info" if unknown else "ok"


def _of_etcd(
    asked: Mapping[str, Any], answered: Mapping[str, Any]
) -> tuple[str, Any, Any, Any, Kind] | None:
    """The same of a request to etcd."""
    wanted = asked.get("Type")
    if wanted in _OF_NO_KEY:
        return None
    txn = asked.get("Txn") or {}
    done = txn.get("OperationsOnSuccess") or []
    if wanted == "range":
        range_, results = asked.get("Range") or {}, [answered.get("Range") or {}]
    elif wanted != "txn" or len(done) != 1 or txn.get("Conditions"):
        raise _Unfit(
            f"is a request of type {wanted!r} to etcd that is no read, put or deletion of one key"
        )
    elif done[0].get("Type") == "put-operation":
        put = done[0].get("Put") or {}
        return "put", put.get("Key"), _value(put.get("Value")), None, _ending(answered)
    elif done[0].get("Type") == "delete-operation":
        key = (done[0].get("Delete") or {}).get("Key")
        return "put", key, None, None, _ending(answered)
    else:
        range_ = done[0].get("Range") or {}
        results = (answered.get("Txn") or {}).get("Results") or [{}]
    if range_.get("End") or range_.get("Revision"):
        raise _Unfit("reads several keys, or an old revision")
    pairs = results[0].get("KVs") or []
    seen = _value(pairs[0].get("Value")) if pairs else None
    return "get", range_.get("Start"), None, seen, _ending(answered)


def _value(told: Any) -> Any:
    """A value, or the hash that stands for a long one."""
    if not isinstance(told, dict):
        return told
    return f"hash {told['Hash']}" if told.get("Hash") else told.get("Value", "")
