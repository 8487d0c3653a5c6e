"""What both compiled searches (`compiled_search`, `vector_search`) are given: columns to write to, lists of open steps, room that grows.

Nothing here knows what a step does. The lists are those of Wing & Gong 1993: the steps of a key in the order of their calls, taken out
and put back in constant time. A search starts with little room to remember, because most need no more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from harness.checkers.linearizable.calls import Column
from harness.checkers.linearizable.compiled import column

__all__ = ["filled", "in_growing_room", "open_steps"]

_ROOM_FIRST: Final = 1 << 12
_ROOM_FACTOR: Final = 16
"""Configurations remembered at first; a search that needs more begins again with so many times more room."""


def filled(count: int, number: int) -> Any:
    """Return a column of `count` places that hold `number`, for `compiled` code."""
    return column(np.full(count, number, dtype=np.int64))


def open_steps(begin: Column) -> tuple[Any, Any]:
    """Return the columns (following, preceding) of one ring per key.

    The steps of key k are those from `begin[k]` to `begin[k + 1]`; its ring is headed by place `begin[-1] + k`.
    """
    definite, keys = int(begin[-1]), len(begin) - 1
    following = np.arange(1, definite + keys + 1)
    preceding = np.arange(-1, definite + keys - 1)
    heads = definite + np.arange(keys)
    first, end = begin[:-1], begin[1:]
    some = first < end
    following[heads] = np.where(some, first, heads)
    preceding[heads] = np.where(some, end - 1, heads)
    following[end[some] - 1] = heads[some]
    preceding[first[some]] = heads[some]
    return column(following), column(preceding)


def in_growing_room(
    left: Column, room_max: int, search: Callable[[Column, int, int], Column]
) -> None:
    """Let `search` search the keys `left`, those that remember too much again with more room, up to `room_max`.

    `search` gets keys, how many configurations it may remember, and the slots of a hash table for them; it returns which of the
    keys ran out of room.
    """
    room = min(_ROOM_FIRST, room_max)
    while len(left):
        left = search(left, room, 2 << room.bit_length())
        if room == room_max:
            return
        room = min(room * _ROOM_FACTOR, room_max)
