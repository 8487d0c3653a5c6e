"""The checker of a log: which anomalies convict, and the verdict (Jepsen's kafka workload).

What a log does not promise convicts nobody and is told all the same: transactions are not isolated from one another's sends
(*int-send-skip*), and a consumer that subscribes is moved from key to key without being asked, so where anybody subscribed, polls
that skip or go back are no violation. Jepsen knows which keys were moved inside an operation and excuses only those; a history
here does not tell.

A message that took effect and that nobody polled up to (*unseen*) is no proof of loss, since nobody may have looked: unknown. Jepsen,
whose workload polls to the end, takes it for one.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.checkers.paired import paired, shown
from harness.checkers.partitioned_log.anomalies import ANOMALIES, Found
from harness.checkers.partitioned_log.messages import log_operations
from harness.checkers.partitioned_log.orders import log_of

__all__ = ["LogOrder"]

ALLOWED: Final = frozenset(["int-send-skip"])
MOVED: Final = frozenset(
    ["poll-skip", "nonmonotonic-poll", "int-poll-skip", "int-nonmonotonic-poll"]
)
"""No violation where somebody subscribed."""

UNKNOWN: Final = frozenset(["unseen"])


class LogOrder:
    """See the package."""

    name = "log"

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``log_sends``, ``log_polls``, ``log_messages``, ``log_anomalies``: name -> how many."""
        operations = log_operations(paired(run.history))
        log = log_of(operations)
        found = [one for anomaly in ANOMALIES for one in anomaly(log)]
        subscribed = any(one.operation.f == "subscribe" for one in operations)
        allowed = ALLOWED | MOVED if subscribed else ALLOWED
        facts = {
            "log_sends": sum(one.ok for one in operations if one.sent),
            "log_polls": sum(one.ok for one in operations if one.polled),
            "log_messages": sum(map(len, log.shown.values())),
            "log_anomalies": dict(Counter(one.name for one in found)),
        }
        bad = [one for one in found if one.name not in allowed | UNKNOWN]
        unseen = [one for one in found if one.name in UNKNOWN]
        others = [one for one in found if one.name in allowed]
        evidence = [self._finding(one) for one in (bad + unseen + others)[:EVIDENCE_MAX]]
        if bad:
            return Verdict(valid=False, facts=facts, evidence=evidence)
        if not facts["log_messages"]:
            evidence.append(finding(self.name, "stimulus", "no message was ever polled"))
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        return Verdict(valid="unknown" if unseen else True, facts=facts, evidence=evidence)

    def _finding(self, one: Found) -> dict[str, object]:
        return finding(
            self.name, one.name, one.what, key=one.key, values=one.values, **shown(*one.operations)
        )
