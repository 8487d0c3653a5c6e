"""A queue: what goes in comes out, once, and in order.

Operations: ``enqueue`` x, every x once; ``dequeue``, completed with the element, or with nothing when the queue was empty. Both are
transactions of one micro-operation. At the end, when everything is healed, every process dequeues until it finds nothing. Clients
insist on an answer: a dequeue of which nobody knows the outcome may have taken an element along, and then nobody could say
whether that element was lost. Sources: Jepsen's ``queue`` and its ``total-queue`` checker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from cluster.worlds.tape import Stream
from harness.checkers.availability import RECOVERY_LIMIT_NS
from harness.checkers.total_queue import TotalQueue
from harness.generator import (
    PENDING,
    Answer,
    Context,
    Generator,
    RandomSource,
    each_thread,
    time_limit,
)
from harness.object_checker import LinearizableObject
from harness.operation import Operation
from harness.test import Workload
from workloads.key_value import KeyValueClient, KeyValueLine
from workloads.mix import Made, Mix, Reached
from workloads.promises import logged_transaction, promises

__all__ = ["KEY", "OPTIONS", "QueueClient", "swarm", "workload"]

KEY = "queue"
"""Where the queue is: one list."""


class QueueClient(KeyValueClient):
    """Enqueues and dequeues."""

    async def ask(self, line: KeyValueLine, operation: Operation) -> Operation:
        """See `KeyValueClient`."""
        completed, results = await line.transact(operation, _asked(operation))
        if completed.type != "ok" or operation.f == "enqueue":
            return completed
        return msgspec.structs.replace(completed, value=results[0])


def _asked(operation: Operation) -> list[list[Any]]:
    if operation.f == "enqueue":
        return [["append", KEY, operation.value]]
    return [["take", KEY, None]]


def _logged(operation: Operation) -> tuple[str, str, Any, Any]:
    return logged_transaction(_asked(operation))


class _Drain(msgspec.Struct, frozen=True):
    """Dequeues until one finds nothing."""

    empty: bool = False

    def operation(self, context: Context) -> Answer:
        if self.empty:
            return None
        process = context.some_free_process()
        if process is None:
            return PENDING
        return Operation(time_ns=context.time_ns, process=process, f="dequeue"), self

    def update(self, context: Context, event: Operation) -> Generator:
        found_nothing = event.type == "ok" and event.f == "dequeue" and event.value is None
        return _Drain(empty=True) if found_nothing else self


OPTIONS: dict[str, Any] = {"enqueue_percent": Annotated[int, msgspec.Meta(ge=0, le=100)]}


def swarm(draw: Stream, options: Mapping[str, Any]) -> dict[str, Any]:
    """Draw what the scenario left open: whether the queue grows or is mostly empty."""
    return {"enqueue_percent": (40, 50, 60)[draw.below(3)], **options}


def workload(options: Mapping[str, Any]) -> Workload:
    """Return the workload. Option: `enqueue_percent`; dequeues are the rest."""

    def make(random: RandomSource, number: int) -> Made:
        if random.below(100) < options["enqueue_percent"]:
            return Made("enqueue", number, 1)
        return Made("dequeue")

    return Workload(
        name="queue",
        client=QueueClient(insists=True),
        generator=Mix(make, Reached()),
        final_generator=time_limit(RECOVERY_LIMIT_NS, each_thread(_Drain())),
        checkers=(LinearizableObject("queue"), TotalQueue(), *promises(_logged)),
        stimuli={"acked_sync_writes": 1, "queue_delivered": 1},
        options=options,
    )
