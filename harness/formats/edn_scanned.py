"""Large ``history.edn`` files, scanned: one map a line, all of them with their keys in one order.

The order is that of the first line. Vectors, records, forms of several lines, transactions and operations without a process are
left to `jepsen_edn`, which is the rule.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
import numpy as np

from harness.columns import INFO, INVOKE, Events, events_from
from harness.formats.edn import EdnDamaged, read_form, skip_blank
from harness.formats.jepsen_edn import FIELD, cut, operation_of, read
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
from harness.formats.source import Source
from harness.formats.unnamed import UNNAMED
from harness.operation import Operation
from harness.values import Keyword

__all__ = ["read_events"]

SCANNED_BYTES_MIN: Final = 6 << 20
"""From this size on scanning is worth the import of its compiler."""

_FIELDS: Final = {
    "index": INDEX,
    "time": TIME,
    "process": PROCESS,
    "type": TYPE,
    "f": F,
    "value": VALUE,
    "error": SKIPPED,
    "node": SKIPPED,
}
_PLAIN: Final = b"0123456789-\n []nil"
_field = re.compile(FIELD)
_values: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


def read_events(source: Source) -> Events:
    """The events of `source`. Raises HistoryDamaged naming the line."""
    if worthwhile(source, SCANNED_BYTES_MIN):
        try:
            events = scanned(source, b"nil", _shape_of, _read_line, _originals)
            if not _goes_on(events):
                return events
        except NotScannable:
            pass
        source.again()
    return events_from(read(source))


def _goes_on(events: Events) -> bool:
    """Whether a process invokes after info (see `lives`), which the rule reads."""
    ended = np.flatnonzero((events.type == INFO) & (events.process >= 0))
    crashed, first = np.unique(events.process[ended], return_index=True)
    invoked = np.flatnonzero((events.type == INVOKE) & np.isin(events.process, crashed))
    return bool((invoked > ended[first][np.searchsorted(crashed, events.process[invoked])]).any())


def _fields_of(line: bytes) -> dict[Any, Any] | None:
    """The map on a line; None where nothing stands there. Raises NotScannable."""
    text = line.decode()
    begin = skip_blank(text, 0)
    if begin == len(text):
        return None
    try:
        form, end = read_form(text, begin)
    except EdnDamaged:
        raise NotScannable from None
    if not isinstance(form, dict) or skip_blank(text, end) != len(text):
        raise NotScannable
    return form


def _read_line(line: bytes) -> Operation | None:
    fields = _fields_of(line)
    if fields is None:
        return None
    try:
        one = operation_of(fields)
    except EdnDamaged:
        raise NotScannable from None
    if one.process == UNNAMED or one.f == "txn":
        raise NotScannable
    return one


def _shape_of(line: bytes) -> Shape:
    keys = list(_fields_of(line) or ())
    if not all(type(key) is Keyword and key in _FIELDS for key in keys):
        raise NotScannable
    behind = [key for key in ("error", "node") if key not in keys]
    return Shape(
        keys=[f":{key} ".encode() for key in (*keys, *behind)],
        fields=[_FIELDS[key] for key in (*keys, *behind)],
        optional=[key not in keys or key in ("value", "error", "node") for key in (*keys, *behind)],
        before_name=b":",
        behind_name=b"",
    )


def _originals(texts: bytes) -> list[Any]:
    """The values: as JSON where they are numbers, nil and vectors of such, else one by one."""
    if not texts.translate(None, _PLAIN):
        try:
            return _values.decode_lines(texts.replace(b"nil", b"null").replace(b" ", b","))
        except msgspec.MsgspecError:
            pass
    return [_original(text) for text in texts.decode().splitlines()]


def _original(text: str) -> Any:
    try:
        if _field.fullmatch(text):
            return cut(text)
        value, end = read_form(text)
    except EdnDamaged:
        raise NotScannable from None
    if skip_blank(text, end) != len(text):
        raise NotScannable
    return value
