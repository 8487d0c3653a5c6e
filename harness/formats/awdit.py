"""AWDIT's text histories: reads and writes, a line of dashes between transactions, of equals signs between sessions.

    w 1 1
    r 2 0
    -----
    r 1 1
    =====
    w 2 1

All transactions are committed; an empty one counts for nothing. No value is special: what a read saw must be written
somewhere in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from harness.formats.sessions import SESSIONS_MAX, micro_operation, transaction
from harness.formats.source import Source
from harness.operation import Operation

__all__ = ["read"]

_LINE: Final = re.compile(r"\s*(?:([rwRW])\s+(\S+)\s+(\S+)|(-+)|(=+))\s*\Z")


def read(source: Source) -> Iterator[Operation]:
    """The operations of `source`. Raises HistoryDamaged naming the line."""
    session = 0
    done: list[list[Any]] = []
    for line in source.lines():
        if not line.strip():
            continue
        found = _LINE.match(line)
        if found is None:
            raise source.damage("is neither 'r key value' nor 'w key value' nor a rule")
        f, key, value, _, ends_session = found.groups()
        if f is not None:
            done.append(micro_operation(f, key, value))
            continue
        yield from transaction(session, done) if done else ()
        done = []
        session += ends_session is not None
        if session > SESSIONS_MAX:
            raise source.damage(f"begins more than {SESSIONS_MAX:,} sessions")
    source.note_unended()
    if done:
        yield from transaction(session, done)
