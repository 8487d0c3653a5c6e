"""Windows: few rows of a history that no order explains, made by steps that never make an explainable history inexplicable.

* What happened after some position is cut off, and what had not returned then may or may not have happened.
* Where a sweep comes to a dead end, the window ends there or soon behind.
* Where the model allows it (`segments`), what came before some position is cut off too, and the rest must have no order from any
  state; then rows go that nobody left can have seen.
* Elsewhere, or where only the whole history convicts: reads may go; in registers writes too whose value nobody left needs; in
  containers all operations of one value.

Rows go in parts, large ones first, then one by one until none can go (delta debugging, Zeller & Hildebrandt 2002), within a budget.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec
import numpy as np

from harness.checkers.linearizable import vector_segments
from harness.checkers.linearizable.by_search import LISTING, VECTORS, search_each_key
from harness.checkers.linearizable.calls import INFINITY, NIL, Calls, Column, Kind
from harness.checkers.linearizable.search import SEES_ONLY, Budget
from harness.checkers.linearizable.segments import (
    SEGMENTED_MODELS,
    Sight,
    from_every_state,
    joined,
    segment,
    until,
)

__all__ = ["Window", "window_of"]

_SWEPT_MODELS = ("register", "cas-register", "mutex")
"""Models whose segments a sweep can judge from all states at once."""

_WORK_MAX = 5_000_000
"""Steps searched and rows looked at while rows go; then a window stays as it is."""

_CUT_BUDGET = Budget(steps_max=500_000, remembered_max=500_000)
_TEST_BUDGET = Budget(steps_max=50_000, remembered_max=50_000)
"""What one judgement may use while the end is cut off (a few of them), and while rows go; one that needs more counts as
explained."""

_LONGEST_BUDGET = Budget(steps_max=5_000_000, remembered_max=500_000)
"""So for the longest order of a whole history."""

_SWEEP_BUDGET = Budget(steps_max=300_000, sweep_bytes_max=1 << 28)
"""So for the judgement of a segment by sweeps."""

_SEGMENT_FIRST = 2
_SEGMENT_ROWS_MAX = 1000
"""Returns in the first segment that is tried, each next one having twice as many, and rows of the last."""

Test = Callable[[Calls], tuple[bool, int]]
"""Whether no order explains some rows, as far as a budget can tell, and what it cost."""


class Window(msgspec.Struct, frozen=True):
    """Rows that no order explains; with `whatever_before`, from no state that the object could have been in."""

    rows: tuple[int, ...] = ()
    whatever_before: bool = False


def window_of(calls: Calls, model: str) -> Window:
    """Return few rows of `calls` (of one key, not linearizable) that are not linearizable by themselves.

    Their returns count as in the prefix of the history that ends where the last of them is needed.
    """
    if model == "kv" and not np.isin(calls.kind, LISTING).any():
        model = "register"
    bare = np.flatnonzero(calls.kind != Kind.CAS_REFUSED)
    if len(bare) < len(calls) and _inexplicable(calls.select(bare), model, _CUT_BUDGET)[0]:
        found = window_of(calls.select(bare), model)
        return Window(tuple(bare[list(found.rows)].tolist()), found.whatever_before)
    positions = np.unique(calls.returned[calls.returned < INFINITY])
    if model in _SWEPT_MODELS:
        window = _from_dead_end(calls, model, positions)
        if window is not None:
            return Window(tuple(window.tolist()), whatever_before=True)
    if model == VECTORS:
        strange = vector_segments.seen_by_nobody_put(calls)
        window = strange[:1] if len(strange) else _from_longest_order(calls, model, positions)
        if window is not None:
            return Window(tuple(window.tolist()), whatever_before=not len(strange))
    low, high = 0, len(positions) - 1
    while low < high:
        middle = (low + high) // 2
        if _inexplicable(until(calls, int(positions[middle])), model, _CUT_BUDGET)[0]:
            high = middle
        else:
            low = middle + 1
    if not len(positions):
        return Window()
    short = until(calls, int(positions[low]))
    if model in SEGMENTED_MODELS:
        window = _by_segments(short, model, positions[: low + 1])
        if window is not None:
            return Window(tuple(window.tolist()), whatever_before=True)

    def alone(rows: Calls) -> tuple[bool, int]:
        return _inexplicable(rows, model, _TEST_BUDGET)

    kept = _shrunk(short, lambda rows: _closed(short, model, rows), alone)
    return Window(tuple(kept.tolist()))


def _dies(calls: Calls, model: str) -> tuple[bool, int]:
    """Return whether a sweep from all states comes to a dead end, and what it cost."""
    from harness.checkers.linearizable.by_sweep import CONVICTING, sweep_key  # noqa: PLC0415

    if not len(calls):
        return False, 0
    found = sweep_key(calls, model, _SWEEP_BUDGET, CONVICTING, any_start=True)
    return found.valid is False, found.steps


def _from_dead_end(calls: Calls, model: str, positions: Column) -> Column | None:
    """Return the shrunk rows of a segment that ends where a sweep over everything comes to a dead end, or soon behind."""
    from harness.checkers.linearizable.by_sweep import CONVICTING, sweep_key  # noqa: PLC0415

    budget = Budget()
    found = sweep_key(calls, model, budget, CONVICTING, budget.steps_max)
    if found.valid is not False:
        return None
    return _soon_behind(calls, model, positions, found.dead_at)


def _from_longest_order(calls: Calls, model: str, positions: Column) -> Column | None:
    """Return the shrunk rows of a segment that ends where the longest order found does, or soon behind."""
    found = search_each_key(calls, model, _LONGEST_BUDGET)
    end = min(int(found.explained[0]), len(positions) - 1)
    return _soon_behind(calls, model, positions, end)


def _soon_behind(calls: Calls, model: str, positions: Column, end: int) -> Column | None:
    """Return the shrunk rows of a segment that ends with return number `end`, or some returns later."""
    further = 0
    while end + further < len(positions):
        last = end + further
        window = _by_segments(until(calls, int(positions[last])), model, positions[: last + 1])
        if window is not None:
            return window
        further = 2 * further + 1
    return None


def _by_segments(calls: Calls, model: str, positions: Column) -> Column | None:
    """Return the shrunk rows of the shortest segment tried that no order explains from any state, if there is one."""

    def from_any(rows: Calls) -> tuple[bool, int]:
        if model == VECTORS:
            return _inexplicable(vector_segments.begun(rows), model, _TEST_BUDGET)
        if model in _SWEPT_MODELS:
            return _dies(rows, model)
        return _inexplicable(joined(from_every_state(rows, model)), model, _TEST_BUDGET)

    returns = _SEGMENT_FIRST
    while True:
        cut = int(positions[-returns - 1]) + 1 if returns < len(positions) else 0
        if model == VECTORS:
            rows, inside = vector_segments.segment(calls, cut)
        else:
            rows, inside = segment(calls, model, cut)
        if len(rows) > _SEGMENT_ROWS_MAX:
            return None
        if from_any(inside)[0]:
            see = (
                partial(_closed, inside, model) if model == VECTORS else Sight(inside, model).closed
            )
            return rows[_shrunk(inside, see, from_any)]
        if cut == 0:
            return None
        returns *= 2


def _shrunk(calls: Calls, closed: Callable[[Column], Column], test: Test) -> Column:
    """Take rows away as long as nothing explains the rest; `closed` adds those without which it would say too much."""
    kept = np.arange(len(calls))
    unit = len(kept)
    work = 0
    shorter = False
    while work < _WORK_MAX and (unit > 1 or shorter):
        unit = (unit + 1) // 2
        begin, shorter = 0, False
        while begin < len(kept) and work < _WORK_MAX:
            fewer = closed(np.delete(kept, np.s_[begin : begin + unit]))
            wrong = False
            if len(fewer) < len(kept):
                wrong, steps = test(calls.select(fewer))
                work += steps + len(fewer)
            if wrong:
                kept, shorter = fewer, True
            else:
                begin += unit
    return kept


def _inexplicable(calls: Calls, model: str, budget: Budget) -> tuple[bool, int]:
    """Return whether no key of `calls` has an order, as far as `budget` can tell, and what it cost."""
    if not len(calls):
        return False, 0
    found = search_each_key(calls, model, budget)
    return bool((found.valid == 0).all()), int(found.steps.sum())


def _closed(calls: Calls, model: str, kept: Column) -> Column:
    """Return `kept` and the rows without which it would say more than the history did."""
    if model == VECTORS:
        return vector_segments.closed(calls, kept)
    needed = np.zeros(len(calls), dtype=np.bool_)
    needed[kept] = True
    if model in ("queue", "stack", "unordered-queue"):
        inside = calls.value != NIL
        needed |= inside & np.isin(calls.value, calls.value[needed & inside])
    elif model in ("register", "cas-register"):
        written = np.where(calls.kind == Kind.CAS, calls.value_to, calls.value)
        writing, seeing = calls.kind != Kind.READ, calls.kind != Kind.WRITE
        size = -1
        while size != needed.sum():
            size = needed.sum()
            needed |= writing & np.isin(written, calls.value[needed & seeing])
    else:
        needed |= ~np.isin(calls.kind, sorted(SEES_ONLY))
    return np.flatnonzero(needed)
