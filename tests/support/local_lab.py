"""A cluster of real processes for tests: short timeouts, and the few things that every test does with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from cluster.client import NodeConnection
from cluster.encryption.identity import full_node_id
from cluster.encryption.payloads import Registration
from cluster.machine.entries import encode_registration_payload
from cluster.node.config import NodeConfig
from cluster.node.requests import Reply, Request
from cluster.worlds.local.world import LocalOptions, LocalWorld

MS = 1_000_000
SECOND = 1000 * MS
NODES = ("n1", "n2", "n3")


class Lab(LocalWorld):
    """A local world with a client's memory."""

    options = LocalOptions()

    def __init__(self, directory: Path, nodes: tuple[str, ...] = NODES, **config: Any) -> None:
        fields = {
            "election_timeout_ns": 400 * MS,
            "heartbeat_interval_ns": 50 * MS,
            "inspection": True,
            "crash_points": True,
        }
        node = NodeConfig(name="", peers=(), **{**fields, **config})
        super().__init__(nodes, directory=directory, config=node, options=self.options)
        self._sequence = 0
        self._lines: dict[str, NodeConnection] = {}

    async def leader(self, among: tuple[str, ...] = (), group: int = 0) -> str:
        """The leader that a majority follows; waits for one."""
        asked = among or self.nodes
        while True:
            states = [await self.inspect(node, group) for node in asked]
            followed = [state["leader"] for state in states if state is not None]
            for node in asked:
                if followed.count(node) > len(self.nodes) // 2:
                    return node
            await self.sleep(20 * MS)

    async def call(self, node: str, kind: str, group: int = 0, **body: Any) -> Reply:
        """One request to one node."""
        line = self._lines.setdefault(node, self.connect(node))
        return await line.call(Request(kind, body, group), 3 * SECOND)

    async def put(self, node: str, key: str, value: Any, group: int = 0) -> Reply:
        """One put."""
        self._sequence += 1
        return await self.call(
            node, "kv", group, client="c", sequence=self._sequence, op="put", key=key, value=value
        )

    async def get(self, key: str, group: int = 0) -> Any:
        """The value of `key`, from whoever leads."""
        while True:
            reply = await self.call(await self.leader(group=group), "get", group, key=key)
            if reply.status == "ok":
                return reply.value["value"]

    async def register(self, node: str, epoch: int, *, raw: bool = False) -> Reply:
        """Register the writer ``w``; `raw` goes around the leader's check."""
        if raw:
            payload = encode_registration_payload(Registration(1, full_node_id("w"), epoch))
            return await self.call(node, "inspect.propose_raw", payload=payload.hex())
        return await self.call(
            node, "inspect.register", dek_id=1, full_node_id=full_node_id("w"), local_epoch=epoch
        )


def in_lab(lab: Lab, scenario: Callable[[Lab], Awaitable[None]]) -> None:
    """Bring `lab` up, run `scenario(lab)`, take it down."""

    async def main() -> None:
        try:
            await lab.up()
            await scenario(lab)
        finally:
            await lab.down()

    lab.run(main())
