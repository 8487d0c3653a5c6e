"""Progress after the last fault was undone (L3): somebody must succeed within the limit.

A fault ends when the world heals, resumes or starts a node. The last such event of the history's nemesis is
"the heal"; to wait until the cluster has caught up heals nothing. A run without any is judged from its beginning. Only operations
invoked afterwards count, and in a scenario that poisons the cluster only those before the poison. Where nobody asked for a while, because
the run waited until the cluster had caught up, the time to answer counts from the first that was asked. A run that ended before the
limit, without a success, is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import finding
from harness.operation import NEMESIS, Operation

__all__ = ["CATCH_UP", "RECOVERY_LIMIT_NS", "Availability", "healed_at_ns"]

_SECOND_NS = 1_000_000_000
RECOVERY_LIMIT_NS = 15 * _SECOND_NS

CATCH_UP = "catch-up"
"""The operation that waits until the cluster has recovered."""


def healed_at_ns(history: Sequence[Operation]) -> int:
    """Return when the nemesis did its last but wait, before a poison if there is one; 0 if it did nothing."""
    healed_ns = 0
    for operation in history:
        if operation.f == "propose_raw":
            break
        if operation.process == NEMESIS and operation.f != CATCH_UP:
            healed_ns = max(healed_ns, operation.time_ns)
    return healed_ns


class Availability:
    """See the module."""

    name = "availability"

    def __init__(self, limit_ns: int = RECOVERY_LIMIT_NS, *, aside: tuple[str, ...] = ()) -> None:
        """`limit_ns`: how long after the heal the first success may take. `aside`: operations that only look at
        single nodes; their success says nothing of the cluster.
        """
        self._limit_ns = limit_ns
        self._aside = aside

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``healed_at_ns``, ``recovered_after_ns`` (-1: never)."""
        healed_ns = healed_at_ns(run.history)
        invoked: dict[int, Operation] = {}
        tried = 0
        first_tried_ns = first_ok_ns = -1
        for operation in run.history:
            if operation.f == "propose_raw":
                break
            if operation.process == NEMESIS or operation.f in self._aside:
                continue
            if operation.type == "invoke" and operation.time_ns >= healed_ns:
                invoked[operation.process] = operation
                tried += 1
                if first_tried_ns < 0:
                    first_tried_ns = operation.time_ns
            elif operation.type == "ok" and invoked.pop(operation.process, None) is not None:
                first_ok_ns = operation.time_ns
                break
        facts = {
            "healed_at_ns": healed_ns,
            "recovered_after_ns": first_ok_ns - healed_ns if first_ok_ns >= 0 else -1,
        }
        if not tried:
            what = "nothing was asked of the cluster after the last fault was undone"
            return Verdict(
                valid="unknown", facts=facts, evidence=[finding(self.name, "stimulus", what)]
            )
        if 0 <= first_ok_ns <= first_tried_ns + self._limit_ns:
            return Verdict(valid=True, facts=facts)
        if first_ok_ns < 0 and run.history[-1].time_ns < healed_ns + self._limit_ns:
            what = "the run ended before the cluster had its time to recover"
            return Verdict(
                valid="unknown", facts=facts, evidence=[finding(self.name, "stimulus", what)]
            )
        seconds = self._limit_ns / _SECOND_NS
        what = f"no operation succeeded within {seconds:g} s after the last fault was undone ({tried} tried)"
        return Verdict(
            valid=False, facts=facts, evidence=[finding(self.name, "L3", what, time_ns=healed_ns)]
        )
