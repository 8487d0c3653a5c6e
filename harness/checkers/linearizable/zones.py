"""Registers whose values are unique: zones (Gibbons & Korach 1997), all keys at once, in O(n log n).

A *block* is all that happens while one write's value stands, compare-and-sets included: the write, its readers, the
compare-and-set that found it, its readers, and so on; the value a key begins with is the root of a block whose write came
before everything. If values are unique a block is one piece of every order that explains the history, in
forced stages (write, readers, compare-and-set, readers ...). Its *zone* lies between the first return and the
last call in it: *forward* when the return comes first, otherwise *backward*. A key is linearizable iff

1. every value that was seen was written, each was found by at most one compare-and-set, and in no block does an operation
   return before one of an earlier stage was called;
2. no two forward zones overlap;
3. no backward zone lies strictly inside a forward one.

A crashed write counts when its value was seen, by an operation that counts; else it never happened. The explanation of a broken
key is small: the extreme operations of two zones, six at most (and the links of their chains). A key in which two
operations write the same value, or one writes the initial value, is not judged here.
"""

from __future__ import annotations

import msgspec
import numpy as np

from harness.checkers.linearizable.calls import INFINITY, Calls, Column, Flags, Kind, Monitored
from harness.checkers.linearizable.stages import (
    dense,
    horizon,
    inversions,
    no_keys,
    spread,
)

__all__ = ["judge_zones", "order_by_zones"]

_NO_ROW = -1


class _Blocks(msgspec.Struct):
    """What counts of a history, sorted into blocks. Column `rows` names the rows, the others belong to them."""

    applies: Flags
    rows: Column
    key: Column
    called: Column
    returned: Column
    seen: Column
    """Code of the value a row saw; so for the one it wrote. `_NO_ROW` for none."""
    written: Column
    root: Column
    """Code of the value at the root of a row's block."""
    stage: Column
    broken: list[tuple[int, ...]]
    """Rows that break the first condition."""
    key_of: Column
    """Root -> key."""
    first_return: Column
    """Root -> position; so for the last call. Blocks without rows are left out by `present`."""
    last_call: Column
    present: Flags
    end: int


class _Needs(msgspec.Struct):
    """What rows see and what they write, as dense codes; `_NO_ROW` for nothing."""

    seen: Column
    written: Column
    codes: int


def judge_zones(calls: Calls) -> Monitored:
    """Judge every key of a register history to which zones apply."""
    blocks = _blocks(calls)
    valid = ~no_keys(calls.keys)
    windows = [rows for rows in blocks.broken if rows]
    for rows in blocks.broken:
        valid[calls.key[list(rows)]] = False
    roots, pairs = _zone_conflicts(blocks)
    valid[blocks.key_of[roots]] = False
    if not windows and len(pairs):
        windows = [_extremes(blocks, pairs[0])]
    valid &= blocks.applies
    window = _with_proof(calls, blocks, windows[0]) if windows else ()
    return Monitored(applies=blocks.applies, valid=valid, window=window)


def order_by_zones(calls: Calls) -> Column:
    """Return rows in an order that explains every key that is valid by `judge_zones`.

    A forward zone stands at its left end. A backward one can stand anywhere inside, and stands at its left end as well
    unless that lies in a forward zone: then right behind that zone.
    """
    blocks = _blocks(calls)
    roots, left, right, forward = _zones(blocks)
    place = 2 * left
    fences, fence_right = left[forward], right[forward]
    by_left = np.argsort(fences)
    fences, fence_right = fences[by_left], fence_right[by_left]
    inside = np.searchsorted(fences, left) - 1
    moved = ~forward & (inside >= 0)
    if len(fences):
        moved &= fence_right[inside] > left
        place[moved] = 2 * fence_right[inside[moved]] + 1
    places = np.zeros(len(blocks.present), dtype=np.int64)
    places[roots] = place
    order = np.lexsort((blocks.called, blocks.stage, blocks.root, places[blocks.root]))
    return blocks.rows[order]


