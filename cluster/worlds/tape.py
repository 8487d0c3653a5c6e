"""The tape: every random choice of a run is a named draw, recorded in order.

Running is drawing, replaying is reading, shrinking is editing. A *stream* is one purpose (and where it
applies one node or link): ``"network.delay/n1>n2"``, ``"generator"``, ``"disk.power_loss/n3"``. Streams
are independent: each is seeded by hashing (seed, name), so a draw added to one changes no other. What is
recorded is the value drawn, an integer below a bound the caller gave; a recorded value that no longer fits its bound is
taken modulo it, and a stream read to its end goes on drawing, so every edited tape is a valid run.

The idea is Hypothesis's choice sequence and simloom's tape. Only `random.Random.random` is used of the
standard generator: its sequence for an integer seed is guaranteed across Python versions.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b

__all__ = ["FRACTION_STEPS", "Stream", "Tape"]

FRACTION_STEPS = 1 << 53
"""A fraction is a draw below this, divided by it."""


class Stream:
    """The draws of one purpose. `drawn` is what was drawn so far."""

    __slots__ = ("_next", "_recorded", "drawn", "name")

    def __init__(self, name: str, seed: int, recorded: Sequence[int] = ()) -> None:
        self.name = name
        self.drawn: list[int] = []
        self._recorded: Iterator[int] = iter(recorded)
        digest = blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
        self._next = random.Random(int.from_bytes(digest, "big")).random  # noqa: S311 - chaos, not secrets

    def below(self, bound: int) -> int:
        """Draw an integer in [0, bound); `bound` is at least 1."""
        value = int(self._next() * bound)
        for recorded in self._recorded:
            value = recorded % bound
            break
        self.drawn.append(value)
        return value

    def between(self, low: int, high: int) -> int:
        """Draw an integer in [low, high]."""
        return low + self.below(high - low + 1)

    def fraction(self) -> float:
        """Draw a float in [0, 1)."""
        return self.below(FRACTION_STEPS) / FRACTION_STEPS

    def chance(self, probability: float) -> bool:
        """Draw True with `probability`."""
        return self.fraction() < probability


class Tape:
    """All streams of one run.

    `recorded` maps stream names to draws to be read first (a replay or an edited tape).
    """

    def __init__(self, seed: int, recorded: Mapping[str, Sequence[int]] | None = None) -> None:
        self.seed = seed
        self._recorded = recorded or {}
        self._streams: dict[str, Stream] = {}

    def stream(self, name: str) -> Stream:
        """Return the stream called `name`, the same one at every call."""
        stream = self._streams.get(name)
        if stream is None:
            stream = self.make_stream(name, self._recorded.get(name, ()))
            self._streams[name] = stream
        return stream

    def make_stream(self, name: str, recorded: Sequence[int]) -> Stream:
        """Return a new stream that reads `recorded` first. Whoever wants to know of every draw makes another kind here."""
        return Stream(name, self.seed, recorded)

    def draws(self) -> dict[str, list[int]]:
        """Return what was drawn so far, by stream, in order of the streams' first use."""
        return {name: stream.drawn for name, stream in self._streams.items()}
