"""Sessions that read anywhere: what a process has seen or written it never sees undone, though nobody confirms its reads.

Operations: ``write`` [key, value], every value once; ``read`` [key, nothing], completed with [key, value]. Writes go to the leader. A
read is answered by one node from its own state, each time another one: it may be old, but the client names the log index that its
process has seen, and the node waits until it has applied that. So all reads of a process see ever longer beginnings of one order
of writes, which is causal consistency and all four session guarantees. At the end, when everything is healed, every process reads every
key. Sources: Terry et al. (PDIS 1994), Bouajjani et al. (POPL 2017).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from cluster.worlds.tape import Stream
from harness.checkers.causal.guarantees import SessionGuarantees
from harness.checkers.durability import logged_register
from harness.generator import RandomSource, each_thread
from harness.operation import Operation
from harness.test import Workload
from workloads.key_value import KeyValueClient, KeyValueLine
from workloads.mix import Made, Mix, Reached
from workloads.promises import promises

__all__ = ["OPTIONS", "SessionClient", "swarm", "workload"]


class SessionClient(KeyValueClient):
    """Writes, and reads at one node after the other."""

    def __init__(self, line: KeyValueLine | None = None, *, insists: bool = False) -> None:
        super().__init__(line, insists=insists)
        self._reads = 0

    async def ask(self, line: KeyValueLine, operation: Operation) -> Operation:
        """See `KeyValueClient`."""
        key, value = operation.value
        if operation.f == "write":
            return await line.change(operation, op="put", key=key, value=value)
        self._reads += 1
        node = line.nodes[(operation.process + self._reads) % len(line.nodes)]
        completed, seen = await line.read_at(operation, key, node)
        return msgspec.structs.replace(completed, value=[key, seen])


OPTIONS: dict[str, Any] = {
    "keys": Annotated[int, msgspec.Meta(ge=1, le=100)],
    "read_percent": Annotated[int, msgspec.Meta(ge=1, le=99)],
}


def swarm(draw: Stream, options: Mapping[str, Any]) -> dict[str, Any]:
    """Draw what the scenario left open: how many registers, and how often they are read."""
    return {
        "keys": 1 + draw.below(3),
        "read_percent": (50, 70, 80)[draw.below(3)],
        **options,
    }


def workload(options: Mapping[str, Any]) -> Workload:
    """Return the workload. Options: `keys` (how many), `read_percent`; writes are the rest."""
    from harness.checkers.causal.consistency import (  # noqa: PLC0415 - loads numpy
        CausalConsistency,
    )

    keys = [f"s{number}" for number in range(options["keys"])]

    def make(random: RandomSource, number: int) -> Made:
        key = keys[random.below(len(keys))]
        if random.below(100) < options["read_percent"]:
            return Made("read", [key, None])
        return Made("write", [key, number], 1)

    return Workload(
        name="session",
        client=SessionClient(),
        generator=Mix(make, Reached()),
        final_generator=each_thread([{"f": "read", "value": [key, None]} for key in keys]),
        checkers=(
            SessionGuarantees(keyed=True),
            CausalConsistency("convergence", keyed=True),
            *promises(logged_register),
        ),
        stimuli={"acked_sync_writes": 1, "session_accesses": 1},
        options=options,
    )
