"""Options of a scenario: which there are, and what each may be. A wrong one is refused with what is allowed.

An option's type is a type that msgspec can convert to; the cluster's own options stand here, a workload's beside it.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from harness.scenario import NODES_MAX, SECONDS_MAX, ScenarioError
from workloads.exact import ExactStep

__all__ = ["CLUSTER_OPTIONS", "check_options"]

COUNT_MAX = 2**31 - 1
MILLISECONDS_MAX = 3_600_000

Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]
Milliseconds = Annotated[int, msgspec.Meta(ge=1, le=MILLISECONDS_MAX)]
Percent = Annotated[int, msgspec.Meta(ge=0, le=100)]

CLUSTER_OPTIONS: dict[str, Any] = {
    "durability": Literal["every", "data", "snapshot"],
    "snapshot_threshold": Count,
    "log_entries_kept": Count,
    "loss_percent": Percent,
    "duplication_percent": Percent,
    "delay_min_ms": Milliseconds,
    "delay_max_ms": Milliseconds,
    "election_timeout_ms": Milliseconds,
    "heartbeat_ms": Milliseconds,
    "disk": Literal["plain", "mounted"],
    "spares": Annotated[int, msgspec.Meta(ge=0, le=NODES_MAX)],
    "interval_s": Annotated[float, msgspec.Meta(gt=0, le=SECONDS_MAX)],
    "exact_operations": list[ExactStep],
}
"""What may be said of the cluster and its surroundings, whatever the workload; the rest is drawn."""


def check_options(given: Mapping[str, Any], workload: str, own: Mapping[str, Any]) -> None:
    """Raise ScenarioError for the first option in `given` that `workload` does not have or that has no such value.

    `own` are the workload's options, name -> type.
    """
    allowed = {**CLUSTER_OPTIONS, **own}
    for name, value in given.items():
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise ScenarioError(
                f"{workload} has no option {name!r}{hint} There are: {', '.join(sorted(allowed))}"
            )
        try:
            msgspec.convert(value, allowed[name])
        except msgspec.ValidationError as error:
            raise ScenarioError(
                f"option {name}: {value!r} is not allowed; {_wanted(allowed[name], error)}"
            ) from None


def _wanted(kind: Any, error: msgspec.ValidationError) -> str:
    if get_origin(kind) is Literal:
        return f"allowed: {', '.join(map(str, get_args(kind)))}"
    return str(error).replace("`", "")