def _needs(calls: Calls) -> tuple[_Needs, Flags]:
    """Return what rows see and write, and the keys whose written values are unique."""
    kind, key = calls.kind, calls.key
    cas = kind == Kind.CAS
    same = cas & (calls.value == calls.value_to)
    changes = cas & ~same
    if changes.any():
        (code, code_to), codes = dense(key, calls.value, calls.value_to)
        written = np.where(kind == Kind.WRITE, code, np.where(changes, code_to, _NO_ROW))
    else:
        (code,), codes = dense(key, calls.value)
        written = np.where(kind == Kind.WRITE, code, _NO_ROW)
    seen = np.where(kind == Kind.WRITE, _NO_ROW, code)
    writers = np.bincount(written + 1, minlength=codes + 1)[1:]
    keys = calls.keys
    writers[:keys] = np.where(writers[:keys] > 0, 2, 0)
    ambiguous = no_keys(keys)
    if writers.max(initial=0) > 1:
        ambiguous[key[(writers[written] > 1) & (written >= 0)]] = True
    return _Needs(seen=seen, written=written, codes=codes), ~ambiguous


def _counting(calls: Calls, needs: _Needs, applies: Flags, writer: Column) -> Flags:
    """Return which rows count: those that returned, and crashed ones whose value was seen by a row that counts."""
    counts = calls.returned < INFINITY
    if not applies.all():
        counts &= applies[calls.key]
    seen, written = needs.seen, needs.written
    crashed = np.flatnonzero((calls.returned == INFINITY) & (written >= 0) & applies[calls.key])
    if not len(crashed):
        return counts
    wanted = np.zeros(needs.codes, dtype=np.bool_)
    wanted[seen[counts & (seen >= 0)]] = True
    rows = crashed[wanted[written[crashed]]]
    while len(rows):
        counts[rows] = True
        found = seen[rows]
        rows = writer[found[found >= 0]]
        rows = rows[rows >= 0]
        rows = rows[~counts[rows]]
    return counts


def _blocks(calls: Calls) -> _Blocks:
    """Sort what counts into blocks; the first condition is judged on the way."""
    needs, applies = _needs(calls)
    keys = calls.keys
    writer = np.full(needs.codes, _NO_ROW, dtype=np.int64)
    writes = np.flatnonzero(needs.written >= 0)
    writer[needs.written[writes]] = writes
    counts = _counting(calls, needs, applies, writer)
    rows = np.flatnonzero(counts)
    seen, written = needs.seen[rows], needs.written[rows]
    key, called = calls.key[rows], calls.called[rows]
    end = horizon(calls)
    returned = np.minimum(calls.returned[rows], end)
    stands = np.where(written >= 0, written, seen)
    broken: list[tuple[int, ...]] = []
    absent = (seen >= keys) & (writer[seen] < 0)
    broken += [(row,) for row in rows[absent].tolist()]
    both = (seen >= 0) & (written >= 0)
    if both.any():
        root, stage = _chains(
            codes=needs.codes,
            rows=rows,
            seen=seen,
            written=written,
            stands=stands,
            broken=broken,
        )
        pairs = inversions(root, stage, called, returned)
        broken += [(first, second) for first, second in rows[pairs].tolist()]
    else:
        root, stage = stands, (written < 0).astype(np.int64)
        reads = (seen >= keys) & ~absent
        early = reads & (returned < calls.called[writer[stands]])
        broken += list(zip(writer[stands[early]].tolist(), rows[early].tolist(), strict=True))
    first_return = np.full(needs.codes, end + 1, dtype=np.int64)
    last_call = np.full(needs.codes, -1, dtype=np.int64)
    np.minimum.at(first_return, root, returned)
    last_call[root] = called
    present = last_call >= 0
    first_return[:keys] = -1
    key_of = np.zeros(needs.codes, dtype=np.int64)
    key_of[root] = key
    return _Blocks(
        applies=applies,
        rows=rows,
        key=key,
        called=called,
        returned=returned,
        seen=seen,
        written=written,
        root=root,
        stage=stage,
        broken=broken,
        key_of=key_of,
        first_return=first_return,
        last_call=last_call,
        present=present,
        end=end,
    )


