"""One run of a search, as something that can be carried out at any time and anywhere: a scenario, and what its tape begins with."""

from __future__ import annotations

from typing import Literal

import msgspec

from harness.campaign.outcome import Finished
from harness.campaign.simulate import simulate
from harness.scenario import Scenario

__all__ = ["Attempt", "How", "finish"]

How = Literal["fresh", "again", "altered"]
"""See `harness.campaign.steering`."""


class Attempt(msgspec.Struct, frozen=True):
    """The run `number` of a search.

    `recorded` are draws, by stream, that are read before anything is drawn; `like` is the attempt that they come from (-1: none).
    """

    number: int
    scenario: Scenario
    how: How = "fresh"
    like: int = -1
    recorded: dict[str, list[int]] = {}


def finish(attempt: Attempt) -> Finished:
    """Carry out an attempt and return the whole run: each time the same one."""
    return simulate(attempt.scenario, recorded=attempt.recorded)
