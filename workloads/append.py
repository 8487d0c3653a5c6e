"""Transactions that append to lists: strictly serializable, and every anomaly has a name.

Operations: ``txn`` of ``["append", key, element]`` and ``["r", key, list]``, one to `length_max` of them. Every element is
appended once in the whole run, so a read of a list says which appends came before it, in which order. A list is given up for
a new one when it has about `elements_max` elements: reads stay short. At the end, when everything is healed, every process
reads the last lists twice. Source: Elle (Kingsbury & Alvaro 2020) and Jepsen's ``append``.
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
    "elements_max": Annotated[int, msgspec.Meta(ge=1, le=10_000)],
    "length_max": Annotated[int, msgspec.Meta(ge=1, le=64)],
    "read_percent": Annotated[int, msgspec.Meta(ge=0, le=100)],
    "insists": bool,
}


def swarm(draw: Stream, options: Mapping[str, Any]) -> dict[str, Any]:
    """Draw what the scenario left open: how many lists are in use, how long they and transactions get, who insists."""
    return {
        "keys": 1 + draw.below(4),
        "elements_max": (8, 16, 32)[draw.below(3)],
        "length_max": (2, 4, 4)[draw.below(3)],
        "read_percent": (30, 50, 70)[draw.below(3)],
        "insists": draw.below(2) == 1,
        **options,
    }


def workload(options: Mapping[str, Any]) -> Workload:
    """Return the workload. Options: `keys` lists at a time, `elements_max`, `length_max`, `read_percent`, `insists`."""
    from harness.checkers.transactions.judge import Isolation  # noqa: PLC0415 - loads numpy

    keys, uses_max = options["keys"], options["elements_max"]
    reached = Reached()

    return Workload(
        name="append",
        client=TransactionClient(insists=options["insists"]),
        generator=Mix(unique_writes("append", options, uses_max), reached),
        final_generator=last_reads(reached, keys, uses_max),
        checkers=(Isolation(("strict-serializable",)), *promises(logged)),
        stimuli={"acked_sync_writes": 1},
        options=options,
    )
