"""What our cluster promises whatever its clients do: the checkers that key-value workloads share.

A workload adds the judge of its own operations. It also says which request of the log an acknowledged operation stands for, so
that what was acknowledged can be looked for there.
"""

from __future__ import annotations

from typing import Any

from harness.checkers.agreement import Agreement
from harness.checkers.availability import Availability
from harness.checkers.checker import Checker
from harness.checkers.crash_facts import CrashFacts
from harness.checkers.durability import Durability, Logged
from harness.checkers.liveness import Liveness
from harness.checkers.restart_loop import RestartLoop
from harness.checkers.stats import Stats
from harness.checkers.unforced_errors import UnforcedErrors

__all__ = ["logged_transaction", "promises"]


def promises(logged: Logged, *, may_fail: tuple[str, ...] = ()) -> tuple[Checker, ...]:
    """Return the checkers; `may_fail` are operations of which none need succeed."""
    return (
        Durability(logged),
        Agreement(),
        RestartLoop(),
        Availability(),
        Liveness(),
        CrashFacts(),
        Stats(may_fail),
        UnforcedErrors(),
    )


def logged_transaction(operations: list[list[Any]]) -> tuple[str, str, Any, Any]:
    """Return what the log holds of a transaction of these micro-operations."""
    return "txn", "", [[*one, None][:3] for one in operations], None
