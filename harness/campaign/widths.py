"""How wide a search draws: what the scenario of each seed is where nobody said it. Every drawn scenario is a plain one that says all of it.

A plan draws the mix of faults, the rhythm of snapshots, the replay mode and the workload's mix (`harness.campaign.plan`). A search draws
before that what a plan takes as given: how many nodes and clients there are, how often clients ask, how impatient nodes are,
how many messages are lost; and the faults, either all that a cluster must survive, of which the plan takes a part, or a *storm* of one or
two kinds that strike many times a second. Many bugs show only in a corner of these (*swarm testing*, Groce et al. 2012):
votes are forgotten unnoticed until nodes are killed as often as they campaign. What a person said stays as it was said.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from cluster.worlds.tape import Stream
from harness.campaign.capabilities import named_nemeses
from harness.scenario import SURVIVABLE, Scenario

__all__ = ["widened"]

_FIELDS: Final[dict[str, tuple[Any, ...]]] = {
    "nodes": (3, 3, 5, 5, 5),
    "concurrency": (2, 5, 10),
    "rate": (10.0, 20.0, 40.0),
}
"""Field of a scenario -> what is drawn from."""

_TIMINGS: Final = (
    (300, 60, (0, 1, 5)),
    (300, 60, (0, 1, 5)),
    (150, 40, (0, 1, 5)),
    (60, 30, (0, 1, 5)),
)
"""Election timeout and heartbeat in milliseconds, and percents of messages lost. With a tenth lost the fastest get nothing done in one run
of a hundred, and a run in which nothing gets done proves nothing."""
_STORMS: Final = (0.8, 1.5, 3.0)
"""How long from one fault of a storm to the next, in election timeouts."""


def widened(scenario: Scenario, said: AbstractSet[str], draw: Stream) -> Scenario:
    """Return `scenario` with everything drawn that may be and is not among the fields `said` nor among its options.

    The draws are the same whatever was said: with one thing more said, the others of a seed stay.
    """
    fields = {name: values[draw.below(len(values))] for name, values in _FIELDS.items()}
    election_ms, heartbeat_ms, losses = _TIMINGS[draw.below(len(_TIMINGS))]
    loss_percent = losses[draw.below(len(losses))]
    nemesis, storm = _faults(draw, election_ms / 1000)
    timing = {"election_timeout_ms": election_ms, "heartbeat_ms": heartbeat_ms}
    options = {
        **({} if timing.keys() & scenario.options.keys() else timing),
        "loss_percent": loss_percent,
    }
    if not scenario.nemesis and not scenario.faults:
        fields["nemesis"] = nemesis
        options |= storm
    unsaid = {name: value for name, value in fields.items() if name not in said}
    return msgspec.structs.replace(scenario, **unsaid, options={**options, **scenario.options})


def _faults(draw: Stream, election_s: float) -> tuple[list[str], dict[str, Any]]:
    """Draw the faults: every kind, or one or two and how often they strike."""
    every = Scenario(workload="", nemesis=[SURVIVABLE])
    kinds = named_nemeses(every, {"nodes": (), "opcode": 0})
    storms, number = draw.below(2), 1 + draw.below(2)
    named = [kinds.pop(draw.below(len(kinds))) for _ in range(number)]
    pause_s = round(election_s * _STORMS[draw.below(len(_STORMS))], 3)
    return (named, {"interval_s": pause_s}) if storms else ([SURVIVABLE], {})
