"""Histories for elle-cli in JSON: one array of operations with the keys of Jepsen's.

    [{"index": 0, "type": "invoke", "process": 0, "f": "txn", "value": [["append", 255, 8]], "time": 1},
     {"index": 1, "type": "ok", "process": 0, "f": "txn", "value": [["append", 255, 8]], "time": 2}]

JSON has no keywords; the strings stay strings, which is what checkers here expect. Keys of a JSON object are strings
even where they were numbers, as in a bank's balances. Without an f a list of lists is a transaction; for operations
without a process see `unnamed`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from harness.formats.jepsen_edn import with_results
from harness.formats.source import LINE_BYTES_MAX, UNREADABLE, Source, reason_of
from harness.formats.unnamed import UNNAMED, named
from harness.history import HistoryDamaged
from harness.operation import NEMESIS, Kind, Operation

__all__ = ["read"]

_AT_BYTE: Final = re.compile(r"\(byte (\d+)\)")


class _Entry(msgspec.Struct, gc=False):
    """One element of the array; keys that an `Operation` has no place for are passed over."""

    type: Kind
    process: int | str = UNNAMED
    f: str = ""
    value: Any = None
    index: int = -1
    time: int = -1
    error: Any = None


_array_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_entry_decoder = msgspec.json.Decoder(_Entry)


def read(source: Source) -> Iterator[Operation]:
    """The operations of `source`, whose array is read as a whole. Raises HistoryDamaged naming the line."""
    return named(source, _operations(source))


def _operations(source: Source) -> Iterator[Operation]:
    content = b"".join(source.blocks())
    source.line = 1
    if len(content) > LINE_BYTES_MAX * 8:
        raise source.damage(f"begins an array of more than {LINE_BYTES_MAX * 8:,} bytes")
    source.text(content)
    try:
        entries = _array_decoder.decode(content)
    except UNREADABLE as error:
        raise _malformed(source, content, error) from None
    counted = 0
    for raw in entries:
        text = bytes(raw)
        begin = content.index(text, counted)
        source.line += content.count(b"\n", counted, begin)
        counted = begin
        yield _operation(source, text)
        source.line += text.count(b"\n")
        counted = begin + len(text)


def _malformed(source: Source, content: bytes, error: Exception) -> HistoryDamaged:
    """The error for text that is no JSON array, with the line that the decoder's byte is on."""
    at = _AT_BYTE.search(str(error))
    position = int(at[1]) if at else len(content)
    source.line += content.count(b"\n", 0, position)
    return source.damage(f"cannot be read as part of a JSON array: {reason_of(error)}")


def _operation(source: Source, text: bytes) -> Operation:
    try:
        entry = _entry_decoder.decode(text)
    except UNREADABLE as error:
        raise source.damage(f"begins what is no operation: {reason_of(error)}") from None
    process = NEMESIS if isinstance(entry.process, str) else entry.process
    lists = isinstance(entry.value, list) and all(isinstance(one, list) for one in entry.value)
    f = entry.f or ("txn" if lists else "")
    if not f:
        raise source.damage("begins an operation without an f")
    what = entry.error
    if not isinstance(what, str):
        what = "" if what is None else msgspec.json.encode(what).decode()
    return Operation(
        index=entry.index,
        time_ns=entry.time,
        process=process,
        type=entry.type,
        f=f,
        value=with_results(entry.value) if f == "txn" else entry.value,
        error=what,
    )
