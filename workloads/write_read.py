"""Transactions over registers: strictly serializable, and every anomaly has a name.

Operations: ``txn`` of ``["w", key, value]`` and ``["r", key, value]``, one to `length_max` of them. Every value is written once in
the whole run, so a read says exactly which write it saw; that single registers are linearizable tells the order of the writes.
A register is given up for a new one after about `writes_max` writes. At the end, when everything is healed, every process reads
the last registers twice. Source: Elle's ``rw-register`` and Jepsen's ``wr``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from cluster.worlds.tape import Stream
from harness.test import Workload
from workloads.mix import Mix, Reached
from workloads.promises import promises
from workloads.transactions import (
    TransactionClient,
    last_reads,
    logged,
    unique_writes,
)

__all__ = ["OPTIONS", "swarm", "workload"]

OPTIONS: dict[str, Any] = {
    "keys": Annotated[int, msgspec.Meta(ge=1, le=100)],
    "writes_max": Annotated[int, msgspec.Meta(ge=1, le=10_000)],
    "length_max": Annotated[int, msgspec.Meta(ge=1, le=64)],
    "read_percent": Annotated[int, msgspec.Meta(ge=0, le=100)],
    "insists": bool,
}


def swarm(draw: Stream, options: Mapping[str, Any]) -> dict[str, Any]:
    """Draw what the scenario left open: how many registers are in use, how long transactions get, who insists."""
    return {
        "keys": 2 + draw.below(4),
        "writes_max": (8, 16, 64)[draw.below(3)],
        "length_max": (2, 4, 4)[draw.below(3)],
        "read_percent": (30, 50, 70)[draw.below(3)],
        "insists": draw.below(2) == 1,
        **options,
    }


def workload(options: Mapping[str, Any]) -> Workload:
    """Return the workload. Options: `keys` at a time, `writes_max`, `length_max`, `read_percent`, `insists`."""
    from harness.checkers.transactions.judge import Isolation  # noqa: PLC0415 - loads numpy

    keys, uses_max = options["keys"], options["writes_max"]
    reached = Reached()

    return Workload(
        name="wr",
        client=TransactionClient(insists=options["insists"]),
        generator=Mix(unique_writes("w", options, uses_max), reached),
        final_generator=last_reads(reached, keys, uses_max),
        checkers=(Isolation(("strict-serializable",), "realtime"), *promises(logged)),
        stimuli={"acked_sync_writes": 1},
        options=options,
    )
