"""A node in a laboratory: no world around it, everything it says is kept, and its disk can be looked at meanwhile."""

from __future__ import annotations

from typing import Any

from cluster.encryption.identity import full_node_id
from cluster.encryption.payloads import Registration
from cluster.machine.entries import encode_registration_payload
from cluster.machine.parts import Parts
from cluster.node.config import NodeConfig
from cluster.node.node import Node
from cluster.node.requests import CrashOrder, Reply, Request
from cluster.probe import Crash
from cluster.raft.messages import Message
from cluster.storage.sim_disk import SimDisk
from cluster.trace import Event

MS = 1_000_000


living: list[Lab] = []
"""Every lab since the last `end_all`: a test may leave its node running."""


def end_all() -> None:
    """End what is still running, as the end of a process would."""
    while living:
        lab = living.pop()
        if lab.node is not None:
            lab.die()


class Lab:
    """One node on one disk over many lives. `sent` and `answers` hold what left, with the state of the disk at that moment."""

    def __init__(self, name: str = "n1", peers: tuple[str, ...] = ("n1",), **config: Any) -> None:
        self.disk = SimDisk()
        self.config = NodeConfig(
            **{
                "name": name,
                "peers": peers,
                "election_timeout_ns": 100 * MS,
                "heartbeat_interval_ns": 20 * MS,
                "inspection": True,
                "crash_points": True,
                **config,
            }
        )
        self.now_ns = 0
        self.lives = 0
        self.node: Node | None = None
        self.sent: list[tuple[Message, list[str]]] = []
        self.answers: dict[int, Reply] = {}
        self.dirty_at_answer: dict[int, list[str]] = {}
        self.trace: list[Event] = []
        self._numbers = 0
        living.append(self)

    # -- the outbox ------------------------------------------------------------------------------------

    def send(self, group: int, message: Message) -> None:
        self.sent.append((message, self.disk.unsynced(f"g{group}/wal")))

    def complete(self, request: int, reply: Reply) -> None:
        self.answers[request] = reply
        self.dirty_at_answer[request] = self.disk.unsynced("g0")

    # -- lives -----------------------------------------------------------------------------------------

    def start(self, *orders: CrashOrder, parts: Parts | None = None, **changes: Any) -> Node:
        """Start the next life; raises what opening raises."""
        self.lives += 1
        fields = {**changes, "incarnation": self.lives}
        config = NodeConfig(**{**_fields(self.config), **fields})
        self.node = Node.open(
            config,
            disk=self.disk,
            parts=parts or Parts(),
            outbox=self,
            strike=_strike,
            sink=self.trace.append,
            orders=orders,
            below=lambda bound: bound // 2,
            now_ns=self.now_ns,
            wall_ns=lambda: self.now_ns,
        )
        return self.node

    def lead(self) -> Node:
        """Start a cluster of one and let it elect itself."""
        node = self.start()
        self.wake(400 * MS)
        return node

    def die(self, *, power: bool = False) -> None:
        """End the life; with `power` everything un-synced is gone."""
        if power:
            self.disk.power_loss(None)
        else:
            self.disk.kill()
        if self.node is not None:
            self.node.abandon()
        self.node = None

    def wake(self, later_ns: int) -> None:
        """Let time pass."""
        assert self.node is not None
        self.now_ns += later_ns
        self.node.wake(self.now_ns)

    def receive(self, message: Message) -> None:
        """Hand in a peer's message."""
        assert self.node is not None
        self.node.receive(0, message, self.now_ns)
        self.node.work(self.now_ns)

    def ask(self, kind: str, group: int = 0, **body: Any) -> Reply | None:
        """Ask, let the node work, and return the answer if there is one by now."""
        assert self.node is not None
        self._numbers += 1
        self.node.request(self._numbers, Request(kind, body, group), self.now_ns)
        self.node.work(self.now_ns)
        return self.answers.get(self._numbers)

    def put(self, key: str, value: Any, sequence: int) -> Reply | None:
        return self.ask("kv", client="c", sequence=sequence, op="put", key=key, value=value)

    def register(self, writer: str, epoch: int, dek_id: int = 1) -> Reply | None:
        return self.ask(
            "inspect.register",
            dek_id=dek_id,
            full_node_id=full_node_id(writer),
            local_epoch=epoch,
        )

    def poison(self, writer: str, epoch: int, dek_id: int = 1) -> Reply | None:
        registration = Registration(
            dek_id=dek_id, full_node_id=full_node_id(writer), local_epoch=epoch
        )
        return self.ask(
            "inspect.propose_raw", payload=encode_registration_payload(registration).hex()
        )


def _fields(config: NodeConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in config.__struct_fields__}


def _strike(order: CrashOrder) -> None:
    raise Crash(order.point, order.action)
