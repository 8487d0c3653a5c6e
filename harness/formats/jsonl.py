"""Our own ``history.jsonl``: one `Operation` a line (see `harness.history`), the fastest format there is.

`read` hands out operations, `read_events` makes columns without them: values stay text until they are known to
differ, so that each different one is decoded once, and large files are scanned (`scanner`). Line ends inside values cannot be:
JSON escapes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, BinaryIO, Final

import msgspec

from harness.columns import BLOCK_OPERATIONS, Events, EventsBuilder, without_collector
from harness.formats.scanning import (
    INDEX,
    PROCESS,
    SKIPPED,
    TIME,
    TYPE,
    VALUE,
    F,
    NotScannable,
    Shape,
    scanned,
    worthwhile,
)
from harness.formats.source import UNREADABLE, Source, reason_of
from harness.history import HistoryInvalid
from harness.operation import Kind, Operation
from harness.values import plain

__all__ = ["read", "read_events", "write"]

SCANNED_BYTES_MIN: Final = 48 << 20
"""From this size on scanning is worth the import of its compiler."""

_NULL: Final = msgspec.Raw(b"null")


class _Line(msgspec.Struct, gc=False):
    """An `Operation` whose value is still text."""

    f: str
    index: int = -1
    time_ns: int = -1
    process: int = 0
    type: Kind = "invoke"
    value: msgspec.Raw = _NULL


_decoder = msgspec.json.Decoder(Operation)
_line_decoder = msgspec.json.Decoder(_Line)
_any_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder(enc_hook=plain)


def read(source: Source) -> Iterator[Operation]:
    """The operations of `source`; an unfinished last line is dropped. Raises HistoryDamaged naming the line."""
    for block in source.blocks():
        for operation in _decoded(source, block, _decoder):
            source.line += 1
            yield operation


def read_events(source: Source) -> Events:
    """The events of `source`; as `read`."""
    if worthwhile(source, SCANNED_BYTES_MIN):
        try:
            return _scanned(source)
        except NotScannable:
            source.again()
    builder = EventsBuilder()
    with without_collector():
        for block in source.blocks():
            lines = _decoded(source, block, _line_decoder)
            source.line += len(lines)
            builder.add(lines, [bytes(line.value) for line in lines])
        try:
            return builder.events(lambda texts: _any_decoder.decode_lines(b"\n".join(texts)))
        except UNREADABLE:
            source.again()
    for _ in read(source):
        pass
    raise AssertionError("values that decode with their operations decode alone")


def _scanned(source: Source) -> Events:
    """The events of a large file. Raises NotScannable."""
    return scanned(source, b"null", _shape, _read_line, _originals)


def _read_line(line: bytes) -> Operation:
    try:
        return _decoder.decode(line)
    except UNREADABLE:
        raise NotScannable from None


def _originals(texts: bytes) -> list[Any]:
    try:
        return _any_decoder.decode_lines(texts)
    except UNREADABLE:
        raise NotScannable from None


_FIELDS: Final = {
    "index": INDEX,
    "time_ns": TIME,
    "process": PROCESS,
    "type": TYPE,
    "f": F,
    "value": VALUE,
    "error": SKIPPED,
    "node": SKIPPED,
}
"""In the order in which `write` has them."""


def _shape(_: bytes) -> Shape:
    return Shape(
        keys=[f'"{key}":'.encode() for key in _FIELDS],
        fields=list(_FIELDS.values()),
        optional=[field != F for field in _FIELDS.values()],
        before_name=b'"',
        behind_name=b'"',
    )


def _decoded(source: Source, block: bytes, decoder: msgspec.json.Decoder[Any]) -> list[Any]:
    """The lines of `block`: at once, or one by one to find the damaged one. An empty line is one."""
    if not block.isascii():
        source.text(block, 1)
    if b"\n\n" not in block:
        try:
            return decoder.decode_lines(block)
        except UNREADABLE:
            pass
    good = []
    begun = source.line
    for line in block.splitlines(keepends=True):
        source.line += 1
        try:
            good.append(decoder.decode(line))
        except UNREADABLE as error:
            if not line.endswith(b"\n"):
                source.torn = line.decode(errors="replace")
                break
            raise source.damage(f"is no operation: {reason_of(error)}") from None
    source.line = begun
    return good


def write(operations: Iterator[Operation], file: BinaryIO) -> None:
    """Write one operation a line. Raises HistoryInvalid for a value that JSON cannot hold."""
    encode: Callable[[list[Operation]], bytes] = _encoder.encode_lines
    while block := list(islice(operations, BLOCK_OPERATIONS)):
        try:
            file.write(encode(block))
        except (TypeError, ValueError, OverflowError) as error:
            raise HistoryInvalid(f"a value cannot be written as JSON: {error}") from None
