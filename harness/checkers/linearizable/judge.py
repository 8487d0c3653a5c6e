"""The front: histories as columns in, one judgement out, which says by what it was made.

Each key goes to the monitor of its model where that applies, the rest to a search with a budget. A monitor that does not
apply says so and has no opinion.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np

from harness.checkers.checker import Valid
from harness.checkers.linearizable.by_search import affordable, search_each_key
from harness.checkers.linearizable.calls import Calls, Column
from harness.checkers.linearizable.certificate import monitor_for
from harness.checkers.linearizable.search import Budget
from harness.checkers.linearizable.sequential import MODELS
from harness.checkers.linearizable.windows import window_of
from harness.errors import HarnessError

__all__ = ["Judgement", "judge"]

DEFAULT_BUDGET = Budget()


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a history.

    `each` holds a key's verdict: 1 valid, 0 not, -1 unknown, and 1 where a key has no rows. `window` holds rows of one
    key that is not linearizable, few that no order explains, with `whatever_before` from whatever state. Of a search, `steps` is what it cost; of the
    unknown key that was explained least, `explained` of `of` rows were put in order.
    """

    valid: Valid
    by: str
    keys_by_monitor: int
    keys_by_search: int
    each: Column
    window: tuple[int, ...] = ()
    whatever_before: bool = False
    steps: int = 0
    explained: int = 0
    of: int = 0


def judge(calls: Calls, model: str, budget: Budget = DEFAULT_BUDGET) -> Judgement:
    """Judge every key of a history against a model (`sequential.MODELS`)."""
    _refuse_nonsense(calls, model)
    keys = calls.keys
    monitor = monitor_for(calls, model)
    each = np.ones(keys, dtype=np.int64)
    window: tuple[int, ...] = ()
    whatever_before = False
    rest = np.arange(len(calls))
    inhabited = np.bincount(calls.key, minlength=keys) > 0
    judged = 0
    if monitor is not None:
        found = monitor.judge(calls)
        each[~found.valid] = 0
        window = found.window
        judged = int((found.applies & inhabited).sum())
        rest = np.flatnonzero(~found.applies[calls.key])
    steps = explained = of = 0
    if len(rest):
        searched = search_each_key(calls.select(rest), model, affordable(budget, model))
        each[searched.keys] = searched.valid
        steps = int(searched.steps.sum())
        wrong = searched.keys[searched.valid == 0]
        if len(wrong) and not window:
            rows = np.flatnonzero(calls.key == wrong[0])
            shown = window_of(calls.select(rows), model)
            window = tuple(rows[list(shown.rows)].tolist())
            whatever_before = shown.whatever_before
        open_keys = np.flatnonzero(searched.valid < 0)
        if len(open_keys):
            least = open_keys[np.argmin(searched.explained[open_keys])]
            explained = int(searched.explained[least])
            of = int((calls.key == searched.keys[least]).sum())
    by_search = int(inhabited.sum()) - judged
    names = ([monitor.name] if monitor is not None and judged else []) + ["search"] * (
        by_search > 0
    )
    return Judgement(
        valid=_overall(each),
        by=" and ".join(names),
        keys_by_monitor=judged,
        keys_by_search=by_search,
        each=each,
        window=window,
        whatever_before=whatever_before,
        steps=steps,
        explained=explained,
        of=of,
    )


def _overall(each: Column) -> bool | Literal["unknown"]:
    """Return the worst verdict; a history without operations is valid of nothing, hence unknown."""
    if (each == 0).any():
        return False
    return "unknown" if not len(each) or (each < 0).any() else True


def _refuse_nonsense(calls: Calls, model: str) -> None:
    """Raise when the model does not know what the rows do, or rows are not in order: the caller is at fault."""
    if model not in MODELS:
        raise HarnessError(f"no model {model!r}; there are {', '.join(MODELS)}")
    known = MODELS[model].kinds
    strange = np.flatnonzero(~np.isin(calls.kind, known))
    if len(strange):
        row = int(strange[0])
        raise HarnessError(f"row {row} is of kind {int(calls.kind[row])}, unknown to {model}")
    if (np.diff(calls.called) <= 0).any():
        raise HarnessError("rows must stand in order of their calls, no two at one position")
