"""A counter: every increment counts once, and a read says how many there were.

Operations: ``add`` 1, a transaction of one addition; ``read``, completed with the number. Reads go to any node; at the end, when
everything is healed, every process reads twice. An increment that is retried and counted twice shows as a read that is too large.
Source: Jepsen's ``counter``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from cluster.worlds.tape import Stream
from harness.checkers.counter_bounds import CounterBounds
from harness.generator import RandomSource, each_thread
from harness.object_checker import LinearizableObject
from harness.operation import Operation
from harness.test import Workload
from workloads.key_value import KeyValueClient, KeyValueLine
from workloads.mix import Made, Mix, Reached
from workloads.promises import logged_transaction, promises

__all__ = ["KEY", "OPTIONS", "CounterClient", "swarm", "workload"]

KEY = "counter"
"""Where the counter is: one number."""


class CounterClient(KeyValueClient):
    """Adds and reads."""

    async def ask(self, line: KeyValueLine, operation: Operation) -> Operation:
        """See `KeyValueClient`."""
        if operation.f == "add":
            completed, _ = await line.transact(operation, _addition(operation.value))
            return completed
        completed, seen = await line.read(operation, KEY)
        if completed.type != "ok":
            return completed
        return msgspec.structs.replace(completed, value=seen or 0)


def _addition(amount: int) -> list[list[Any]]:
    return [["add", KEY, amount]]


def _logged(operation: Operation) -> tuple[str, str, Any, Any] | None:
    return logged_transaction(_addition(operation.value)) if operation.f == "add" else None


OPTIONS: dict[str, Any] = {
    "read_percent": Annotated[int, msgspec.Meta(ge=0, le=100)],
    "insists": bool,
}


def swarm(draw: Stream, options: Mapping[str, Any]) -> dict[str, Any]:
    """Draw what the scenario left open: how often the counter is read, who insists."""
    return {
        "read_percent": (10, 30, 50)[draw.below(3)],
        "insists": draw.below(3) > 0,
        **options,
    }


def workload(options: Mapping[str, Any]) -> Workload:
    """Return the workload. Options: `read_percent`, `insists`; increments are the rest."""

    def make(random: RandomSource, _: int) -> Made:
        return Made("read") if random.below(100) < options["read_percent"] else Made("add", 1)

    return Workload(
        name="counter",
        client=CounterClient(insists=options["insists"]),
        generator=Mix(make, Reached()),
        final_generator=each_thread([{"f": "read"}] * 2),
        checkers=(CounterBounds(), LinearizableObject("counter"), *promises(_logged)),
        stimuli={"acked_sync_writes": 1, "counter_reads": 1},
        options=options,
    )
