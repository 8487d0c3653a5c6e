"""Registers of few values: read, write and compare-and-set, which must be linearizable.

Operations as in `register`, but every value is one of three, so that comparisons often succeed, many writes look alike, and the
judge has to search. Source: Jepsen's first test, and Knossos' ``cas-register``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from cluster.worlds.tape import Stream
from harness.checkers.durability import logged_register
from harness.checkers.linearizability import Linearizability
from harness.generator import RandomSource, each_thread
from harness.test import Workload
from workloads.mix import Made, Mix, Reached
from workloads.promises import promises
from workloads.register import RegisterClient

__all__ = ["OPTIONS", "VALUES", "swarm", "workload"]

VALUES = 3
"""So many values there are."""

OPTIONS: dict[str, Any] = {
    "keys": Annotated[int, msgspec.Meta(ge=1, le=100)],
    "read_percent": Annotated[int, msgspec.Meta(ge=0, le=100)],
    "cas_percent": Annotated[int, msgspec.Meta(ge=0, le=100)],
    "insists": bool,
}


def swarm(draw: Stream, options: Mapping[str, Any]) -> dict[str, Any]:
    """Draw what the scenario left open: how many registers, how often they are read or compared, who insists."""
    return {
        "keys": 1 + draw.below(3),
        "read_percent": (30, 50)[draw.below(2)],
        "cas_percent": (10, 20, 40)[draw.below(3)],
        "insists": draw.below(2) == 1,
        **options,
    }


def workload(options: Mapping[str, Any]) -> Workload:
    """Return the workload. Options: `keys` (how many), `read_percent`, `cas_percent`, `insists`; writes are the rest."""
    keys = [f"r{number}" for number in range(options["keys"])]
    read_percent, cas_percent = options["read_percent"], options["cas_percent"]

    def make(random: RandomSource, _: int) -> Made:
        key, percent = keys[random.below(len(keys))], random.below(100)
        if percent < read_percent:
            return Made("read", [key, None])
        new = random.below(VALUES)
        if percent < read_percent + cas_percent:
            return Made("cas", [key, [random.below(VALUES), new]])
        return Made("write", [key, new])

    return Workload(
        name="cas-register",
        client=RegisterClient(insists=options["insists"]),
        generator=Mix(make, Reached()),
        final_generator=each_thread([{"f": "read", "value": [key, None]} for key in keys]),
        checkers=(Linearizability("register"), *promises(logged_register, may_fail=("cas",))),
        stimuli={"acked_sync_writes": 1, "operations_judged": 1},
        options=options,
    )
