"""From transactions listed by session to a history: what the formats of isolation checkers share.

Such a file knows the order inside a session and no time. Every transaction becomes an invocation and its completion, the
session is the process, and the order between sessions means nothing: `Format.timed` is false, and no judge that
looks at real time may be asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from harness.operation import Operation

__all__ = ["INITIAL", "SESSIONS_MAX", "aborted", "micro_operation", "number_or_text", "transaction"]

SESSIONS_MAX: Final = 1_000_000
"""A file may have so many sessions."""

INITIAL: Final = 0
"""What every key holds before it is written, in the formats that say so."""

_FS: Final = {"r": "r", "w": "w", "R": "r", "W": "w"}


def micro_operation(f: str, key: str, value: str) -> list[Any]:
    """One read or write; numbers become numbers."""
    return [_FS[f], number_or_text(key), number_or_text(value)]


def number_or_text(text: str) -> int | str:
    """`text` as an integer where it is one."""
    return int(text) if text.lstrip("-").isdecimal() else text


def transaction(session: int, micro_operations: list[list[Any]]) -> Iterator[Operation]:
    """Both ends of one committed transaction; what is read is unknown when it is invoked."""
    asked = [[f, key, None if f == "r" else value] for f, key, value in micro_operations]
    yield Operation(process=session, f="txn", value=asked)
    yield Operation(process=session, type="ok", f="txn", value=micro_operations)


def aborted(session: int, write: list[Any]) -> Iterator[Operation]:
    """Both ends of a transaction that certainly did not happen."""
    yield Operation(process=session, f="txn", value=[write])
    yield Operation(process=session, type="fail", f="txn", value=[write])
