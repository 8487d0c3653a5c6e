"""Histories in which nothing could have gone wrong: a file of one shows no violation, a run of one has earned no pass.

Checkers say ``unknown`` with the finding *stimulus* where nothing was at stake: a counter that nobody read, subkeys that nobody found.
So a run of Reprise does not pass for idling. Whoever checks a file asks whether it shows a violation, and Jepsen, Knossos and elle-cli
answer no: these are valid, and what was missing becomes a note. A set of which no element was both added and read stays
unknown, as in Jepsen. Elle calls a history unknown whose graph is empty: no transaction depends on another, and none is
ordered by its process or by real time where the models speak of that.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from msgspec.structs import replace

from harness.checkers.checker import Verdict
from harness.checkers.transactions.transactions import FAIL, Transactions

__all__ = ["any_order", "passed"]

STIMULUS = "stimulus"


def passed(verdict: Verdict) -> tuple[Verdict, list[str]]:
    """`verdict`, valid where nothing but a stimulus was missing, and the sentences that say what that was."""
    missing = [found["what"] for found in verdict.evidence if found["invariant"] == STIMULUS]
    if verdict.valid != "unknown" or not missing or len(missing) < len(verdict.evidence):
        return verdict, []
    return replace(verdict, valid=True, evidence=[]), missing


def any_order(transactions: Transactions, forbidden: Collection[str]) -> bool:
    """Whether two transactions that may have happened stand in an order of which `forbidden` anomalies speak."""
    rows = np.flatnonzero(transactions.status != FAIL)
    if any(name.endswith("-realtime") for name in forbidden):
        called, returned = transactions.called[rows], transactions.returned[rows]
        return bool(len(rows)) and int(returned.min()) < int(called.max())
    if any(name.endswith("-process") for name in forbidden):
        return len(np.unique(transactions.process[rows])) < len(rows)
    return False
