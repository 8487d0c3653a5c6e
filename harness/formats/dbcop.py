"""dbcop's ``history.bincode``: sessions of transactions as Rust's bincode writes them.

Little-endian words of eight bytes: five numbers of the test's parameters, three strings (length and UTF-8: remark, begin, end),
then the sessions. A list is its length and its items; a transaction is a list of events and a byte that says whether it
committed; an event is a byte for write, the variable, the value, and a byte for success.

Every variable begins with 0. A write that failed, or whose transaction did, is a transaction that was aborted.
Layout: https://github.com/rnbguy/dbcop (``History``), as PolySI's loader reads it too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final

from harness.formats.sessions import INITIAL, SESSIONS_MAX, aborted, transaction
from harness.formats.source import Source
from harness.operation import Operation

__all__ = ["fits", "read"]

_NUMBERS: Final = 5
_STRINGS: Final = 3
_WORD: Final = struct.Struct("<Q")
_EVENT: Final = struct.Struct("<BQQB")
_REMARK_BYTES_MAX: Final = 1 << 16


def fits(head: bytes) -> bool:
    """Whether a file that begins with `head` can be one."""
    place = _NUMBERS * _WORD.size
    for _ in range(_STRINGS):
        if len(head) < place + _WORD.size:
            return False
        place += _WORD.size + min(_WORD.unpack_from(head, place)[0], _REMARK_BYTES_MAX + 1)
    return place + _WORD.size <= len(head)


class _Content:
    """Bytes that are taken one thing after the other. Raises HistoryDamaged where there are too few."""

    def __init__(self, source: Source) -> None:
        self._bytes = b"".join(source.blocks())
        self._source = source
        self.place = 0

    def take(self, layout: struct.Struct) -> tuple[Any, ...]:
        """The values of `layout`."""
        if self.place + layout.size > len(self._bytes):
            raise self._source.damage("is not there: the file ends in front of it")
        values = layout.unpack_from(self._bytes, self.place)
        self.place += layout.size
        return values

    def length(self) -> int:
        """The length of a list, which cannot be longer than the bytes that are left."""
        (length,) = self.take(_WORD)
        if length > len(self._bytes) - self.place:
            raise self._source.damage(f"has a length of {length:,} where fewer bytes are left")
        return int(length)

    def skip(self, count: int) -> None:
        """Pass over bytes that mean nothing here."""
        self.place += count

    @property
    def left(self) -> int:
        """Bytes that were not taken."""
        return len(self._bytes) - self.place


def read(source: Source) -> Iterator[Operation]:
    """The operations of `source`; its lines are transactions. Raises HistoryDamaged naming the transaction."""
    content = _Content(source)
    source.line = 1
    content.skip(_NUMBERS * _WORD.size)
    for _ in range(_STRINGS):
        content.skip(content.length())
    sessions = content.length()
    if sessions > SESSIONS_MAX:
        raise source.damage(f"belongs to more than {SESSIONS_MAX:,} sessions")
    for session in range(sessions):
        for _ in range(content.length()):
            yield from _transaction(source, content, session)
            source.line += 1
    if content.left:
        raise source.damage(f"is behind the last, where {content.left:,} bytes more follow")


def _transaction(source: Source, content: _Content, session: int) -> Iterator[Operation]:
    done: list[list[Any]] = []
    lost: list[list[Any]] = []
    for _ in range(content.length()):
        write, variable, value, success = content.take(_EVENT)
        if write > 1 or success > 1:
            raise source.damage("has a byte that is neither true nor false")
        micro = ["w" if write else "r", variable, value]
        if write and value == INITIAL:
            raise source.damage(f"writes {INITIAL}, which every variable begins with")
        if not write and value == INITIAL:
            micro[2] = None
        (done if success else lost).append(micro)
    (committed,) = content.take(struct.Struct("<B"))
    if committed > 1:
        raise source.damage("has a byte that is neither true nor false")
    if not committed:
        done, lost = [], done + lost
    for micro in lost:
        yield from aborted(session, micro) if micro[0] == "w" else ()
    if done:
        yield from transaction(session, done)
