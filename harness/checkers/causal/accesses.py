"""A history of registers as accesses: who read and wrote what in which session, and which write each read saw.

Operations: ``write`` v, ``read`` -> v, ``read-init`` -> v (Jepsen's causal), with [key, v] for v where there are several registers. A
crashed write may have happened: it counts when somebody saw it. A crashed read and whatever failed say nothing.

None is what a register holds before it is written, and so is what a ``read-init`` saw that nobody wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from harness.checkers.paired import Paired
from harness.values import frozen

__all__ = ["AMBIGUOUS", "INITIAL", "THIN_AIR", "WRITE", "Accesses", "accesses_of"]

INITIAL, WRITE, THIN_AIR, AMBIGUOUS = -1, -2, -3, -4
"""What stands in `saw` instead of a write: nothing had been written; it is a write itself; nobody wrote the value; several did."""


class Accesses(msgspec.Struct, frozen=True, kw_only=True):
    """Accesses in order of their invocations; all lists are equally long.

    `session` and `key` are dense numbers. `saw` is the write whose value a read saw, or one of the constants. `previous` is the
    access in front of it in its session, or -1. `values` are as the history has them.
    """

    operations: list[Paired]
    session: list[int]
    key: list[int]
    saw: list[int]
    previous: list[int]
    keys: list[Any]
    values: list[Any]

    def __len__(self) -> int:
        return len(self.operations)

    @property
    def writes(self) -> list[int]:
        """All writes."""
        return [access for access, saw in enumerate(self.saw) if saw == WRITE]

    def before(self, access: int) -> list[int]:
        """What directly precedes an access: at most the one in its session, and the write that it saw."""
        return [one for one in (self.previous[access], self.saw[access]) if one >= 0]

    def words(self, access: int) -> str:
        """``write('x', 1) of process 0``."""
        one, key = self.operations[access], self.keys[self.key[access]]
        place = "" if key is None else f"{key!r}, "
        verb = "write" if self.saw[access] == WRITE else "read"
        return f"{verb}({place}{self.values[access]!r}) of process {one.process}"


def accesses_of(operations: Sequence[Paired], *, keyed: bool) -> Accesses:
    """The accesses of `operations`; `keyed`: values are [key, value]."""
    kept = [one for one in operations if one.ok or (one.f == "write" and one.possible)]
    keys: dict[Any, int] = {}
    originals: list[Any] = []
    sessions: dict[int, int] = {}
    last: dict[int, int] = {}
    key, session, values, previous = [], [], [], []
    for access, one in enumerate(kept):
        given = one.asked if one.f == "write" else one.told
        where, value = given if keyed else (None, given)
        number = keys.setdefault(frozen(where), len(keys))
        if number == len(originals):
            originals.append(where)
        key.append(number)
        values.append(value)
        session.append(sessions.setdefault(one.process, len(sessions)))
        previous.append(last.get(one.process, -1))
        last[one.process] = access
    return Accesses(
        operations=kept,
        session=session,
        key=key,
        saw=_seen(kept, key, values),
        previous=previous,
        keys=originals,
        values=values,
    )


def _seen(operations: list[Paired], key: list[int], values: list[Any]) -> list[int]:
    """For each access the write that it saw."""
    places = [(register, frozen(value)) for register, value in zip(key, values, strict=True)]
    writers: dict[Any, int] = {}
    for access, one in enumerate(operations):
        if one.f == "write":
            writers[places[access]] = AMBIGUOUS if places[access] in writers else access
    initial = {
        places[access]: None
        for access, one in enumerate(operations)
        if one.f == "read-init" or values[access] is None
    }
    return [
        WRITE if one.f == "write" else writers.get(place, INITIAL if place in initial else THIN_AIR)
        for one, place in zip(operations, places, strict=True)
    ]
