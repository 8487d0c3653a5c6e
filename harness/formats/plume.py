"""Text histories of Plume and PolySI: one read or write a line, with session and transaction.

    w(1,1,0,0)
    r(1,1,1,4)

A line is ``f(key,value,session,transaction)``. A transaction ends where its session goes on with another; one that
goes on after that is refused. Transaction -1 holds what was aborted: each of its writes is a transaction that failed, its
reads say nothing. Every key begins with 0: reading it is reading nothing, and nobody may write it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from harness.formats.sessions import INITIAL, SESSIONS_MAX, aborted, micro_operation, transaction
from harness.formats.source import Source
from harness.operation import Operation

__all__ = ["read"]

ABORTED: Final = -1
"""The number of the transactions that were aborted."""

_LINE: Final = re.compile(
    r"\s*([rwRW])\(\s*([^,()\s]+)\s*,\s*([^,()\s]+)\s*,\s*(\d+)\s*,\s*(-?\d+)\s*\)\s*\Z"
)


def read(source: Source) -> Iterator[Operation]:
    """The operations of `source`. Raises HistoryDamaged naming the line."""
    under_way: dict[int, tuple[int, list[list[Any]]]] = {}
    begun: set[tuple[int, int]] = set()
    for line in source.lines():
        if not line.strip():
            continue
        found = _LINE.match(line)
        if found is None:
            raise source.damage("is not of the form r(key,value,session,transaction)")
        f, key, value, session, number = found.groups()
        process, name = int(session), int(number)
        micro = micro_operation(f, key, value)
        if micro[2] == INITIAL and micro[0] == "w":
            raise source.damage(f"writes {INITIAL}, which every key begins with")
        if micro[2] == INITIAL:
            micro[2] = None
        if name == ABORTED:
            yield from aborted(process, micro) if micro[0] == "w" else ()
            continue
        last, done = under_way.get(process, (-1, []))
        if last != name:
            yield from transaction(process, done) if done else ()
            if (process, name) in begun:
                raise source.damage(
                    f"goes on with transaction {name} of session {process}, which is over"
                )
            begun.add((process, name))
            done = []
            under_way[process] = (name, done)
            if len(under_way) > SESSIONS_MAX:
                raise source.damage(f"begins more than {SESSIONS_MAX:,} sessions")
        done.append(micro)
    for process, (_, done) in under_way.items():
        yield from transaction(process, done)
