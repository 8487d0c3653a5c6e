"""Registers: read, write and compare-and-set on a few keys, which must be linearizable.

Operations: ``read`` [key, nothing], completed with [key, value]; ``write`` [key, value]; ``cas`` [key, [old, new]]. Every
value is written by one operation only, so a read says exactly what it saw. Writes and compare-and-sets go to the
leader, reads to any node. At the end, when everything is healed, every process reads every key. Source: Jepsen's
``linearizable-register``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from cluster.worlds.tape import Stream
from harness.checkers.agreement import Agreement
from harness.checkers.availability import Availability
from harness.checkers.crash_facts import CrashFacts
from harness.checkers.decided_by_log import decided_by_log
from harness.checkers.durability import Durability
from harness.checkers.linearizability import Linearizability
from harness.checkers.liveness import Liveness
from harness.checkers.restart_loop import RestartLoop
from harness.checkers.stats import Stats
from harness.checkers.unforced_errors import UnforcedErrors
from harness.generator import PENDING, Answer, Context, Generator, each_thread
from harness.operation import Operation
from harness.test import Workload
from workloads.key_value import KeyValueClient, KeyValueLine

__all__ = ["RegisterClient", "swarm", "workload"]


class RegisterClient(KeyValueClient):
    """Asks for the three operations."""

    async def ask(self, line: KeyValueLine, operation: Operation) -> Operation:
        """See `KeyValueClient`."""
        key, value = operation.value
        if operation.f == "read":
            completed, seen = await line.read(operation, key)
            return msgspec.structs.replace(completed, value=[key, seen])
        if operation.f == "write":
            return await line.change(operation, op="put", key=key, value=value)
        old, new = value
        return await line.change(operation, op="cas", key=key, expected=old, value=new)


class _Load(msgspec.Struct, frozen=True):
    """An endless mix. `number` is the next value to write, `seen[i]` the value last seen of `keys[i]`.

    What was seen decides nothing: it only lets compare-and-sets succeed now and then.
    """

    keys: tuple[str, ...]
    read_percent: int
    cas_percent: int
    seen: tuple[Any, ...]
    number: int = 1

    def operation(self, context: Context) -> Answer:
        """See `Generator`."""
        process = context.some_free_process()
        if process is None:
            return PENDING
        value: Any
        place, percent = context.random.below(len(self.keys)), context.random.below(100)
        f, value, left = "read", None, self
        if percent >= self.read_percent:
            f, value = "write", self.number
            left = msgspec.structs.replace(self, number=self.number + 1)
            if percent < self.read_percent + self.cas_percent:
                f, value = "cas", [self.seen[place], self.number]
        operation = Operation(
            time_ns=context.time_ns, process=process, f=f, value=[self.keys[place], value]
        )
        return operation, left

    def update(self, context: Context, event: Operation) -> Generator:
        """See `Generator`."""
        if event.type != "ok" or event.f not in ("read", "write", "cas"):
            return self
        key, value = event.value
        if event.f == "cas":
            value = value[1]
        place = self.keys.index(key)
        seen = (*self.seen[:place], value, *self.seen[place + 1 :])
        return msgspec.structs.replace(self, seen=seen)


OPTIONS: dict[str, Any] = {
    "keys": Annotated[int, msgspec.Meta(ge=1, le=100)],
    "read_percent": Annotated[int, msgspec.Meta(ge=0, le=100)],
    "cas_percent": Annotated[int, msgspec.Meta(ge=0, le=100)],
}


def swarm(draw: Stream, options: Mapping[str, Any]) -> dict[str, Any]:
    """Draw what the scenario left open: how many keys, and how often they are read or compared."""
    return {
        "keys": 1 + draw.below(4),
        "read_percent": (20, 50, 70)[draw.below(3)],
        "cas_percent": (0, 10, 20)[draw.below(3)],
        **options,
    }


def workload(options: Mapping[str, Any]) -> Workload:
    """Return the workload. Options: `keys` (how many), `read_percent`, `cas_percent`; writes are the rest."""
    keys = tuple(f"r{number}" for number in range(options["keys"]))
    return Workload(
        name="register",
        client=RegisterClient(),
        generator=_Load(keys, options["read_percent"], options["cas_percent"], (None,) * len(keys)),
        final_generator=each_thread([{"f": "read", "value": [key, None]} for key in keys]),
        checkers=(
            Linearizability("register", knows=decided_by_log),
            Durability(),
            Agreement(),
            RestartLoop(),
            Availability(),
            Liveness(),
            CrashFacts(),
            Stats(("cas",)),
            UnforcedErrors(),
        ),
        stimuli={"acked_sync_writes": 1, "operations_judged": 1},
        options=options,
    )
