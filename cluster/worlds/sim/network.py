"""The simulated network: what happens to a message on its way. It decides; the world schedules.

Links are directed. On each, a message may be lost, delivered twice, delayed, and (unless `ordered`)
overtake others, since every delivery draws its own delay. Cuts drop everything in one direction. Faults of
single links lie over the common model and are removed by `heal`. The idea of one options record with a
documented field per probability is TigerBeetle's packet simulator.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cluster.worlds.tape import Stream, Tape

__all__ = ["LinkModel", "Network"]

_MS = 1_000_000


class LinkModel(msgspec.Struct, frozen=True, kw_only=True):
    """How messages fare on a link. Probabilities in [0, 1], times in nanoseconds."""

    delay_min_ns: int = 1 * _MS
    delay_max_ns: int = 5 * _MS
    loss: float = 0.0
    duplication: float = 0.0
    ordered: bool = False
    """Whether messages of one link arrive in the order in which they were sent."""


class Network:
    """Decides the fate of each message; knows nothing of what is in it."""

    def __init__(self, model: LinkModel, tape: Tape) -> None:
        self.model = model
        self._tape = tape
        self._links: dict[tuple[str, str], LinkModel] = {}
        self._cut: frozenset[tuple[str, str]] = frozenset()
        self._fates: dict[tuple[str, str], Stream] = {}
        self._delays: dict[tuple[str, str], Stream] = {}
        self._newest: dict[tuple[str, str], int] = {}

    def cut(self, links: Iterable[tuple[str, str]]) -> None:
        """Drop everything from first to second of each pair; replaces earlier cuts."""
        self._cut = frozenset(links)

    def is_cut(self, source: str, target: str) -> bool:
        """Whether messages from `source` to `target` are dropped by a cut."""
        return (source, target) in self._cut

    def set_link(self, source: str, target: str, model: LinkModel) -> None:
        """Give one link a model of its own."""
        self._links[source, target] = model

    def heal(self) -> None:
        """Undo every cut and every link of its own."""
        self._cut = frozenset()
        self._links.clear()

    def arrivals(self, source: str, target: str, now_ns: int) -> tuple[int, ...]:
        """Return the times at which a message sent now arrives: none (lost), one, or two (duplicated)."""
        link = (source, target)
        if link in self._cut:
            return ()
        model = self._links.get(link, self.model) if self._links else self.model
        if model.loss > 0.0 or model.duplication > 0.0:
            fate = self._stream(self._fates, "network.fate", link).fraction()
            if fate < model.loss:
                return ()
            if fate >= 1.0 - model.duplication:
                return (self._arrival(link, model, now_ns), self._arrival(link, model, now_ns))
        return (self._arrival(link, model, now_ns),)

    def _arrival(self, link: tuple[str, str], model: LinkModel, now_ns: int) -> int:
        spread = model.delay_max_ns - model.delay_min_ns
        time_ns = now_ns + model.delay_min_ns
        if spread > 0:
            time_ns += self._stream(self._delays, "network.delay", link).below(spread)
        if model.ordered:
            time_ns = max(time_ns, self._newest.get(link, 0) + 1)
            self._newest[link] = time_ns
        return time_ns

    def _stream(self, cache: dict[tuple[str, str], Stream], purpose: str, link: tuple[str, str]) -> Stream:
        stream = cache.get(link)
        if stream is None:
            stream = self._tape.stream(f"{purpose}/{link[0]}>{link[1]}")
            cache[link] = stream
        return stream
