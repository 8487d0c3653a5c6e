"""What goes in must come out: a queue that is drained in the end (Jepsen's total-queue).

Operations: ``enqueue`` x, ``dequeue`` -> x (None: there was nothing), ``drain`` -> list. The order does not matter and values may be
enqueued several times; they are counted. The history is taken to end with a drained queue.

* *lost*: acknowledged, and came out less often than that;
* *unexpected*: came out although no enqueue that may have had an effect had been asked for by then;
* *duplicated*: came out more often than it can have gone in. Queues deliver at least once: a fact, no violation, as in Jepsen;
* *recovered*: came out although nobody knew whether it had gone in.

A dequeue that crashed may have taken an element along, and a drain any number. As long as there are no more lost elements than
such dequeues, nobody is convicted: the verdict is unknown.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from harness.checkers.checker import Run, Verdict
from harness.checkers.evidence import EVIDENCE_MAX, finding
from harness.checkers.paired import Paired, paired, shown
from harness.values import frozen, frozen_all, thawed

__all__ = ["TotalQueue"]


class _Fold:
    """What went in and what came out, counted; the first operation of each kind by value."""

    def __init__(self, operations: list[Paired]) -> None:
        self.attempted: Counter[Any] = Counter()
        self.acknowledged: Counter[Any] = Counter()
        self.delivered: Counter[Any] = Counter()
        self.enqueues: dict[Any, Paired] = {}
        self.deliveries: dict[Any, Paired] = {}
        """The delivery of each value that returned first."""
        self.dequeues_crashed = 0
        self.drains_crashed = 0
        for one in operations:
            if one.f == "enqueue":
                self._enqueue(one)
            elif one.ok:
                self._deliver(one)
            elif one.possible:
                self.dequeues_crashed += one.f == "dequeue"
                self.drains_crashed += one.f == "drain"

    def _enqueue(self, one: Paired) -> None:
        key = frozen(one.asked)
        if one.possible:
            self.attempted[key] += 1
            self.enqueues.setdefault(key, one)
        if one.ok:
            self.acknowledged[key] += 1

    def _deliver(self, one: Paired) -> None:
        taken = [one.told] if one.f == "dequeue" else one.told
        for key in frozen_all([value for value in taken or [] if value is not None]):
            self.delivered[key] += 1
            first = self.deliveries.setdefault(key, one)
            if one.returned < first.returned:
                self.deliveries[key] = one

    def unexpected(self) -> list[Any]:
        """Values that came out of nothing, or before they can have gone in."""
        return [
            key
            for key, delivery in self.deliveries.items()
            if key not in self.enqueues or self.enqueues[key].called > delivery.returned
        ]


class TotalQueue:
    """See the module."""

    name = "total-queue"

    def check(self, run: Run) -> Verdict:
        """See `Checker`; facts ``queue_attempted``, ``_acknowledged``, ``_delivered``, ``_lost``, ``_unexpected``,
        ``_duplicated``, ``_recovered``, ``dequeues_crashed``.
        """
        fold = _Fold(paired(run.history))
        lost = fold.acknowledged - fold.delivered
        unexpected = fold.unexpected()
        duplicated = {
            key: extra
            for key, extra in (fold.delivered - fold.attempted).items()
            if key in fold.attempted
        }
        recovered = (fold.delivered & fold.attempted) - fold.acknowledged
        facts = {
            "queue_attempted": fold.attempted.total(),
            "queue_acknowledged": fold.acknowledged.total(),
            "queue_delivered": fold.delivered.total(),
            "queue_lost": lost.total(),
            "queue_unexpected": len(unexpected),
            "queue_duplicated": sum(duplicated.values()),
            "queue_recovered": recovered.total(),
            "dequeues_crashed": fold.dequeues_crashed + fold.drains_crashed,
        }
        evidence = [self._unexpected(key, fold) for key in unexpected]
        evidence += [self._lost(key, fold) for key in lost]
        taken_along = fold.drains_crashed or lost.total() <= fold.dequeues_crashed
        if unexpected or (lost and not taken_along):
            return Verdict(valid=False, facts=facts, evidence=evidence[:EVIDENCE_MAX])
        if lost:
            return Verdict(valid="unknown", facts=facts, evidence=evidence[:EVIDENCE_MAX])
        if not fold.delivered:
            evidence = [finding(self.name, "stimulus", "nothing ever came out of the queue")]
            return Verdict(valid="unknown", facts=facts, evidence=evidence)
        return Verdict(valid=True, facts=facts)

    def _lost(self, key: Any, fold: _Fold) -> dict[str, Any]:
        what = f"{thawed(key)!r} was enqueued and never came out"
        if fold.acknowledged[key] > 1:
            what = f"{thawed(key)!r} was enqueued {fold.acknowledged[key]} times and came out {fold.delivered[key]} times"
        if fold.drains_crashed or fold.dequeues_crashed:
            what += ", unless a dequeue that crashed took it"
        return finding(self.name, "lost", what, element=thawed(key), **shown(fold.enqueues[key]))

    def _unexpected(self, key: Any, fold: _Fold) -> dict[str, Any]:
        known = key in fold.enqueues
        when = "before anybody had asked to enqueue it" if known else "and had never gone in"
        what = f"{thawed(key)!r} came out of the queue {when}"
        delivery = fold.deliveries[key]
        return finding(self.name, "unexpected", what, element=thawed(key), **shown(delivery))
