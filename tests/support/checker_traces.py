"""Traces and histories written tersely: a tiny honest cluster whose facts a test then bends.

`TraceBuilder` keeps a log and one row table per node and emits the events that a correct node would: `put`, `register`
and `raw` replicate an entry everywhere, `crash` and `start` end and begin lives, `start` replays. Keyword arguments of
`apply` override single fields of the event: that is how a test plants a bug.
"""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

from cluster.encryption.identity import full_node_id, node16
from cluster.encryption.payloads import Registration, decode_registration
from cluster.encryption.registry_rows import (
    RegistryRow,
    decode_row,
    encode_row,
    registry_key,
)
from cluster.machine.entries import body_of, encode_entry, encode_registration_payload, opcode_of
from cluster.machine.kv_requests import KvRequest, encode_kv
from cluster.trace import (
    Appended,
    Applied,
    Committed,
    Event,
    Halted,
    HitPoint,
    RoleChanged,
    Started,
    Stopped,
)
from harness.checkers.checker import Run
from harness.operation import NEMESIS, Operation

NODES = ("n1", "n2", "n3")
ROLLBACK = "LocalEpochRollback"
COLLISION = "WriterUint16Collision"


def registration(writer: str, epoch: int, dek: int = 1) -> Registration:
    """A registration of the node named `writer`."""
    return Registration(dek, full_node_id(writer), epoch)


