"""A node alone on a disk: opened as after a crash, without network, clients or time. It can recover, and nothing else.

Whatever it says is dropped. A crash point never strikes here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from cluster.machine.parts import Parts
from cluster.node.config import NodeConfig
from cluster.node.failures import REFUSALS
from cluster.node.node import Node
from cluster.node.replica import NodeHalted
from cluster.node.requests import CrashOrder, Reply
from cluster.raft.messages import Message
from cluster.storage.sim_disk import SimDisk

__all__ = ["Awake", "wake_alone"]


class Awake(msgspec.Struct, frozen=True, kw_only=True):
    """How it went. `refusal` is empty when the node started; then `states` has the live state of each group.

    `halted_at` is the entry at which a group halted meanwhile, (group, index).
    """

    refusal: str
    halted_at: tuple[int, int] | None = None
    states: dict[int, dict[str, Any]] = {}


class _Deaf:
    """An outbox that leads nowhere."""

    def send(self, group: int, message: Message) -> None:
        """Drop."""

    def complete(self, request: int, reply: Reply) -> None:
        """Drop."""


def wake_alone(disk: SimDisk, config: NodeConfig, parts: Parts) -> Awake:
    """Open a node on `disk`, which stays as recovery leaves it, and let go of it as a kill does.

    A refusal to start, a halt and a defect alike are returned in words: here nobody is there to be at fault but the disk
    and the node.
    """
    try:
        node = Node.open(
            config,
            disk=disk,
            parts=parts,
            outbox=_Deaf(),
            strike=_never,
            sink=None,
            orders=(),
            below=lambda _: 0,
            now_ns=0,
            wall_ns=lambda: 0,
        )
    except NodeHalted as halt:
        return Awake(refusal=f"it halted: {halt}", halted_at=(halt.group, halt.index))
    except REFUSALS as refusal:
        return Awake(refusal=f"it refused: {type(refusal).__name__}: {refusal}")
    except Exception as defect:  # noqa: BLE001 - a defect of recovery is a finding like any other
        return Awake(refusal=f"it failed: {type(defect).__name__}: {defect}")
    states = {group: node.state(group) for group in range(config.groups)}
    disk.kill()
    node.abandon()
    return Awake(refusal="", states=states)


def _never(order: CrashOrder) -> None:
    raise AssertionError(f"nothing is armed, yet {order.point} struck")
