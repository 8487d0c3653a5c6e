"""Requests of clients, administrators and inspectors: a table from kind to what is done.

Decides who may ask what and turns refusals into replies; the replica does the work. The public admin surface
stays closed at this stage (specification §6.2, head). Inspection and crash points answer only where the node was started
with them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from cluster.encryption.payloads import Registration
from cluster.machine.admin_gate import AdminCaller, answer_admin
from cluster.machine.entries import encode_entry, encode_registration_payload
from cluster.machine.kv_requests import encode_kv, kv_request, micro_operations, only_looks
from cluster.machine.leader_check import RegistrationRefused
from cluster.node.clock import Stamps
from cluster.node.config import NodeConfig
from cluster.node.crash_points import UnknownCrashPoint, check_order
from cluster.node.membership import change_of, described
from cluster.node.queries import Query
from cluster.node.requests import CrashOrder, Reply, Request, ok, refused
from cluster.raft.core import NotLeader, NotNow, TooManyInFlight

if TYPE_CHECKING:
    from cluster.node.replica import Outbox, Replica

__all__ = ["Serving"]


_CALLERS_MISTAKES = (
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
"""What arguments of the wrong kind, size or depth raise while a request is read; nothing was proposed by then."""

_Call = Callable[["Replica", int, dict[str, Any], int], Reply | None]


class Serving:
    """Serves requests on the replicas of one node."""

    def __init__(
        self,
        config: NodeConfig,
        replicas: Mapping[int, Replica],
        outbox: Outbox,
        stamps: Stamps,
    ) -> None:
        self._config = config
        self._replicas = replicas
        self._outbox = outbox
        self._stamps = stamps
        self._calls: dict[str, _Call] = {
            "kv": self._kv,
            "get": self._get,
            "txn": self._txn,
            "status": self._status,
            "membership.change": self._change,
            "membership.transfer": self._transfer,
            "inspect.state": self._inspect,
            "inspect.register": self._register,
            "inspect.propose_raw": self._propose_raw,
            "inspect.snapshot": self._snapshot,
            "crash.arm": self._arm,
            "crash.disarm": self._disarm,
        }

    def request(self, number: int, request: Request, now_ns: int) -> None:
        """Take request `number`; its reply comes through the outbox, now or later."""
        replica = self._replicas.get(request.group)
        reply: Reply | None
        if replica is None:
            reply = refused("InvalidArgument", f"there is no group {request.group} here")
        else:
            try:
                reply = self._dispatch(replica, number, request, now_ns)
            except NotLeader as error:
                reply = refused("NotLeader", str(error), leader=error.leader)
            except (NotNow, TooManyInFlight) as error:
                reply = refused("Unavailable", str(error))
            except _CALLERS_MISTAKES as error:
                reply = refused(
                    "InvalidArgument", f"{request.kind}: {type(error).__name__}: {error}"
                )
        if reply is not None:
            self._outbox.complete(number, reply)

    def _dispatch(
        self, replica: Replica, number: int, request: Request, now_ns: int
    ) -> Reply | None:
        kind = request.kind
        if kind.startswith("admin."):
            return self._admin(replica, kind.removeprefix("admin."))
        call = self._calls.get(kind)
        if call is None:
            return refused(
                "InvalidArgument", f"no request {kind!r}; there are {', '.join(self._calls)}"
            )
        if kind.startswith("inspect.") and not self._config.inspection:
            return refused("PermissionDenied", "this node was started without inspection")
        if kind.startswith("crash.") and not self._config.crash_points:
            return refused("PermissionDenied", "this node was started without crash points")
        return call(replica, number, request.body, now_ns)

    def state(self, group: int) -> dict[str, Any]:
        """Live state O6 of one group; plain data."""
        replica = self._replicas[group]
        raft = replica.raft
        machine = replica.machine
        return {
            "node": self._config.name,
            "incarnation": self._config.incarnation,
            "group": group,
            "role": raft.role,
            "term": raft.term,
            "leader": raft.leader,
            "commit": raft.commit,
            "applied": machine.applied,
            "durable_applied": machine.store.applied_index(),
            "first_index": raft.first_index,
            "last_index": raft.last_index,
            "snapshot_index": replica.snapshot_index,
            "recovering": machine.recovering,
            "configuration": described(raft.configuration),
            "state_hash": machine.state_hash(),
            "rows": {key.hex(): value.hex() for key, value in machine.registry_rows()},
        }

    def _admin(self, replica: Replica, method: str) -> Reply:
        raft = replica.raft
        caller = AdminCaller(
            node=self._config.name, leads=raft.role == "leader", leader=raft.leader
        )
        answer = answer_admin(method, caller)
        if answer.code == "OK":
            return ok(answer.value)
        return refused(answer.code, answer.message, leader=raft.leader)

    # -- one method per kind -----------------------------------------------------------------------

    def _kv(self, replica: Replica, number: int, body: dict[str, Any], now_ns: int) -> None:
        payload = encode_kv(kv_request(body))
        replica.propose(number, encode_entry(number, payload), now_ns)

    def _get(self, replica: Replica, number: int, body: dict[str, Any], now_ns: int) -> None:
        query = Query(key=str(body["key"]))
        if body.get("stale", False):
            replica.read_here(number, query, int(body.get("at_least", 0)), now_ns)
        else:
            replica.read(number, query, now_ns)

    def _txn(self, replica: Replica, number: int, body: dict[str, Any], now_ns: int) -> None:
        """One that only looks is a read, at any node and without a session; any other goes through the log."""
        operations = micro_operations(body["operations"])
        if only_looks(operations):
            replica.read(number, Query(operations=operations), now_ns)
            return
        fields = {"client": body["client"], "sequence": body["sequence"], "op": "txn", "key": ""}
        payload = encode_kv(kv_request({**fields, "value": operations}))
        replica.propose(number, encode_entry(number, payload), now_ns)

    def _status(self, replica: Replica, number: int, body: dict[str, Any], now_ns: int) -> Reply:
        raft = replica.raft
        return ok(
            {
                "node": self._config.name,
                "incarnation": self._config.incarnation,
                **msgspec.structs.asdict(self._stamps.take()),
                "role": raft.role,
                "term": raft.term,
                "leader": raft.leader,
                "commit": raft.commit,
                "applied": replica.machine.applied,
                "configuration": described(raft.configuration),
            }
        )

    def _change(self, replica: Replica, number: int, body: dict[str, Any], now_ns: int) -> None:
        change, expected_index = change_of(body, self._config.reachable)
        replica.change(number, change, expected_index, now_ns)

    def _transfer(
        self, replica: Replica, number: int, body: dict[str, Any], now_ns: int
    ) -> Reply | None:
        return replica.transfer(number, str(body["target"]), now_ns)

    def _inspect(self, replica: Replica, number: int, body: dict[str, Any], now_ns: int) -> Reply:
        return ok(self.state(replica.group))

    def _register(
        self, replica: Replica, number: int, body: dict[str, Any], now_ns: int
    ) -> Reply | None:
        """Propose a registration that the leader's check lets pass (specification, head: "Who may register")."""
        registration = Registration(
            dek_id=int(body["dek_id"]),
            full_node_id=int(body["full_node_id"]),
            local_epoch=int(body["local_epoch"]),
        )
        payload = encode_registration_payload(registration)
        try:
            replica.check_registration(registration)
        except RegistrationRefused as refusal:
            return refused(refusal.code, str(refusal))
        replica.propose(number, encode_entry(number, payload), now_ns)
        return None

    def _propose_raw(
        self, replica: Replica, number: int, body: dict[str, Any], now_ns: int
    ) -> None:
        payload = body["payload"]
        replica.propose(number, encode_entry(number, bytes.fromhex(payload)), now_ns)

    def _snapshot(self, replica: Replica, number: int, body: dict[str, Any], now_ns: int) -> Reply:
        return ok({"started": replica.start_snapshot()})

    def _arm(self, replica: Replica, number: int, body: dict[str, Any], now_ns: int) -> Reply:
        order = msgspec.convert(body, CrashOrder)
        try:
            check_order(order)
        except UnknownCrashPoint as error:
            return refused("InvalidArgument", str(error))
        replica.probe.arm(order)
        return ok()

    def _disarm(self, replica: Replica, number: int, body: dict[str, Any], now_ns: int) -> Reply:
        replica.probe.disarm()
        return ok()
