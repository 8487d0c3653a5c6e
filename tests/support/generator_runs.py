"""Imaginary systems that run a generator and return exactly what was invoked, and when.

The four of Jepsen's own generator tests: `quick` answers at once, `perfect` after 10 ns, `perfect_info` crashes everything
after 10 ns, `imperfect` answers fail, info, ok in turn for each thread. No interpreter, no world: the
generator alone is on trial. Also here: a source of chance that is written down, and one that is merely even.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from harness.generator import (
    PENDING,
    Context,
    Generatorish,
    Item,
    Log,
    Sleep,
    new_context,
    validate,
)
from harness.operation import NEMESIS, Operation

LATENCY_NS = 10
STEPS_MAX = 10_000


class Draws:
    """A source of chance: the numbers given, then those of a small linear congruential sequence."""

    def __init__(self, *first: int, seed: int = 45100) -> None:
        self._first = list(first)
        self._state = seed

    def below(self, bound: int) -> int:
        if self._first:
            return self._first.pop(0) % bound
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._state >> 33) % bound

    def fraction(self) -> float:
        return self.below(1 << 20) / (1 << 20)


def two_threads(*first_draws: int) -> Context:
    """Two clients and the nemesis, as in Jepsen's tests."""
    return new_context(2, Draws(*first_draws))


def simulate(
    what: Generatorish,
    complete: Callable[[Context, Operation], Operation],
    context: Context | None = None,
) -> list[Item]:
    """Run to the end; return every item, invocations and completions, in order of time."""
    context = context or two_threads()
    left = validate(what)
    done: list[Item] = []
    in_flight: list[Item] = []
    for _ in range(STEPS_MAX):
        answer = left.operation(context)
        if answer is None and not in_flight:
            return done
        dispatchable = answer is not None and answer is not PENDING
        if dispatchable and (not in_flight or answer[0].time_ns <= in_flight[0].time_ns):
            item, left = answer
            time_ns = max(context.time_ns, item.time_ns)
            done.append(item)
            if type(item) is Log:
                context = context.at(time_ns)
                continue
            context = context.busy(time_ns, context.thread_of(item.process))
            if type(item) is Sleep:
                finished = msgspec.structs.replace(item, time_ns=time_ns + item.duration_ns)
            else:
                left = left.update(context, item)
                finished = complete(context, item)
            in_flight.append(finished)
            in_flight.sort(key=lambda one: one.time_ns)
        else:
            assert in_flight, "the generator is pending, and nothing is in flight"
            item = in_flight.pop(0)
            thread = context.thread_of(item.process)
            context = context.freed(max(context.time_ns, item.time_ns), thread)
            if type(item) is Operation:
                done.append(item)
                left = left.update(context, item)
                if item.type == "info" and thread != NEMESIS:
                    context = context.renumbered(thread)
    raise AssertionError(f"the generator was not done after {STEPS_MAX} steps")


def _answer(kind: str, latency_ns: int) -> Callable[[Context, Operation], Operation]:
    def complete(_context: Context, invoked: Operation) -> Operation:
        kind_of_it = "info" if invoked.process == NEMESIS else kind
        return msgspec.structs.replace(
            invoked, type=kind_of_it, time_ns=invoked.time_ns + latency_ns
        )

    return complete


def quick(what: Generatorish, context: Context | None = None) -> list[Item]:
    """Everything succeeds at once; only what was given out."""
    return _given_out(simulate(what, _answer("ok", 0), context))


def perfect(what: Generatorish, context: Context | None = None) -> list[Item]:
    """Everything succeeds after 10 ns; only what was given out."""
    return _given_out(simulate(what, _answer("ok", LATENCY_NS), context))


def perfect_info(what: Generatorish, context: Context | None = None) -> list[Item]:
    """Everything crashes after 10 ns; only what was given out."""
    return _given_out(simulate(what, _answer("info", LATENCY_NS), context))


def imperfect(what: Generatorish, context: Context | None = None) -> list[Item]:
    """Each thread's operations fail, crash and succeed in turn after 10 ns; invocations and completions."""
    following = {"": "fail", "fail": "info", "info": "ok", "ok": "fail"}
    last: dict[int, str] = {}

    def complete(context: Context, invoked: Operation) -> Operation:
        thread = context.thread_of(invoked.process)
        last[thread] = following[last.get(thread, "")]
        return _answer(last[thread], LATENCY_NS)(context, invoked)

    return simulate(what, complete, context)


def rows(items: Sequence[Item]) -> list[tuple[Any, ...]]:
    """(time, process, f, value) of each item; the kind in place of f for what is no operation."""
    return [
        (item.time_ns, item.process, item.f, item.value)
        if type(item) is Operation
        else (item.time_ns, item.process, type(item).__name__)
        for item in items
    ]


def fs(items: Sequence[Item]) -> list[str]:
    """Only what was done."""
    return [item.f for item in items if type(item) is Operation]


def _given_out(items: Sequence[Item]) -> list[Item]:
    """Leave completions out: those of clients by type, those of the nemesis as every second one of its own."""
    given, nemesis_begins = [], True
    for item in items:
        if type(item) is Operation and item.process == NEMESIS:
            if nemesis_begins:
                given.append(item)
            nemesis_begins = not nemesis_begins
        elif type(item) is not Operation or item.type == "invoke":
            given.append(item)
    return given
