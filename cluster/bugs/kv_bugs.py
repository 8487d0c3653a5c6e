"""Seeded bugs of the key-value store, its sessions and its transactions: each a small override of one decision.

Everything here is wrong on purpose, in a way that stores of this kind have been wrong; each docstring names the mistake, and where
one is known a place where it was made. `BUGS` says how each is met. Bugs that decide too early, when a leader takes a
request instead of when the entry is applied, have a file of their own (`early_bugs`).
"""

from __future__ import annotations

from typing import Any

import msgspec

from cluster.bugs.bug import Way, bug_of
from cluster.machine.kv_requests import KvRequest, KvResponse, micro_operations
from cluster.machine.machine import MachineConfig, StateMachine
from cluster.machine.transactions import transact
from cluster.node.queries import Query
from cluster.node.replica import Replica

__all__ = ["BUGS"]


class StaleReads(Replica):
    """K-1: reads are answered from the node's own state, with no word from a majority (Jepsen: etcd 0.4.1 and Consul, 2014)."""

    def read(self, request: int, query: Query, now_ns: int) -> None:
        self.read_here(request, query, 0, now_ns)


class _TwoViews(Query, frozen=True):
    """A transaction that reads every other key from `early`, beginning with the key at place `first`."""

    early: tuple[Any, ...] = ()
    first: int = 0

    def answer(self, machine: StateMachine) -> dict[str, Any]:
        reply = super().answer(machine)
        late = reply["result"]
        if not late.ok or not self.early:
            return reply
        mixed = list(late.value)
        mixed[self.first :: 2] = self.early[self.first :: 2]
        return {**reply, "result": KvResponse(True, mixed)}


class KeysOneByOne(Replica):
    """K-5: a transaction that reads takes some keys from the node's present state, the others at the read index (a view per key, not per transaction)."""

    def read(self, request: int, query: Query, now_ns: int) -> None:
        if len(query.operations) > 1:
            early = tuple(self.machine.look(query.operations).value or ())
            query = _TwoViews(operations=query.operations, early=early, first=request % 2)
        super().read(request, query, now_ns)


class TokenIgnored(Replica):
    """K-11: a read of one node does not wait until that has applied what the session has seen (MongoDB before causal sessions)."""

    def read_here(self, request: int, query: Query, at_least: int, now_ns: int) -> None:
        super().read_here(request, query, 0, now_ns)


class AppendsAgain(StateMachine):
    """K-6: the session is not asked before an append, so one that is retried is made twice (at-least-once retries)."""

    def _execute(self, request: KvRequest, stamp: int) -> KvResponse:
        if request.op == "append" or any(one.op == "append" for one in _steps(request)):
            response = self._perform(request)
            self._sessions.record(request, response, stamp)
            return response
        return super()._execute(request, stamp)


class OneSession(StateMachine):
    """K-8: the table of sessions is too small, so a client that others have passed is forgotten before it retries (session expiry)."""

    def __init__(
        self,
        store: Any,
        applier: Any,
        probe: Any,
        config: MachineConfig,
        applied: int | None = None,
    ) -> None:
        small = msgspec.structs.replace(config, sessions_max=1)
        super().__init__(store, applier, probe, small, applied)


class AnswersForgotten(StateMachine):
    """K-12: a retry is told that its request was done, and nothing of what it read (against Raft thesis 6.3: the session keeps the response)."""

    def _execute(self, request: KvRequest, stamp: int) -> KvResponse:
        answered = self._sessions.answered(request)
        if answered is not None and answered.ok and isinstance(answered.value, list):
            return KvResponse(True, [None] * len(answered.value))
        return super()._execute(request, stamp)


class FirstComparisonOnly(StateMachine):
    """K-10: only the first comparison of a transaction is made, so a token can be granted twice (no public case known)."""

    def _perform(self, request: KvRequest) -> KvResponse:
        kept, compared = [], 0
        for one in _steps(request):
            compared += one.op == "compare"
            if one.op != "compare" or compared == 1:
                kept.append(one)
        if kept:
            request = msgspec.structs.replace(request, value=kept)
        return super()._perform(request)


class TornTransactions(StateMachine):
    """K-7: the first write of a transaction becomes durable before the others (two batches where one was needed)."""

    def _perform(self, request: KvRequest) -> KvResponse:
        steps = _steps(request)
        if not steps:
            return super()._perform(request)
        response, changes = transact(self._rows.get, steps)
        for place, (key, value) in enumerate(changes.items()):
            if value is None:
                self._rows.delete(key)
                continue
            if place == 0 and len(changes) > 1:
                self.store.batch([(key, value)], sync=True)
                self._probe.reach("eng.after_apply_before_set_applied")
            self._rows.put(key, value)
        return response


def _steps(request: KvRequest) -> Any:
    """The micro-operations of a transaction, nothing for any other request."""
    return micro_operations(request.value) if request.op == "txn" else ()


BUGS = (
    bug_of(
        StaleReads,
        shows="a node that lags, or a leader cut off",
        caught_by=("linearizable", "isolation"),
        way=Way(workload="register"),
        replica=StaleReads,
    ),
    bug_of(
        KeysOneByOne,
        shows="reads at a node that lags",
        caught_by=("long-fork",),
        way=Way(workload="long-fork", rate=60.0),
        replica=KeysOneByOne,
    ),
    bug_of(
        AppendsAgain,
        shows="retries; a leader that dies before it answers",
        caught_by=("isolation",),
        way=Way(workload="append", options={"insists": True}),
        machine=AppendsAgain,
    ),
    bug_of(
        TornTransactions,
        shows="a crash at eng.after_apply_before_set_applied",
        caught_by=("bank", "agreement"),
        way=Way(
            workload="bank",
            nemesis=("crash-replay",),
            options={"interval_s": 0.2, "read_percent": 30},
        ),
        machine=TornTransactions,
    ),
    bug_of(
        OneSession,
        shows="retries; a leader that dies before it answers",
        caught_by=("counter",),
        way=Way(workload="counter", options={"insists": True}),
        machine=OneSession,
    ),
    bug_of(
        FirstComparisonOnly,
        shows="two that compare at once",
        caught_by=("bank", "fenced-lock"),
        way=Way(workload="bank"),
        machine=FirstComparisonOnly,
    ),
    bug_of(
        TokenIgnored,
        shows="reads at a node that lags",
        caught_by=("session",),
        way=Way(workload="session"),
        replica=TokenIgnored,
    ),
    bug_of(
        AnswersForgotten,
        shows="a leader that dies before it answers",
        caught_by=("total-queue",),
        way=Way(workload="queue"),
        machine=AnswersForgotten,
    ),
)
