"""``history.txt`` and the logs in which Jepsen printed its operations (Porcupine's test data are such logs).

    0<TAB>:invoke<TAB>:write<TAB>3
    INFO  jepsen.util - 0<TAB>:invoke<TAB>:write<TAB>3
    INFO [2017-05-31 12:13:27,021] jepsen worker 1 - jepsen.util 0<TAB>:invoke<TAB>:write<TAB>3
    2021-01-01 12:00:00,123{GMT}<TAB>INFO<TAB>[jepsen worker 0] jepsen.util: 0<TAB>:invoke<TAB>:write<TAB>3

A file that begins with such a prefix, or with the command whose output it is (``lein test ...``), is a log: lines of other
loggers are passed over, those of ``jepsen.util`` must be operations. Without it every line must be one. Neither has times or
indexes: an operation's place is its line. Process, type, f, value and error are forms of EDN, with any white space between them; what stands last on a line and is no EDN
(objects that Java printed, what the nemesis did) is kept as text. A ``:hint`` and its number are passed over.

The value ``:timed-out`` of a completion is its error: what it would have been is unknown, and the invocation says what was
asked. A failed read or write never happened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from harness.formats.edn import EdnDamaged, read_form, skip_blank
from harness.formats.jepsen_edn import operation_of
from harness.formats.lives import lives
from harness.formats.source import Source
from harness.operation import Operation
from harness.values import Keyword

__all__ = ["read"]

_PREFIX: Final = re.compile(
    r"(?:\d{4}-\S+ [\d:,.]+\S*\s+)?INFO\s(?:[^\t]|\t(?=\[))*?jepsen\.util(?:\s-|:|(?=\s))\s*"
)
LOG: Final = re.compile(
    r"\s*(?:lein \w+ \S|(?:\d{4}-\d\d-\d\d[ T]\S+\s+)?(?:INFO|WARN|ERROR|DEBUG)\s)"
)
"""How a log begins; a console may have the command that wrote it above."""

_TIMED_OUT: Final = "timed-out"
_HINT: Final = "hint"


def read(source: Source) -> Iterator[Operation]:
    """The operations of `source`. Raises HistoryDamaged naming the line."""
    return lives(source, _operations(source))


def _operations(source: Source) -> Iterator[Operation]:
    log = None
    for line in source.lines():
        if log is None and line.strip():
            log = LOG.match(line) is not None
        begun = _PREFIX.match(line) if log else None
        text = line[begun.end() :] if begun else line
        if (log and not begun) or not text.strip():
            continue
        try:
            yield _operation(text)
        except EdnDamaged as error:
            raise source.damage(str(error)) from None
    source.note_unended()


def _operation(text: str) -> Operation:
    forms = _forms(text)
    if not 3 <= len(forms) <= 5:
        raise EdnDamaged("is no operation: process, type, f, value and error between tabs", 0)
    process, kind, f, value, error = (*forms, None, None)[:5]
    if kind != "invoke" and value == _TIMED_OUT and type(value) is Keyword:
        value, error = None, error or value
    if process is None:
        raise EdnDamaged("holds an operation whose :process is nil", 0)
    names = {"process": process, "type": kind, "f": f, "value": value, "error": error}
    return operation_of(names)


def _forms(text: str) -> list[Any]:
    """The forms of a line: the last may be any text where it is an error, or the value of a nemesis."""
    forms: list[Any] = []
    end, position = 0, skip_blank(text, 0)
    while position < len(text):
        if len(forms) == 4 and "\t" not in text[end:position] and type(forms[0]) is not Keyword:
            raise EdnDamaged(f"has a field of two values: {text[:position].strip()!r} and more", 0)
        try:
            form, end = read_form(text, position)
        except EdnDamaged:
            may_be_text = len(forms) == 4 or (len(forms) == 3 and type(forms[0]) is Keyword)
            if not may_be_text:
                raise
            return [*forms, text[position:].strip()]
        if len(forms) == 4 and type(forms[0]) is not Keyword and type(form) is Keyword:
            if form == _HINT:
                return forms
        elif len(forms) == 5 or (len(forms) == 4 and type(forms[0]) is Keyword):
            return [*forms[:4], text[position:].strip()]
        forms.append(form)
        position = skip_blank(text, end)
    return forms
