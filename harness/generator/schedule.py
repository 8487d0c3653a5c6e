"""Generators for one exact moment: at a time, after something happened in the run, or at a place in the order of all that happens.

These replay a written list of faults (`harness.scenario.FaultEntry`); random faults are paced with
`pace`. Jepsen has no words for them.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from harness.generator.base import PENDING, Answer, Generator, Generatorish, generator, retimed
from harness.generator.context import Context
from harness.operation import NEMESIS, Kind, Operation

__all__ = ["TOLD", "after", "at", "found_nobody", "in_order", "when_told"]

TOLD = "moment/"
"""What the `f` of an event begins with that only tells of a trigger; no operation is called so."""

_NOBODY_THERE = ("NotLeader:", "Unavailable:")


class _At(msgspec.Struct, frozen=True, gc=False):
    time_ns: int
    inner: Generator

    def operation(self, context: Context) -> Answer:
        answer = self.inner.operation(context)
        if answer is None or answer is PENDING:
            return answer
        item, left = answer
        return (item if item.time_ns >= self.time_ns else retimed(item, self.time_ns)), left

    def update(self, context: Context, event: Operation) -> Generator:
        inner = self.inner.update(context, event)
        return self if inner is self.inner else _At(self.time_ns, inner)


class _After(msgspec.Struct, frozen=True, gc=False):
    """Waits for `nth` more events."""

    f: str
    type: Kind
    nth: int
    delay_ns: int
    inner: Generator

    def operation(self, context: Context) -> Answer:
        return PENDING

    def update(self, context: Context, event: Operation) -> Generator:
        if event.f != self.f or event.type != self.type:
            return self
        if self.nth == 1:
            return _At(event.time_ns + self.delay_ns, self.inner)
        return _After(self.f, self.type, self.nth - 1, self.delay_ns, self.inner)


class _WhenTold(msgspec.Struct, frozen=True):
    f: str
    delay_ns: int
    make: Callable[[str], Generatorish]

    def operation(self, context: Context) -> Answer:
        return PENDING

    def update(self, context: Context, event: Operation) -> Generator:
        if event.f != self.f:
            return self
        return _At(event.time_ns + self.delay_ns, generator(self.make(event.node)))


Counts = tuple[int, int, int, int]
"""Operations invoked and completed by clients, faults begun and done."""


class _InOrder(msgspec.Struct, frozen=True, gc=False):
    """`missing`: what the run still has to come to; below nothing once it is further."""

    missing: Counts
    delay_ns: int
    inner: Generator

    def operation(self, context: Context) -> Answer:
        return PENDING

    def update(self, context: Context, event: Operation) -> Generator:
        if event.f.startswith(TOLD):
            return self
        invoked, completed, begun, done = self.missing
        if event.process != NEMESIS:
            if event.type == "invoke":
                invoked -= 1
            elif found_nobody(event):
                invoked += 1
            else:
                completed -= 1
        elif context.is_free(NEMESIS):
            done -= 1
        else:
            begun -= 1
        return _awaiting(
            (invoked, completed, begun, done), self.delay_ns, self.inner, event.time_ns
        )


def found_nobody(event: Operation) -> bool:
    """Whether an operation was refused, certainly without effect, for want of somebody to take it: that says nothing of the operation."""
    return event.type == "fail" and event.error.startswith(_NOBODY_THERE)


def _awaiting(missing: Counts, delay_ns: int, inner: Generator, now_ns: int) -> Generator:
    """`inner` once nothing is `missing` any more."""
    if max(missing) > 0:
        return _InOrder(missing, delay_ns, inner)
    return _At(now_ns + delay_ns, inner)


def at(time_ns: int, inner: Generatorish) -> Generator:
    """`inner`, its first item not before `time_ns` of the run."""
    return _At(time_ns, generator(inner))


def after(f: str, kind: Kind, nth: int, inner: Generatorish, *, delay_ns: int = 0) -> Generator:
    """`inner`, its first item `delay_ns` after the `nth` (from 1) event of that `f` and type.

    Pending until then. It must see every event of the run, so nothing that filters updates may
    stand around it (`clients`, `nemesis`, `mix` ... go inside).
    """
    return _After(f, kind, nth, delay_ns, generator(inner))


def in_order(counts: Counts, inner: Generatorish, *, delay_ns: int = 0) -> Generator:
    """`inner`, its first item `delay_ns` after the run came so far: that many operations of clients invoked and completed, faults begun and done.

    Pending until then; the nemesis does one thing at a time (see `after`). What found nobody there was not invoked: whoever asks, asks again.
    """
    return _awaiting(counts, delay_ns, generator(inner), 0)


def when_told(f: str, make: Callable[[str], Generatorish], *, delay_ns: int = 0) -> Generator:
    """``make(node)``, its first item `delay_ns` after an event `f`, whose node that is; pending until then (see `after`)."""
    return _WhenTold(f, delay_ns, make)