class TraceBuilder:
    """See the module. Rows map (dek, node16) to (bytes, raft index)."""

    def __init__(self, nodes: tuple[str, ...] = NODES, *, elect: bool = True) -> None:
        self.nodes = nodes
        self.events: list[Event] = []
        self.log: list[tuple[int, int, bytes]] = []
        self.term = 1
        self.life = dict.fromkeys(nodes, 1)
        self.applied = dict.fromkeys(nodes, 0)
        self.rows: dict[str, dict[tuple[int, int], tuple[bytes, int]]] = {n: {} for n in nodes}
        self.sequence = 0
        for node in nodes:
            self.emit(
                Started,
                node,
                have=0,
                snapshot_index=0,
                restored=False,
                last_index=0,
                commit=0,
                row_horizon=0,
                torn_bytes=0,
            )
        if elect:
            self.lead(nodes[0], 1)

    # -- raw facts ---------------------------------------------------------------------------------

    def emit(self, kind: type, node: str, **fields: Any) -> Any:
        """Add one event of `node`; time goes on by a millisecond."""
        fields.setdefault("incarnation", self.life[node])
        event = kind(at_ns=len(self.events) * 1_000_000, node=node, **fields)
        self.events.append(event)
        return event

    def lead(self, node: str, term: int) -> None:
        """`node` wins `term` and appends its empty entry everywhere."""
        self.term = term
        last = self.log[-1][:2] if self.log else (0, 0)
        for other in self.nodes:
            if other != node:
                self.role(other, "follower", term)
        self.role(node, "candidate", term, last)
        self.role(node, "leader", term, (last[0] + 1, term))
        self.replicate(b"")

    def role(self, node: str, role: str, term: int, last: tuple[int, int] | None = None) -> None:
        """`node` says its role; `last` is the end of its log as (index, term)."""
        index, last_term = last or (self.log[-1][:2] if self.log else (0, 0))
        self.emit(RoleChanged, node, role=role, term=term, last_index=index, last_term=last_term)

    def append(self, node: str, *entries: tuple[int, int, bytes], durable: bool = True) -> None:
        """`node` writes `entries` to its log."""
        self.emit(Appended, node, entries=entries, durable=durable)

    def commit(self, node: str, index: int, term: int | None = None) -> None:
        """`node` learns that `index` is committed."""
        self.emit(
            Committed, node, index=index, term=self.log[index - 1][1] if term is None else term
        )

    # -- a replicated entry ------------------------------------------------------------------------

    def propose(self, data: bytes, nodes: tuple[str, ...] | None = None) -> int:
        """Append and commit `data` on `nodes` (all), applying nothing; returns its index."""
        index = len(self.log) + 1
        entry = (index, self.term, data)
        self.log.append(entry)
        for node in nodes or self.nodes:
            self.append(node, entry)
        for node in nodes or self.nodes:
            self.commit(node, index)
        return index

    def replicate(self, data: bytes) -> int:
        """Append, commit and apply `data` everywhere; returns its index."""
        index = self.propose(data)
        for node in self.nodes:
            self.apply(node, index)
        return index

    def put(self, key: str = "x", value: Any = 1) -> int:
        """Replicate a KV write."""
        return self.replicate(self.put_data(key, value))

    def put_data(self, key: str, value: Any, **fields: Any) -> bytes:
        """The entry of a KV request."""
        self.sequence += 1
        request = KvRequest("c1", self.sequence, fields.pop("op", "put"), key, value, **fields)
        return encode_entry(self.sequence, encode_kv(request))

    def register(self, writer: str, epoch: int, dek: int = 1) -> int:
        """Replicate a registration."""
        return self.replicate(self.register_data(writer, epoch, dek))

    def register_data(self, writer: str, epoch: int, dek: int = 1) -> bytes:
        """The entry of a registration."""
        return encode_entry(7, encode_registration_payload(registration(writer, epoch, dek)))

    def apply(self, node: str, index: int, **changes: Any) -> Applied:
        """`node` applies the entry at `index` as a correct node would, but for `changes`."""
        _, term, data = self.log[index - 1]
        opcode = opcode_of(data)
        fields: dict[str, Any] = {
            "index": index,
            "term": term,
            "opcode": opcode,
            "digest": zlib.crc32(data),
            "replay": index <= self.applied[node],
            "decision": {-1: "noop_entry", 0: "kv", 2: "lease"}.get(opcode, ""),
            "state_hash": index * 1000 + 1,
        }
        if opcode == 3:
            fields |= self._settle(node, index, decode_registration(body_of(data)))
        fields |= changes
        event: Applied = self.emit(Applied, node, **fields)
        if event.decision == "halt":
            self.emit(
                Halted,
                node,
                index=index,
                opcode=opcode,
                error_class=event.error_class,
                message="",
            )
            self.stop(node, "halt", 78)
        else:
            self.applied[node] = max(self.applied[node], index)
        return event

    def _settle(self, node: str, index: int, asked: Registration) -> dict[str, Any]:
        """The decision table as the node under test should have it, with its effect on the row."""
        key = (asked.dek_id, node16(asked.full_node_id))
        before, row_index = self.rows[node].get(key, (b"", 0))
        epoch = asked.local_epoch
        row = decode_row(before) if before else None
        after, decision, error = before, "noop", ""
        if row is None:
            decision, after = "insert", encode_row(RegistryRow(asked.full_node_id, epoch, epoch))
        elif row.full_node_id != asked.full_node_id:
            decision, error = "halt", COLLISION
        elif epoch < row.last_seen_epoch:
            decision = "noop_older" if index <= row_index else "halt"
            error = ROLLBACK if decision == "halt" else ""
        elif epoch > row.last_seen_epoch:
            decision = "advance"
            after = encode_row(RegistryRow(row.full_node_id, row.first_seen_epoch, epoch))
        if after != before:
            self.rows[node][key] = (after, index)
        return {
            "decision": decision,
            "error_class": error,
            "dek_id": asked.dek_id,
            "full_node_id": asked.full_node_id,
            "epoch_entry": epoch,
            "epoch_row": -1 if row is None else row.last_seen_epoch,
            "row_index": row_index,
            "row_before": before,
            "row_after": after,
            "row_writes": int(after != before),
        }

    # -- lives -------------------------------------------------------------------------------------

    def hit(self, node: str, point: str, action: str, index: int, opcode: int = 3) -> None:
        """An armed point strikes, or a failure is injected (`action` error)."""
        self.emit(
            HitPoint, node, point=point, action=action, index=index, opcode=opcode, role="follower"
        )

    def stop(self, node: str, cause: str, exit_code: int = -9) -> None:
        """The process of `node` is gone."""
        self.emit(Stopped, node, cause=cause, exit_code=exit_code)

    def crash(self, node: str, point: str = "reg.after_set", kind: str = "kill") -> None:
        """`node` dies at `point` with the newest entry in hand."""
        self.hit(node, point, kind, len(self.log))
        self.stop(node, kind)

    def start(self, node: str, have: int, *, replay: bool = True, **changes: Any) -> None:
        """`node` starts with durable applied index `have` and replays what is behind it."""
        self.life[node] += 1
        rows = self.rows[node].values()
        fields: dict[str, Any] = {
            "have": have,
            "snapshot_index": 0,
            "restored": False,
            "last_index": len(self.log),
            "commit": len(self.log),
            "row_horizon": max((index for _, index in rows), default=0),
            "torn_bytes": 0,
        }
        self.emit(Started, node, **(fields | changes))
        if replay:
            self.commit(node, len(self.log))
            for index in range(have + 1, len(self.log) + 1):
                if self.apply(node, index).decision == "halt":
                    return

    # -- the finished run --------------------------------------------------------------------------

    def state(self, node: str, **changes: Any) -> dict[str, Any]:
        """The node's inspected state."""
        rows = {
            registry_key(*key).hex(): value.hex() for key, (value, _) in self.rows[node].items()
        }
        applied = self.applied[node]
        state = {
            "node": node,
            "incarnation": self.life[node],
            "group": 0,
            "applied": applied,
            "recovering": False,
            "state_hash": applied * 1000 + 1,
            "rows": rows,
        }
        return state | changes

    def run(self, history: Any = (), states: Any = None, **options: Any) -> Run:
        """The run that checkers are given."""
        final = {node: {0: state} for node, state in (states or {}).items()}
        return Run(
            nodes=self.nodes,
            history=list(history),
            trace=list(self.events),
            options=options,
            final_state=final,
        )


def history(*lines: str) -> list[Operation]:
    """Write a history as lines of ``process type f value``, values as JSON; one microsecond apart."""
    operations = []
    for index, line in enumerate(lines):
        process, kind, f, *rest = line.split(" ", 3)
        operations.append(
            Operation(
                index=index,
                time_ns=index * 1000,
                process=NEMESIS if process == "nemesis" else int(process),
                type=kind,  # type: ignore[arg-type]
                f=f,
                value=msgspec.json.decode(rest[0].encode()) if rest else None,
            )
        )
    return operations


def only(history_: list[Operation], **options: Any) -> Run:
    """A run that has nothing but a history."""
    return Run(nodes=NODES, history=history_, trace=[], options=options, final_state={})


def invariants(verdict: Any) -> list[str]:
    """The invariants that a verdict's evidence names, in order."""
    return [found["invariant"] for found in verdict.evidence]