def _chains(
    *,
    codes: int,
    rows: Column,
    seen: Column,
    written: Column,
    stands: Column,
    broken: list[tuple[int, ...]],
) -> tuple[Column, Column]:
    """Return the root and the stage of each row where compare-and-sets link values; adds what cannot be to `broken`."""
    links = np.flatnonzero((seen >= 0) & (written >= 0))
    before = np.arange(codes)
    before[written[links]] = seen[links]
    depth = (before != np.arange(codes)).astype(np.int64)
    for _ in range(codes.bit_length() + 1):
        further = depth[before]
        if not further.any():
            break
        depth = depth + further
        before = before[before]
    endless = depth[before] > 0
    turning = links[endless[written[links]]]
    broken += [(row,) for row in rows[turning].tolist()]
    depth[endless] = 0
    taken = np.argsort(seen[links], kind="stable")
    again = np.flatnonzero(np.diff(seen[links[taken]]) == 0)
    firsts, seconds = rows[links[taken[again]]], rows[links[taken[again + 1]]]
    broken += list(zip(firsts.tolist(), seconds.tolist(), strict=True))
    return before[stands], 2 * depth[stands] + (written < 0)


def _zones(blocks: _Blocks) -> tuple[Column, Column, Column, Flags]:
    """Return roots, ends of their zones on the line of all keys, and which are forward."""
    roots = np.flatnonzero(blocks.present)
    first, last = blocks.first_return[roots], blocks.last_call[roots]
    key = blocks.key_of[roots]
    left = spread(np.minimum(first, last), key, blocks.end)
    right = spread(np.maximum(first, last), key, blocks.end)
    return roots, left, right, first < last


def _zone_conflicts(blocks: _Blocks) -> tuple[Column, Column]:
    """Return roots whose zones break the second or third condition, and the pairs of them."""
    roots, left, right, forward = _zones(blocks)
    ahead = np.flatnonzero(forward)
    ahead = ahead[np.argsort(left[ahead])]
    begins, finishes = left[ahead], right[ahead]
    clash = np.flatnonzero(begins[1:] < finishes[:-1])
    overlap = np.stack([ahead[clash], ahead[clash + 1]], axis=1)
    back = np.flatnonzero(~forward)
    enclosing = np.searchsorted(begins, left[back]) - 1
    held = enclosing >= 0
    back, enclosing = back[held], enclosing[held]
    inside = right[back] < finishes[enclosing]
    enclosed = np.stack([ahead[enclosing[inside]], back[inside]], axis=1)
    pairs = roots[np.concatenate([overlap, enclosed])]
    return pairs[:, 0], pairs


def _with_proof(calls: Calls, blocks: _Blocks, window: tuple[int, ...]) -> tuple[int, ...]:
    """Return a window with rows that saw what its crashed rows wrote: without these it would prove nothing."""
    shown = list(window)
    for row in shown:
        place = int(np.searchsorted(blocks.rows, row))
        if calls.returned[row] == INFINITY:
            seeing = np.flatnonzero(blocks.seen == blocks.written[place])
            definite = seeing[blocks.returned[seeing] < blocks.end]
            witness = int(blocks.rows[(definite if len(definite) else seeing)[0]])
            if witness not in shown:
                shown.append(witness)
    return tuple(sorted(shown))


def _extremes(blocks: _Blocks, pair: Column) -> tuple[int, ...]:
    """Return the rows that make two zones what they are: first return, last call, and what links them to the root."""
    chosen: set[int] = set()
    for root in pair.tolist():
        members = np.flatnonzero(blocks.root == root)
        ends = [
            int(members[np.argmin(blocks.returned[members])]),
            int(members[np.argmax(blocks.called[members])]),
        ]
        deepest = max(int(blocks.stage[row]) for row in ends)
        stage = blocks.stage[members]
        links = members[(stage % 2 == 0) & (stage <= deepest)]
        chosen |= {int(blocks.rows[row]) for row in [*ends, *links.tolist()]}
    return tuple(sorted(chosen))
