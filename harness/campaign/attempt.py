"""One run of a search, as something that can be carried out at any time and anywhere: a scenario, and what its tape begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from harness.campaign.outcome import Finished
from harness.campaign.simulate import simulate
from harness.scenario import Scenario

__all__ = ["Attempt", "How", "finish", "packed", "unpacked"]

How = Literal["fresh", "branch", "again"]
"""See `harness.campaign.steering`."""

_draws: msgspec.msgpack.Decoder[dict[str, list[int]]] = msgspec.msgpack.Decoder(
    dict[str, list[int]]
)


class Attempt(msgspec.Struct, frozen=True):
    """The run `number` of a search.

    `tape` are packed draws that are read before anything is drawn, with `until` for so many events only; `like` is the attempt
    that they come from (-1: none).
    """

    number: int
    scenario: Scenario
    how: How = "fresh"
    like: int = -1
    tape: bytes = b""
    until: int | None = None

    def recorded(self) -> dict[str, list[int]]:
        """The draws that it begins with, by stream."""
        return unpacked(self.tape) if self.tape else {}


def packed(draws: Mapping[str, Sequence[int]]) -> bytes:
    """Return draws as bytes: small enough to be kept by the hundred and to travel between processes."""
    return msgspec.msgpack.encode(draws)


def unpacked(tape: bytes) -> dict[str, list[int]]:
    """Return what `packed` was given."""
    return _draws.decode(tape)


def finish(attempt: Attempt) -> Finished:
    """Carry out an attempt and return the whole run: each time the same one."""
    return simulate(attempt.scenario, recorded=attempt.recorded(), until=attempt.until)
