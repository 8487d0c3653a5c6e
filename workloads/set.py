"""A set that only grows: every added element must be there at the end, and nothing else.

Operations: ``add`` x, an append to the one list that holds the set; ``read``, completed with the list. Elements are
numbers, each added by one operation only. Reads go to any node; at the end, when everything is healed, every
process reads twice. Source: Jepsen's ``set`` and its ``set-full`` checker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from cluster.worlds.tape import Stream
from harness.checkers.agreement import Agreement
from harness.checkers.availability import Availability
from harness.checkers.crash_facts import CrashFacts
from harness.checkers.durability import Durability
from harness.checkers.liveness import Liveness
from harness.checkers.restart_loop import RestartLoop
from harness.checkers.set_full import SetFull
from harness.checkers.stats import Stats
from harness.checkers.unforced_errors import UnforcedErrors
from harness.generator import PENDING, Answer, Context, Generator, each_thread
from harness.operation import Operation
from harness.test import Workload
from workloads.key_value import KeyValueClient, KeyValueLine

__all__ = ["KEY", "SetClient", "swarm", "workload"]

KEY = "set"
"""Where the set is: one list."""


def _logged(operation: Operation) -> tuple[str, str, Any, None] | None:
    return ("append", KEY, operation.value, None) if operation.f == "add" else None


class SetClient(KeyValueClient):
    """Adds and reads."""

    async def ask(self, line: KeyValueLine, operation: Operation) -> Operation:
        """See `KeyValueClient`."""
        if operation.f == "add":
            return await line.change(operation, op="append", key=KEY, value=operation.value)
        completed, seen = await line.read(operation, KEY)
        if completed.type != "ok":
            return completed
        return msgspec.structs.replace(completed, value=seen or [])


class _Load(msgspec.Struct, frozen=True):
    """An endless mix; `number` is the next element."""

    read_percent: int
    number: int = 0

    def operation(self, context: Context) -> Answer:
        """See `Generator`."""
        process = context.some_free_process()
        if process is None:
            return PENDING
        if context.random.below(100) < self.read_percent:
            return Operation(time_ns=context.time_ns, process=process, f="read"), self
        operation = Operation(time_ns=context.time_ns, process=process, f="add", value=self.number)
        return operation, msgspec.structs.replace(self, number=self.number + 1)

    def update(self, context: Context, event: Operation) -> Generator:
        """See `Generator`."""
        return self


OPTIONS: dict[str, Any] = {"read_percent": Annotated[int, msgspec.Meta(ge=0, le=100)]}


def swarm(draw: Stream, options: Mapping[str, Any]) -> dict[str, Any]:
    """Draw what the scenario left open: how often the set is read."""
    return {"read_percent": (5, 10, 30)[draw.below(3)], **options}


def workload(options: Mapping[str, Any]) -> Workload:
    """Return the workload. Option: `read_percent`; adds are the rest."""
    return Workload(
        name="set",
        client=SetClient(),
        generator=_Load(options["read_percent"]),
        final_generator=each_thread([{"f": "read"}, {"f": "read"}]),
        checkers=(
            SetFull(),
            Durability(_logged),
            Agreement(),
            RestartLoop(),
            Availability(),
            Liveness(),
            CrashFacts(),
            Stats(),
            UnforcedErrors(),
        ),
        stimuli={"acked_sync_writes": 1, "elements_stable": 1},
        options=options,
    )
