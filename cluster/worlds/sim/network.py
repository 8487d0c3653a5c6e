"""The simulated network: what happens to a message on its way. It decides; the world schedules.

Links are directed. On each, a message may be lost, delivered twice, delayed, and (unless `ordered`)
overtake others, since every delivery draws its own delay. Cuts drop everything in one direction. Faults of
single links lie over the common model and are removed by `heal`. The idea of one options record with a
documented field per probability is TigerBeetle's packet simulator.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from cluster.worlds.tape import FRACTION_STEPS, Stream, Tape

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


class _Link:
    """One directed link: its model, taken apart, and its streams once something was drawn from them."""

    __slots__ = (
        "bad", "delay", "delay_min_ns", "drops_below", "fate", "fateful", "name", "newest_ns",
        "ordered", "spread_ns", "twice_from",
    )  # fmt: skip

    def __init__(self, name: str, model: LinkModel) -> None:
        self.name = name
        self.fate: Stream | None = None
        self.delay: Stream | None = None
        self.bad = False
        """Whether the link has a model of its own."""
        self.newest_ns = 0
        """When the last message arrives; kept while the model is `ordered`."""
        self.obey(model)

    def obey(self, model: LinkModel) -> None:
        """Let messages fare as `model` says from now on."""
        self.fateful = model.loss > 0.0 or model.duplication > 0.0
        self.drops_below = model.loss * FRACTION_STEPS
        """Fates below this are losses, those from `twice_from` on duplications."""
        self.twice_from = (1.0 - model.duplication) * FRACTION_STEPS
        self.delay_min_ns = model.delay_min_ns
        self.spread_ns = model.delay_max_ns - model.delay_min_ns
        self.ordered = model.ordered


class Network:
    """Decides the fate of each message; knows nothing of what is in it."""

    def __init__(self, model: LinkModel, tape: Tape) -> None:
        self.model = model
        self.cuts: frozenset[tuple[str, str]] = frozenset()
        """Messages from first to second of each pair are dropped, those under way too."""
        self.dropped = 0
        """Messages that cuts and bad links swallowed; whoever tells of them sets it back."""
        self._tape = tape
        self._links: dict[tuple[str, str], _Link] = {}
        """Made at the first message: the streams of the tape begin with their first draw."""

    def cut(self, links: Iterable[tuple[str, str]]) -> None:
        """Drop everything from first to second of each pair; replaces earlier cuts."""
        self.cuts = frozenset(links)

    def set_link(self, source: str, target: str, model: LinkModel) -> None:
        """Give one link a model of its own."""
        link = self._link(source, target)
        link.obey(model)
        link.bad = True

    def heal(self) -> None:
        """Undo every cut and every link of its own."""
        self.cuts = frozenset()
        for link in self._links.values():
            link.obey(self.model)
            link.bad = False

    def arrivals(self, source: str, target: str, now_ns: int) -> tuple[int, ...]:
        """Return the times at which a message sent now arrives: none (lost), one, or two (duplicated)."""
        pair = (source, target)
        if pair in self.cuts:
            self.dropped += 1
            return ()
        link = self._links.get(pair) or self._link(source, target)
        if link.fateful:
            if link.fate is None:
                link.fate = self._tape.stream(f"network.fate/{link.name}")
            fate = link.fate.below(FRACTION_STEPS)
            if fate < link.drops_below:
                self.dropped += link.bad
                return ()
            if fate >= link.twice_from:
                return (self._arrival(link, now_ns), self._arrival(link, now_ns))
        return (self._arrival(link, now_ns),)

    def _arrival(self, link: _Link, now_ns: int) -> int:
        time_ns = now_ns + link.delay_min_ns
        if link.spread_ns > 0:
            if link.delay is None:
                link.delay = self._tape.stream(f"network.delay/{link.name}")
            time_ns += link.delay.below(link.spread_ns)
        if link.ordered:
            time_ns = max(time_ns, link.newest_ns + 1)
            link.newest_ns = time_ns
        return time_ns

    def _link(self, source: str, target: str) -> _Link:
        link = self._links.get((source, target))
        if link is None:
            link = self._links[source, target] = _Link(f"{source}>{target}", self.model)
        return link
