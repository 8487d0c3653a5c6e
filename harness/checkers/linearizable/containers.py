"""What the monitors of queues and stacks share: operations paired by value.

A value is inserted once and removed at most once; its two operations stand in one line of `Values`. The pairing tightens what time says: an
insertion has taken effect when its value was removed, a removal cannot take effect before the insertion was called. A
value that stays gets a removal behind everything. A crashed insertion counts when its value was removed. A crashed removal could have
taken any value that stayed: where both exist, "not linearizable" is no verdict, and the key is not judged here.
"""

from __future__ import annotations

import msgspec
import numpy as np

from harness.checkers.linearizable.calls import INFINITY, NIL, Calls, Column, Flags, Kind
from harness.checkers.linearizable.stages import dense, horizon, no_keys, spread, uncovered

__all__ = ["Values", "covering", "found_empty", "paired"]

_NO_ROW = -1


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """One line per value, positions on the line of all keys (`stages.spread`).

    `uncertain` marks keys in which a crashed removal may have taken what stayed.
    """

    applies: Flags
    uncertain: Flags
    broken: tuple[tuple[int, ...], ...]
    """Rows that no container explains, whatever its order."""
    key: Column
    insertion: Column
    removal: Column
    """Rows; `_NO_ROW` where the value stayed."""
    insert_called: Column
    insert_returned: Column
    remove_called: Column
    remove_returned: Column
    empty: Column
    """Rows of the removals that found nothing."""
    empty_called: Column
    empty_returned: Column

    def rows_of(self, lines: Column) -> tuple[int, ...]:
        """Return the rows of some values, sorted."""
        rows = np.concatenate([self.insertion[lines], self.removal[lines]])
        return tuple(np.unique(rows[rows >= 0]).tolist())


def paired(calls: Calls) -> Values:
    """Pair the operations of every key."""
    inserting = calls.kind == Kind.INSERT
    definite = calls.returned < INFINITY
    (code,), codes = dense(calls.key, calls.value)
    times = np.bincount(code[inserting], minlength=codes)
    times[: calls.keys] *= 2
    applies = ~no_keys(calls.keys)
    applies[calls.key[inserting & (times[code] > 1)]] = False

    takes = np.flatnonzero(~inserting & definite & (calls.value != NIL) & applies[calls.key])
    inserts = np.flatnonzero(inserting & applies[calls.key])
    insertion = np.full(codes, _NO_ROW, dtype=np.int64)
    insertion[code[inserts]] = inserts
    removal = np.full(codes, _NO_ROW, dtype=np.int64)
    removal[code[takes]] = takes
    broken = _broken(calls, takes, insertion[code[takes]], removal[code[takes]])

    counts = definite[inserts] | (removal[code[inserts]] >= 0)
    lines = code[inserts[counts]]
    first, second = insertion[lines], removal[lines]
    stays = second < 0
    key = calls.key[first]
    end = horizon(calls)
    removed = np.where(stays, end + 1, np.minimum(calls.returned[second], end))
    taken = np.where(stays, end, calls.called[second])
    uncertain = no_keys(calls.keys)
    uncertain[key[stays]] = True
    guessing = no_keys(calls.keys)
    guessing[calls.key[~inserting & ~definite]] = True
    empty = np.flatnonzero(~inserting & definite & (calls.value == NIL) & applies[calls.key])
    return Values(
        applies=applies,
        uncertain=uncertain & guessing,
        broken=tuple(broken),
        key=key,
        insertion=first,
        removal=second,
        insert_called=spread(calls.called[first], key, end),
        insert_returned=spread(np.minimum(calls.returned[first], removed), key, end),
        remove_called=spread(np.maximum(taken, calls.called[first]), key, end),
        remove_returned=spread(removed, key, end),
        empty=empty,
        empty_called=spread(calls.called[empty], calls.key[empty], end),
        empty_returned=spread(calls.returned[empty], calls.key[empty], end),
    )


def _broken(
    calls: Calls, takes: Column, inserted: Column, removed: Column
) -> list[tuple[int, ...]]:
    """Return rows of values removed twice, never inserted, or inserted too late."""
    again = removed != takes
    never = inserted < 0
    late = ~never & (calls.returned[takes] < calls.called[inserted])
    broken: list[tuple[int, ...]] = [(row,) for row in takes[never].tolist()]
    broken += list(zip(takes[again].tolist(), removed[again].tolist(), strict=True))
    broken += list(zip(inserted[late].tolist(), takes[late].tolist(), strict=True))
    return [tuple(sorted(rows)) for rows in broken]


def found_empty(values: Values) -> Flags:
    """Return for each removal that found nothing whether the container can have been empty then."""
    held = np.flatnonzero(values.insert_returned < values.remove_called)
    held = held[np.argsort(values.insert_returned[held])]
    return uncovered(
        values.insert_returned[held],
        values.remove_called[held],
        values.empty_called,
        values.empty_returned,
    )


def covering(values: Values, begin: int, finish: int) -> Column:
    """Return few values that together were inside all the time from `begin` to `finish`."""
    left, right = values.insert_returned, values.remove_called
    chosen: list[int] = []
    point = begin
    while point <= finish:
        inside = np.flatnonzero((left <= point) & (right > point))
        furthest = int(inside[np.argmax(right[inside])])
        chosen.append(furthest)
        point = int(right[furthest])
    return np.array(chosen, dtype=np.int64)
