"""Generators that look at the clock: how often, how long, and pauses.

All durations and times are nanoseconds of the run. Rates are for the whole run, not for each
thread. Names and meaning are Jepsen's, whose durations are seconds.
"""

from __future__ import annotations

import msgspec

from harness.generator.base import (
    NOTHING,
    PENDING,
    Answer,
    Generator,
    Generatorish,
    Item,
    Log,
    Sleep,
    generator,
    retimed,
)
from harness.generator.context import Context
from harness.operation import Operation

__all__ = ["delay", "log", "sleep", "stagger", "time_limit"]


class _Stagger(msgspec.Struct, frozen=True, gc=False):
    """`next_ns` is the earliest time of the next item; None before the first."""

    double_ns: int
    inner: Generator
    next_ns: int | None = None

    def operation(self, context: Context) -> Answer:
        answer = self.inner.operation(context)
        if answer is None or answer is PENDING:
            return answer
        item, left = answer
        next_ns = context.time_ns if self.next_ns is None else self.next_ns
        if item.time_ns < next_ns:
            item = retimed(item, next_ns)
        following_ns = item.time_ns + context.random.below(self.double_ns)
        return item, _Stagger(self.double_ns, left, following_ns)

    def update(self, context: Context, event: Operation) -> Generator:
        inner = self.inner.update(context, event)
        return self if inner is self.inner else _Stagger(self.double_ns, inner, self.next_ns)


class _Delay(msgspec.Struct, frozen=True, gc=False):
    """`next_ns` is the earliest time of the next item; None before the first."""

    interval_ns: int
    inner: Generator
    next_ns: int | None = None

    def operation(self, context: Context) -> Answer:
        answer = self.inner.operation(context)
        if answer is None or answer is PENDING:
            return answer
        item, left = answer
        if self.next_ns is not None and item.time_ns < self.next_ns:
            item = retimed(item, self.next_ns)
        return item, _Delay(self.interval_ns, left, item.time_ns + self.interval_ns)

    def update(self, context: Context, event: Operation) -> Generator:
        inner = self.inner.update(context, event)
        return self if inner is self.inner else _Delay(self.interval_ns, inner, self.next_ns)


class _TimeLimit(msgspec.Struct, frozen=True, gc=False):
    """`end_ns` is known once the first item was given."""

    limit_ns: int
    inner: Generator
    end_ns: int | None = None

    def operation(self, context: Context) -> Answer:
        end_ns = self.end_ns
        if end_ns is not None and context.time_ns >= end_ns:
            return None
        answer = self.inner.operation(context)
        if answer is None or answer is PENDING:
            return answer
        item, left = answer
        if end_ns is None:
            end_ns = item.time_ns + self.limit_ns
        return (item, _TimeLimit(self.limit_ns, left, end_ns)) if item.time_ns < end_ns else None

    def update(self, context: Context, event: Operation) -> Generator:
        inner = self.inner.update(context, event)
        return self if inner is self.inner else _TimeLimit(self.limit_ns, inner, self.end_ns)


class _Aside(msgspec.Struct, frozen=True, gc=False):
    """One item that is no operation; time and process are filled in."""

    item: Sleep | Log

    def operation(self, context: Context) -> Answer:
        process = context.some_free_process()
        if process is None:
            return PENDING if context.all else None
        item: Item = msgspec.structs.replace(self.item, time_ns=context.time_ns, process=process)
        return item, NOTHING

    def update(self, context: Context, event: Operation) -> Generator:
        return self


def stagger(interval_ns: int, inner: Generatorish) -> Generator:
    """Items of `inner` about every `interval_ns`.

    Each uniformly between 0 and twice that after the one before.
    """
    return _Stagger(max(1, 2 * interval_ns), generator(inner))


def delay(interval_ns: int, inner: Generatorish) -> Generator:
    """Items of `inner` `interval_ns` apart, or as soon after that as a thread is free."""
    return _Delay(interval_ns, generator(inner))


def time_limit(limit_ns: int, inner: Generatorish) -> Generator:
    """Items of `inner` until `limit_ns` after its first one."""
    return _TimeLimit(limit_ns, generator(inner))


def sleep(duration_ns: int) -> Generator:
    """Once: keep the thread that takes it busy for `duration_ns`."""
    return _Aside(Sleep(0, 0, duration_ns))


def log(message: str) -> Generator:
    """Once: put `message` into the run's log."""
    return _Aside(Log(0, 0, message))
