"""Long fork: all readers agree on the order of writes that have nothing to do with one another.

Operations: ``txn`` [["w", key, 1]], every key once; ``txn`` [["r", key, value] ...] of the `group_size` keys of one group. Groups are
filled one after the other, and mostly the newest is read. Parallel snapshot isolation would let two reads of a group disagree
about which of two writes came first; ours must not. At the end, when everything is healed, one key of a new group is written, and
every process reads that group: a read that sees one write and misses another is there in every run.
Source: Jepsen's ``long-fork``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from cluster.worlds.tape import Stream
from harness.checkers.long_fork import LongFork
from harness.generator import Generatorish, RandomSource, each_thread, limit, phases
from harness.test import Workload
from workloads.mix import Made, Mix, Reached
from workloads.promises import promises
from workloads.transactions import TransactionClient, logged

__all__ = ["OPTIONS", "swarm", "workload"]

GROUPS_READ = 2
"""Reads ask for the group being filled or for one of those before it."""

OPTIONS: dict[str, Any] = {
    "group_size": Annotated[int, msgspec.Meta(ge=2, le=64)],
    "read_percent": Annotated[int, msgspec.Meta(ge=1, le=99)],
}


def swarm(draw: Stream, options: Mapping[str, Any]) -> dict[str, Any]:
    """Draw what the scenario left open: how many keys a read sees, and how often they are read."""
    return {
        "group_size": (2, 3, 5)[draw.below(3)],
        "read_percent": (50, 60, 70)[draw.below(3)],
        **options,
    }


def workload(options: Mapping[str, Any]) -> Workload:
    """Return the workload. Options: `group_size`, `read_percent`; writes are the rest."""
    from harness.checkers.transactions.judge import Isolation  # noqa: PLC0415 - loads numpy

    size: int = options["group_size"]
    reached = Reached()

    def reading(group: int) -> list[list[Any]]:
        return [["r", key, None] for key in range(group * size, (group + 1) * size)]

    def make(random: RandomSource, number: int) -> Made:
        if random.below(100) >= options["read_percent"]:
            return Made("txn", [["w", number, 1]], 1)
        return Made("txn", reading(max(0, number // size - random.below(GROUPS_READ))))

    def last_group() -> int:
        return reached.number // size + 1

    def last_write() -> Generatorish:
        return {"f": "txn", "value": [["w", last_group() * size, 1]]}

    def last_read() -> Generatorish:
        return {"f": "txn", "value": reading(last_group())}

    return Workload(
        name="long-fork",
        client=TransactionClient(),
        generator=Mix(make, reached),
        final_generator=phases(limit(1, last_write), each_thread(limit(1, last_read))),
        checkers=(
            LongFork(size),
            Isolation(("strict-serializable",), "realtime"),
            *promises(logged),
        ),
        stimuli={"acked_sync_writes": 1, "fork_reads": 1},
        options=options,
    )
