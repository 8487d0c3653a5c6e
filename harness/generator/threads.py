"""Generators that choose between threads: who may take what.

Each restricts the context that its inner generators see; updates go only to the generator whose
thread caused them. Names and meaning are Jepsen's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from harness.generator.base import NOTHING, PENDING, Answer, Generator, Generatorish, generator
from harness.generator.combine import Offer, any_of, soonest
from harness.generator.context import CLIENTS_MASK, NEMESIS_MASK, Context, mask_of
from harness.operation import Operation

__all__ = ["clients", "each_process", "each_thread", "nemesis", "on_threads", "reserve"]


class _OnMask(msgspec.Struct, frozen=True, gc=False):
    mask: int
    inner: Generator

    def operation(self, context: Context) -> Answer:
        answer = self.inner.operation(context.restricted(self.mask))
        if answer is None or answer is PENDING:
            return answer
        return answer[0], _OnMask(self.mask, answer[1])

    def update(self, context: Context, event: Operation) -> Generator:
        if not self.mask >> (context.thread_of(event.process) + 1) & 1:
            return self
        inner = self.inner.update(context.restricted(self.mask), event)
        return self if inner is self.inner else _OnMask(self.mask, inner)


class _OnPredicate(msgspec.Struct, frozen=True):
    """Which threads a run has is known from the first context only.

    Then this becomes an `_OnMask`.
    """

    accepts: Callable[[int], bool]
    inner: Generator

    def operation(self, context: Context) -> Answer:
        return self._on_mask(context).operation(context)

    def update(self, context: Context, event: Operation) -> Generator:
        return self._on_mask(context).update(context, event)

    def _on_mask(self, context: Context) -> Generator:
        accepted = [thread for thread in range(-1, context.concurrency) if self.accepts(thread)]
        return _OnMask(mask_of(accepted), self.inner)


class _Each(msgspec.Struct, frozen=True, gc=False):
    """A copy of `fresh` for each thread, or each process.

    `copies[thread]` is (process, what is left of its copy). With `by_process` a copy whose process
    is gone is replaced by a fresh one.
    """

    fresh: Generator
    by_process: bool
    copies: tuple[tuple[int, Generator], ...] = ()

    def operation(self, context: Context) -> Answer:
        offers: list[Offer] = []
        pending = False
        for thread in context.free_threads():
            answer = self._copy(context, thread).operation(context.restricted(1 << (thread + 1)))
            if answer is PENDING:
                pending = True
            elif answer is not None:
                offers.append((answer[0], answer[1], thread, 1))
        if offers:
            item, left, thread, _ = soonest(offers, context.random)
            return item, self._with(context, thread, left)
        # The copy of a busy thread may go on when it is free again.
        return PENDING if pending or context.free != context.all else None

    def update(self, context: Context, event: Operation) -> Generator:
        thread = context.thread_of(event.process)
        copy = self._copy(context, thread)
        updated = copy.update(context.restricted(1 << (thread + 1)), event)
        return self if updated is copy else self._with(context, thread, updated)

    def _copy(self, context: Context, thread: int) -> Generator:
        if not self.copies:
            return self.fresh
        process, copy = self.copies[thread]
        if self.by_process and process != context.processes[thread]:
            return self.fresh
        return copy

    def _with(self, context: Context, thread: int, copy: Generator) -> Generator:
        copies = list(self.copies) or [(process, self.fresh) for process in context.processes]
        copies[thread] = (context.processes[thread], copy)
        return _Each(self.fresh, self.by_process, tuple(copies))


class _Reserve(msgspec.Struct, frozen=True, gc=False):
    """`generators[i]` has the threads of `masks[i]`; the last mask is everybody else."""

    masks: tuple[int, ...]
    generators: tuple[Generator, ...]

    def operation(self, context: Context) -> Answer:
        offers: list[Offer] = []
        pending = False
        for place, mask in enumerate(self.masks):
            restricted = context.restricted(mask)
            answer = self.generators[place].operation(restricted)
            if answer is PENDING:
                pending = True
            elif answer is not None:
                offers.append((answer[0], answer[1], place, restricted.all.bit_count()))
        if not offers:
            return PENDING if pending else None
        item, left, place, _ = soonest(offers, context.random)
        return item, self._with(place, left)

    def update(self, context: Context, event: Operation) -> Generator:
        bit = context.thread_of(event.process) + 1
        for place, mask in enumerate(self.masks):
            if mask >> bit & 1:
                one = self.generators[place]
                updated = one.update(context.restricted(mask), event)
                return self if updated is one else self._with(place, updated)
        raise AssertionError("the masks cover every thread")

    def _with(self, place: int, one: Generator) -> Generator:
        generators = self.generators
        return _Reserve(self.masks, (*generators[:place], one, *generators[place + 1 :]))


def on_threads(threads: Iterable[int] | Callable[[int], bool], inner: Generatorish) -> Generator:
    """`inner`, for the given threads only.

    Numbers (the nemesis is -1), or a function that accepts them.
    """
    if callable(threads):
        return _OnPredicate(threads, generator(inner))
    return _on_mask(mask_of(sorted(threads)), inner)


def clients(client_generator: Generatorish, nemesis_generator: Generatorish = None) -> Generator:
    """The one for client threads and the other for the nemesis, whichever is sooner."""
    return any_of(
        _on_mask(CLIENTS_MASK, client_generator), _on_mask(NEMESIS_MASK, nemesis_generator)
    )


def nemesis(nemesis_generator: Generatorish, client_generator: Generatorish = None) -> Generator:
    """The one for the nemesis and the other for client threads, whichever is sooner."""
    return clients(client_generator, nemesis_generator)


def each_thread(inner: Generatorish) -> Generator:
    """Every thread has its own copy of `inner`, sees only itself in it and alone updates it."""
    return _Each(generator(inner), by_process=False)


def each_process(inner: Generatorish) -> Generator:
    """Every process has its own copy of `inner`: a thread whose process crashed begins anew."""
    return _Each(generator(inner), by_process=True)


def reserve(*counts_and_generators: Generatorish) -> Generator:
    """``reserve(5, writes, 10, swaps, reads)``: threads 0-4 write, 5-14 swap, all others read.

    Each generator sees its own threads only, so that a kind of operation that hangs cannot take all
    of them. Without a last generator the other threads have nothing to do.
    """
    *pairs, default = (
        counts_and_generators
        if len(counts_and_generators) % 2
        else (*counts_and_generators, NOTHING)
    )
    masks, first = [], 0
    for count in pairs[::2]:
        masks.append(mask_of(list(range(first, first + count))))
        first += count
    masks.append(~mask_of(list(range(first))))
    return _Reserve(tuple(masks), tuple([generator(one) for one in (*pairs[1::2], default)]))


def _on_mask(mask: int, inner: Generatorish) -> Generator:
    one = generator(inner)
    return one if one is NOTHING else _OnMask(mask, one)
