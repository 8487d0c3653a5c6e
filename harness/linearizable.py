"""A history in columns, held against a model of `harness.checkers.linearizable`: from its judgement to a verdict.

The judgement speaks of rows; here they become the operations that a reader knows, and the verdict says what it rests on.
"""

from __future__ import annotations

from typing import Any, Final

from harness.calls import calls_of
from harness.checkers.checker import Verdict
from harness.checkers.evidence import finding
from harness.checkers.linearizable.calls import INFINITY, Column
from harness.checkers.linearizable.judge import Judgement, judge
from harness.checkers.linearizable.search import Budget
from harness.columns import Columns
from harness.rows import as_data, in_words

__all__ = ["NAME", "linearizable"]

NAME: Final = "linearizable"

_WORDS_SHOWN_MAX: Final = 12
"""Operations of a window that the sentence names; the data has all."""


REFUSING: Final = "refusing-register"
"""The model in which a compare-and-set that failed saw another value."""


def linearizable(
    columns: Columns,
    convention: str,
    model: str,
    budget: Budget,
    *,
    refused: Column | None = None,
    silent: Column | None = None,
    initial: Any = None,
) -> Verdict:
    """Whether every key is linearizable. Raises Misfit for what the model cannot express.

    `refused`: rows of compare-and-sets that failed because they saw another value. They are asked about last, and by the plain
    search: what is wrong without them is wrong with them. `silent`: rows that say nothing. `initial`: what registers hold before they
    are written.
    """
    called = calls_of(columns, convention, initial=initial, silent=silent)
    judgement = judge(called.calls, model, budget)
    if refused is not None and len(refused) and judgement.valid is not False:
        called = calls_of(columns, convention, refused, initial, silent)
        judgement = judge(called.calls, REFUSING, budget)
    definite = int((called.calls.returned < INFINITY).sum())
    facts = {
        "keys_judged": judgement.keys_by_monitor + judgement.keys_by_search,
        "operations_judged": definite,
        "judged_by": judgement.by or "nobody",
        "search_steps": judgement.steps,
    }
    if judgement.valid is False:
        window = sorted(called.rows[list(judgement.window)].tolist())
        return Verdict(
            valid=False,
            facts=facts,
            evidence=[_conviction(columns, window, whatever_before=judgement.whatever_before)],
        )
    if judgement.valid == "unknown" and definite:
        return Verdict(valid="unknown", facts=facts, evidence=[_given_up(judgement)])
    if not definite and (silent is None or not len(silent)):
        what = "no operation is known to have taken effect"
        return Verdict(valid="unknown", facts=facts, evidence=[finding(NAME, "stimulus", what)])
    return Verdict(valid=True, facts=facts)


def _conviction(columns: Columns, window: list[int], *, whatever_before: bool) -> dict[str, Any]:
    """The finding for rows that no order explains."""
    shown = [_told(columns, row) for row in window[:_WORDS_SHOWN_MAX]]
    if len(window) > _WORDS_SHOWN_MAX:
        shown.append(f"and {len(window) - _WORDS_SHOWN_MAX} more")
    these, them = (
        (f"these {len(window)} operations", "them") if len(window) > 1 else ("this operation", "it")
    )
    before = f", whatever came before {them}" if whatever_before else ""
    what = "\n".join([f"no order explains {these}{before}:", *shown])
    operations = [as_data(columns, row) for row in window]
    return finding(NAME, "I32", what, operations=operations)


def _told(columns: Columns, row: int) -> str:
    told = as_data(columns, row)
    until = f"to {told['returned']}" if told["returned"] >= 0 else "on, for it never returned"
    failed = " that failed" if told["type"] == "fail" else ""
    return f"{in_words(columns, row)}{failed} of process {told['process']}, from event {told['called']} {until}"


def _given_up(judgement: Judgement) -> dict[str, Any]:
    what = (
        f"gave up after {judgement.steps:,} steps; of the key that was explained least "
        f"{judgement.explained:,} of {judgement.of:,} operations are in order"
    )
    return finding(NAME, "I32", what)
