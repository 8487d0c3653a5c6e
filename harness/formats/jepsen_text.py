"""``history.txt`` and the logs in which Jepsen printed its operations (Porcupine's test data are such logs).

    0<TAB>:invoke<TAB>:write<TAB>3
    INFO  jepsen.util - 0<TAB>:invoke<TAB>:write<TAB>3

A file that begins with such a prefix is a log: lines of other loggers are passed over, those of ``jepsen.util`` must be
operations. Without it every line must be one. Neither has times or indexes: an operation's place is its line.

The value ``:timed-out`` of a completion is its error: what it would have been is unknown, and the invocation says what was
asked. A failed read or write never happened; neither did a failed compare-and-set, although Porcupine reads one as
proof of another value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from harness.formats.edn import EdnDamaged, read_form, skip_blank
from harness.formats.jepsen_edn import operation_of
from harness.formats.source import Source
from harness.operation import Operation
from harness.values import Keyword

__all__ = ["read"]

_PREFIX: Final = re.compile(r"INFO\s+jepsen\.util - ")
_LOG: Final = re.compile(r"\s*(?:INFO|WARN|ERROR|DEBUG)\s")
_TIMED_OUT: Final = "timed-out"


def read(source: Source) -> Iterator[Operation]:
    """The operations of `source`. Raises HistoryDamaged naming the line."""
    log = None
    for line in source.lines():
        if log is None:
            log = _LOG.match(line) is not None
        begun = _PREFIX.match(line) if log else None
        text = line[begun.end() :] if begun else line
        if (log and not begun) or not text.strip():
            continue
        try:
            yield _operation(text)
        except EdnDamaged as error:
            raise source.damage(str(error)) from None


def _operation(text: str) -> Operation:
    process, *fields = [_form(field) for field in text.split("\t") if field.strip()]
    if not 2 <= len(fields) <= 4:
        raise EdnDamaged("is no operation: process, type, f, value and error between tabs", 0)
    kind, f, value, error = (*fields, None, None)[:4]
    if kind != "invoke" and value == _TIMED_OUT and type(value) is Keyword:
        value, error = None, error or value
    names = {"process": process, "type": kind, "f": f, "value": value, "error": error}
    return operation_of(names)


def _form(field: str) -> Any:
    value, end = read_form(field)
    if skip_blank(field, end) != len(field):
        raise EdnDamaged(f"has a field of two values: {field.strip()!r}", 0)
    return value
