"""The input of every judge in this package: operations as columns of numbers.

Nothing here judges. A row is one operation that took effect (it returned) or may have (it crashed: `INFINITY`); one that
certainly failed is no row. Positions are those of events in the history: unique, zero or more, and rows stand in order of their
calls. Keys and values are dense codes from zero; value `NIL` is what a key holds before anyone wrote: the absent value, or the
answer "empty" of a queue or stack.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

__all__ = ["INFINITY", "NIL", "Calls", "Column", "Flags", "Kind", "Monitored"]

Column = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NIL = 0
"""Code of the value that stands for none."""

INFINITY = 1 << 62
"""Return position of an operation that never returned."""


class Kind(IntEnum):
    """What an operation does; a model knows some of these."""

    READ = 0
    """See `value`."""
    WRITE = 1
    """Put `value`; in a key-value store what is there becomes the list of this one value."""
    CAS = 2
    """See `value` and put `value_to`."""
    APPEND = 3
    """Put `value` behind a list."""
    READ_LIST = 4
    """See the whole list or set: the operation's `items`."""
    ADD = 5
    """Put element `value` into a set, or add the amount `value` (itself, no code) to a counter."""
    INSERT = 6
    """Put `value` into a queue or on a stack."""
    REMOVE = 7
    """Take `value` from a queue or a stack; `NIL` found it empty."""
    ACQUIRE = 8
    """Take a lock for the owner `value`; where all are `NIL`, anybody may release what anybody holds."""
    RELEASE = 9
    """Give up a lock that its owner `value` holds."""
    READ_MANY = 10
    """See registers: `items` holds register, value, register, value ..."""
    WRITE_MANY = 11
    """Put values into registers, `items` as in READ_MANY."""
    CAS_REFUSED = 12
    """See something else than `value`."""
    TXN_MANY = 13
    """See and put registers one after the other: `items` holds 0 or 1 (see, put), register, value, 0 or 1, ..."""


def _empty() -> Column:
    return np.zeros(0, dtype=np.int64)


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """Operations, see the module. The items of row i are ``items[begin[i]:begin[i + 1]]``; both may be empty."""

    called: Column
    returned: Column
    key: Column
    kind: Column
    value: Column
    value_to: Column
    begin: Column = msgspec.field(default_factory=_empty)
    items: Column = msgspec.field(default_factory=_empty)

    def __len__(self) -> int:
        return len(self.called)

    @property
    def keys(self) -> int:
        """How many keys there may be: one more than the largest code."""
        return int(self.key.max()) + 1 if len(self.key) else 0

    def sizes(self) -> Column:
        """Return how many items each row has."""
        return np.diff(self.begin) if len(self.begin) else np.zeros(len(self), dtype=np.int64)

    def items_of(self, row: int) -> tuple[int, ...]:
        """Return the items of one row."""
        if not len(self.begin):
            return ()
        return tuple(self.items[self.begin[row] : self.begin[row + 1]].tolist())

    def select(self, rows: Column) -> Calls:
        """Return only `rows`, in their order."""
        plain: dict[str, Any] = {
            name: getattr(self, name)[rows]
            for name in ("called", "returned", "key", "kind", "value", "value_to")
        }
        if not len(self.begin):
            return Calls(**plain)
        sizes = self.sizes()[rows]
        begin = np.concatenate([[0], np.cumsum(sizes)])
        inside = np.arange(begin[-1]) - np.repeat(begin[:-1], sizes)
        items = self.items[np.repeat(self.begin[rows], sizes) + inside]
        return Calls(**plain, begin=begin, items=items)


class Monitored(msgspec.Struct, frozen=True, kw_only=True):
    """What a monitor says: for each key whether it applies and, where it does, whether the key is linearizable.

    `window` holds rows of the first key that is not: few operations that no order explains.
    """

    applies: Flags
    valid: Flags
    window: tuple[int, ...] = ()
