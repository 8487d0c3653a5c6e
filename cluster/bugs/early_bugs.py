"""Seeded bugs that decide too early: on the state of the moment when the leader took a request, not on that of its place in the log.

Between the two others may change what was looked at: the wild forms of optimistic transactions whose validation was forgotten. The
log stays as it should be. `Stamping` writes into the frame of an entry, where the proposal id stands that no machine reads, which index
the leader had applied; `_Remembering` keeps what keys held at the last few indexes as rows beside them, so that all replicas are
wrong in the same way, after a restart too. Each class here is then one wrong way to use that knowledge.
"""

from __future__ import annotations

from collections.abc import Sequence

from cluster.bugs.bug import Way, bug_of
from cluster.machine.entries import (
    OPCODE_KV,
    body_of,
    encode_entry,
    opcode_of,
    proposal_id_of,
)
from cluster.machine.kv_requests import (
    KvRequest,
    KvResponse,
    MicroOperation,
    decode_value,
    encode_value,
    micro_operations,
)
from cluster.machine.machine import StateMachine
from cluster.machine.outcome import Outcome
from cluster.machine.rows import USER_PREFIX, user_key
from cluster.machine.transactions import Changes, transact
from cluster.node.replica import Replica
from cluster.raft.messages import Entry

__all__ = ["BUGS"]

_PAST = USER_PREFIX + b"\x00past|"
_PAST_MAX = 8
"""So many changes of a key are remembered."""

_MISMATCH = KvResponse(False, None, "mismatch")


class Stamping(Replica):
    """Stamps key-value entries with the index that the leader had applied when it took the request."""

    def propose(self, request: int, payload: bytes, now_ns: int) -> None:
        opcode = opcode_of(payload)
        if opcode == OPCODE_KV:
            payload = encode_entry(self.machine.applied, bytes([opcode]) + body_of(payload))
        super().propose(request, payload, now_ns)


class _Remembering(StateMachine):
    """Carries requests out with the state of when they were asked at hand. Subclasses say what they make of it in `_decide`."""

    _asked_at = 0
    _index = 0

    def apply(self, entry: Entry) -> Outcome:
        if opcode_of(entry.data) == OPCODE_KV:
            self._asked_at, self._index = proposal_id_of(entry.data), entry.index
        return super().apply(entry)

    def _perform(self, request: KvRequest) -> KvResponse:
        response, changes = self._decide(_steps(request))
        for key, value in changes.items():
            past = [*self._past(key), [self._index, self._rows.get(key)]]
            self._rows.put(_PAST + key, encode_value(past[-_PAST_MAX:]))
            if value is None:
                self._rows.delete(key)
            else:
                self._rows.put(key, value)
        return response

    def _decide(self, steps: Sequence[MicroOperation]) -> tuple[KvResponse, Changes]:
        """Return the response to `steps` and the changes that they make."""
        return self._now(steps)

    def _now(self, steps: Sequence[MicroOperation]) -> tuple[KvResponse, Changes]:
        """What is right."""
        return transact(self._rows.get, steps)

    def _then(self, steps: Sequence[MicroOperation]) -> tuple[KvResponse, Changes]:
        """What would have been right when the request was taken."""
        return transact(self._value_then, steps)

    def _value_then(self, key: bytes) -> bytes | None:
        for index, before in self._past(key):
            if index > self._asked_at:
                value: bytes | None = before
                return value
        return self._rows.get(key)

    def _past(self, key: bytes) -> list[tuple[int, bytes | None]]:
        """(index, what the key held before it) of the last changes, oldest first."""
        stored = self._rows.get(_PAST + key)
        return [] if stored is None else [(index, before) for index, before in decode_value(stored)]


def _steps(request: KvRequest) -> tuple[MicroOperation, ...]:
    """The transaction that does what a request asks."""
    key, value = request.key, request.value
    if request.op == "txn":
        return micro_operations(value)
    if request.op == "cas":
        return MicroOperation("compare", key, request.expected), MicroOperation("w", key, value)
    step: dict[str, MicroOperation] = {
        "put": MicroOperation("w", key, value),
        "append": MicroOperation("append", key, value),
        "delete": MicroOperation("delete", key),
        "get": MicroOperation("r", key),
    }
    return (step[request.op],)


class ComparedWhenAsked(_Remembering):
    """K-2: comparisons are made when the leader takes a request, and the entry writes over whatever came between (check, then act)."""

    def _decide(self, steps: Sequence[MicroOperation]) -> tuple[KvResponse, Changes]:
        early, _ = self._then([one for one in steps if one.op == "compare"])
        return self._now([one for one in steps if one.op != "compare"]) if early.ok else (early, {})


class WriteSkew(_Remembering):
    """K-3: a transaction reads what the leader held when it took it, and only what it also writes is validated (PostgreSQL 12.3, Jepsen 2020: snapshot isolation passed off as serializable)."""

    def _decide(self, steps: Sequence[MicroOperation]) -> tuple[KvResponse, Changes]:
        early, changes = self._then(steps)
        read = [one.key for one in steps if one.op == "r"]
        for key in map(user_key, read):
            if key in changes and self._value_then(key) != self._rows.get(key):
                return _MISMATCH, {}
        return early, self._now(steps)[1]


class LostUpdate(_Remembering):
    """K-4: a transaction reads what the leader held when it took it, and nothing is validated (MariaDB Galera Cluster, Jepsen 2015)."""

    def _decide(self, steps: Sequence[MicroOperation]) -> tuple[KvResponse, Changes]:
        return self._then(steps)[0], self._now(steps)[1]


class ListWhenAsked(_Remembering):
    """K-9: an append writes the whole list as the leader held it, so one of two at once is lost (read, modify, write without a lock; no public case known)."""

    def _decide(self, steps: Sequence[MicroOperation]) -> tuple[KvResponse, Changes]:
        return self._now(steps)[0], self._then(steps)[1]


class HeadWhenAsked(_Remembering):
    """K-13: who dequeues is given the head that the leader saw when it was asked, whatever is removed in the end (no public case known)."""

    def _decide(self, steps: Sequence[MicroOperation]) -> tuple[KvResponse, Changes]:
        if any(one.op == "take" for one in steps):
            return self._then(steps)[0], self._now(steps)[1]
        return self._now(steps)


BUGS = (
    bug_of(
        ComparedWhenAsked,
        shows="two that compare at once",
        caught_by=("linearizable", "bank", "fenced-lock"),
        way=Way(workload="cas-register"),
        machine=ComparedWhenAsked,
        replica=Stamping,
    ),
    bug_of(
        WriteSkew,
        shows="two at once that each write what the other reads",
        caught_by=("isolation",),
        way=Way(workload="wr"),
        machine=WriteSkew,
        replica=Stamping,
    ),
    bug_of(
        LostUpdate,
        shows="two at once that read and write one key",
        caught_by=("isolation",),
        way=Way(workload="wr"),
        machine=LostUpdate,
        replica=Stamping,
    ),
    bug_of(
        ListWhenAsked,
        shows="two appends at once",
        caught_by=("set", "isolation"),
        way=Way(workload="set"),
        machine=ListWhenAsked,
        replica=Stamping,
    ),
    bug_of(
        HeadWhenAsked,
        shows="two dequeues at once",
        caught_by=("linearizable", "total-queue"),
        way=Way(workload="queue"),
        machine=HeadWhenAsked,
        replica=Stamping,
    ),
)
