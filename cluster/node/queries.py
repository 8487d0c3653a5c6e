"""What a read asks of a state machine. Data, and how it is answered from a machine that has applied far enough."""

from __future__ import annotations

from typing import Any

import msgspec

from cluster.machine.kv_requests import MicroOperation
from cluster.machine.machine import StateMachine

__all__ = ["Query"]


class Query(msgspec.Struct, frozen=True):
    """The value of one `key`, or, where there are `operations`, a transaction that only looks."""

    key: str = ""
    operations: tuple[MicroOperation, ...] = ()

    def answer(self, machine: StateMachine) -> dict[str, Any]:
        """Return the value of the reply, with the applied `index` that it speaks of. Raises StoreFailed."""
        if self.operations:
            return {"index": machine.applied, "result": machine.look(self.operations)}
        return {"index": machine.applied, "value": machine.read(self.key)}
