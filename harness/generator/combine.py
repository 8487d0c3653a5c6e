"""Generators made of generators: one after the other, one of many, only so many.

Nothing here looks at the clock (`pace`) or at threads one by one (`threads`). Where several
generators could go next, the soonest operation wins; ties are broken by one weighted draw, because
always preferring the first would starve the others. Names and meaning are Jepsen's.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from harness.generator.base import (
    NOTHING,
    PENDING,
    Answer,
    Generator,
    Generatorish,
    Item,
    generator,
)
from harness.generator.context import Context, RandomSource
from harness.operation import Operation

__all__ = [
    "Offer",
    "any_of",
    "concat",
    "cycle",
    "flip_flop",
    "limit",
    "mix",
    "once",
    "phases",
    "process_limit",
    "repeat",
    "soonest",
    "synchronize",
    "then",
    "until_ok",
]

FOREVER = -1

Offer = tuple[Item, Generator, int, int]
"""What one of several generators offers.

Item, what is left of it, its place among them, its weight.
"""


def soonest(offers: Sequence[Offer], random: RandomSource) -> Offer:
    """Return the offer (there is at least one) with the smallest time.

    A tie falls by chance, in proportion to the weights.
    """
    if len(offers) == 1:
        return offers[0]
    time_ns = min([offer[0].time_ns for offer in offers])
    ties = [offer for offer in offers if offer[0].time_ns == time_ns]
    if len(ties) == 1:
        return ties[0]
    draw = random.below(sum([offer[3] for offer in ties]))
    for offer in ties:
        draw -= offer[3]
        if draw < 0:
            return offer
    raise AssertionError("a draw is below the sum of the weights")


class _AnyOf(msgspec.Struct, frozen=True, gc=False):
    generators: tuple[Generator, ...]

    def operation(self, context: Context) -> Answer:
        offers: list[Offer] = []
        pending = False
        for place, one in enumerate(self.generators):
            answer = one.operation(context)
            if answer is PENDING:
                pending = True
            elif answer is not None:
                offers.append((answer[0], answer[1], place, 1))
        if not offers:
            return PENDING if pending else None
        item, left, place, _ = soonest(offers, context.random)
        return item, _AnyOf(_replaced(self.generators, place, left))

    def update(self, context: Context, event: Operation) -> Generator:
        generators = self.generators
        updated = tuple([one.update(context, event) for one in generators])
        for before, after in zip(generators, updated, strict=True):
            if before is not after:
                return _AnyOf(updated)
        return self


class _Mix(msgspec.Struct, frozen=True, gc=False):
    """`place` is the one that goes next; None until the first draw."""

    generators: tuple[Generator, ...]
    place: int | None = None

    def operation(self, context: Context) -> Answer:
        generators, random = self.generators, context.random
        place = random.below(len(generators)) if self.place is None else self.place
        pending = False
        tried = 0
        while tried < len(generators):
            answer = generators[place].operation(context)
            if answer is None:
                generators = generators[:place] + generators[place + 1 :]
                if generators:
                    place = place % len(generators) if pending else random.below(len(generators))
            elif answer is PENDING:
                # Another one may be able to go on, and set this one free.
                pending = True
                tried += 1
                place = (place + 1) % len(generators)
            else:
                item, left = answer
                following = _replaced(generators, place, left)
                return item, _Mix(following, random.below(len(following)))
        return PENDING if pending else None

    def update(self, context: Context, event: Operation) -> Generator:
        return self


class _Limit(msgspec.Struct, frozen=True, gc=False):
    remaining: int
    inner: Generator

    def operation(self, context: Context) -> Answer:
        if self.remaining <= 0:
            return None
        answer = self.inner.operation(context)
        if answer is None or answer is PENDING:
            return answer
        return answer[0], _Limit(self.remaining - 1, answer[1])

    def update(self, context: Context, event: Operation) -> Generator:
        inner = self.inner.update(context, event)
        return self if inner is self.inner else _Limit(self.remaining, inner)


class _Repeat(msgspec.Struct, frozen=True, gc=False):
    remaining: int
    inner: Generator

    def operation(self, context: Context) -> Answer:
        if self.remaining == 0:
            return None
        answer = self.inner.operation(context)
        if answer is None or answer is PENDING:
            return answer
        if self.remaining == FOREVER:
            return answer[0], self
        return answer[0], _Repeat(self.remaining - 1, self.inner)

    def update(self, context: Context, event: Operation) -> Generator:
        inner = self.inner.update(context, event)
        return self if inner is self.inner else _Repeat(self.remaining, inner)


class _Cycle(msgspec.Struct, frozen=True, gc=False):
    """`remaining` counts the rounds still to go, the present one included."""

    remaining: int
    fresh: Generator
    inner: Generator

    def operation(self, context: Context) -> Answer:
        remaining, inner = self.remaining, self.inner
        while remaining != 0:
            answer = inner.operation(context)
            if answer is PENDING:
                return PENDING
            if answer is not None:
                return answer[0], _Cycle(remaining, self.fresh, answer[1])
            if inner is self.fresh:
                # A fresh round that has nothing would be asked for ever.
                return None
            remaining = max(FOREVER, remaining - 1)
            inner = self.fresh
        return None

    def update(self, context: Context, event: Operation) -> Generator:
        inner = self.inner.update(context, event)
        return self if inner is self.inner else _Cycle(self.remaining, self.fresh, inner)


class _Synchronize(msgspec.Struct, frozen=True, gc=False):
    inner: Generator

    def operation(self, context: Context) -> Answer:
        return self.inner.operation(context) if context.free == context.all else PENDING

    def update(self, context: Context, event: Operation) -> Generator:
        inner = self.inner.update(context, event)
        return self if inner is self.inner else _Synchronize(inner)


class _FlipFlop(msgspec.Struct, frozen=True, gc=False):
    generators: tuple[Generator, Generator]
    place: int = 0

    def operation(self, context: Context) -> Answer:
        answer = self.generators[self.place].operation(context)
        if answer is None or answer is PENDING:
            return answer
        first, second = self.generators
        left = (answer[1], second) if self.place == 0 else (first, answer[1])
        return answer[0], _FlipFlop(left, 1 - self.place)

    def update(self, context: Context, event: Operation) -> Generator:
        return self


class _UntilOk(msgspec.Struct, frozen=True, gc=False):
    """`active` holds the processes that run an operation of ours."""

    inner: Generator
    active: frozenset[int] = frozenset()

    def operation(self, context: Context) -> Answer:
        answer = self.inner.operation(context)
        if answer is None or answer is PENDING:
            return answer
        item, left = answer
        active = self.active | {item.process} if type(item) is Operation else self.active
        return item, _UntilOk(left, active)

    def update(self, context: Context, event: Operation) -> Generator:
        inner = self.inner.update(context, event)
        active = self.active
        if event.type != "invoke" and event.process in active:
            if event.type == "ok":
                return NOTHING
            active = active - {event.process}
        elif inner is self.inner:
            return self
        return _UntilOk(inner, active)


class _ProcessLimit(msgspec.Struct, frozen=True, gc=False):
    """`seen` are all processes of all contexts so far that gave an item."""

    most: int
    inner: Generator
    seen: frozenset[int] = frozenset()

    def operation(self, context: Context) -> Answer:
        answer = self.inner.operation(context)
        if answer is None or answer is PENDING:
            return answer
        seen = self.seen.union(context.all_processes())
        return (
            (answer[0], _ProcessLimit(self.most, answer[1], seen))
            if len(seen) <= self.most
            else None
        )

    def update(self, context: Context, event: Operation) -> Generator:
        inner = self.inner.update(context, event)
        return self if inner is self.inner else _ProcessLimit(self.most, inner, self.seen)


def concat(*generators: Generatorish) -> Generator:
    """Everything of the first, then of the second ....

    Does not wait for running operations in between.
    """
    return generator(generators)


def then(first: Generatorish, second: Generatorish) -> Generator:
    """Everything of `first`; then, when all threads are free, everything of `second`."""
    return generator((first, synchronize(second)))


def synchronize(inner: Generatorish) -> Generator:
    """Wait until every thread (of the context) is free, then go on as `inner`."""
    return _Synchronize(generator(inner))


def phases(*generators: Generatorish) -> Generator:
    """Everything of the first; once all threads are free everything of the second; and so on."""
    return generator([synchronize(one) for one in generators])


def any_of(*generators: Generatorish) -> Generator:
    """Always the soonest operation of all; every one of them sees every update."""
    live = [one for one in map(generator, generators) if one is not NOTHING]
    if len(live) < 2:
        return live[0] if live else NOTHING
    return _AnyOf(tuple(live))


def mix(*generators: Generatorish) -> Generator:
    """Each time an operation of one of them, chosen uniformly; one that is exhausted drops out.

    Updates are ignored. Give a generator twice to double its share. A pending one is passed over.
    """
    return _Mix(tuple([generator(one) for one in generators])) if generators else NOTHING


def limit(most: int, inner: Generatorish) -> Generator:
    """At most `most` items of `inner`."""
    return _Limit(most, generator(inner))


def once(inner: Generatorish) -> Generator:
    """Only the first item of `inner`."""
    return _Limit(1, generator(inner))


def repeat(inner: Generatorish, times: int = FOREVER) -> Generator:
    """The first item of `inner` again and again, for ever or `times` times; `inner` never moves on.

    Each time `inner` is asked anew, so a function or a draw gives different items.
    """
    return _Repeat(times, generator(inner))


def cycle(inner: Generatorish, times: int = FOREVER) -> Generator:
    """All of `inner`, then all of it from the start again, for ever or `times` times.

    Updates reach the present round only. Ends when a fresh round has nothing at all.
    """
    fresh = generator(inner)
    return _Cycle(times, fresh, fresh)


def flip_flop(first: Generatorish, second: Generatorish) -> Generator:
    """An item of the first, one of the second, one of the first ... until one is exhausted.

    Updates are ignored.
    """
    return _FlipFlop((generator(first), generator(second)))


def until_ok(inner: Generatorish) -> Generator:
    """Operations of `inner` until one of them ends ``ok``."""
    return _UntilOk(generator(inner))


def process_limit(most: int, inner: Generatorish) -> Generator:
    """Items of `inner` while no more than `most` different processes could have taken them.

    All processes of the context count, whether they took something or not: otherwise the last few
    would trickle on alone with less concurrency than the test has.
    """
    return _ProcessLimit(most, generator(inner))


def _replaced(
    generators: tuple[Generator, ...], place: int, one: Generator
) -> tuple[Generator, ...]:
    return (*generators[:place], one, *generators[place + 1 :])
