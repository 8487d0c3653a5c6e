"""What a generator is told when it is asked: the time, who is free, who is who, and a source of
chance.

A *thread* is one of the run's workers: 0 ... concurrency - 1, and `NEMESIS` (-1) for the nemesis. A
*process* is the identity a thread has at the moment: it starts as the thread's number and grows by
the concurrency each time an operation ends ``info``; so `process % concurrency` is the thread, and
no table of processes is needed. Sets of threads are bit masks (bit 0 the nemesis, bit n + 1 thread
n): copying, restricting and counting them costs one machine operation, and their order never
depends on hashing.

Contexts are values: every change gives a new one. The idea is that of Jepsen's generator contexts.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from harness.operation import NEMESIS

__all__ = ["CLIENTS_MASK", "NEMESIS_MASK", "Context", "RandomSource", "mask_of", "new_context"]

NEMESIS_MASK = 1
CLIENTS_MASK = ~NEMESIS_MASK


class RandomSource(Protocol):
    """Where chance comes from: one named stream of the run's tape."""

    def below(self, bound: int) -> int:
        """Draw an integer in [0, bound); `bound` is at least 1."""

    def fraction(self) -> float:
        """Draw a float in [0, 1)."""


class Context(msgspec.Struct, frozen=True, gc=False):
    """The state of the run's workers at one instant.

    `free` and `all` are masks of threads; `free` is a part of `all`. `processes[thread]` is the
    process of a thread (the nemesis, thread -1, is the last entry); it lists every thread of the
    run, also those that this context leaves out. `turn` is the bit where the search for a free
    thread begins, so that all get their turn.
    """

    time_ns: int
    free: int
    all: int
    processes: tuple[int, ...]
    turn: int
    random: RandomSource

    @property
    def concurrency(self) -> int:
        """The number of client threads of the run."""
        return len(self.processes) - 1

    def thread_of(self, process: int) -> int:
        """Return the thread that `process` belongs or belonged to."""
        return process % (len(self.processes) - 1) if process >= 0 else NEMESIS

    def is_free(self, process: int) -> bool:
        """Whether `process` is the present one of a free thread of this context."""
        thread = self.thread_of(process)
        return self.processes[thread] == process and bool(self.free >> (thread + 1) & 1)

    def has(self, process: int) -> bool:
        """Whether `process` is the present one of a thread of this context, free or busy."""
        thread = self.thread_of(process)
        return self.processes[thread] == process and bool(self.all >> (thread + 1) & 1)

    def free_threads(self) -> list[int]:
        """Return the free threads, the nemesis first."""
        return _threads(self.free)

    def all_threads(self) -> list[int]:
        """Return all threads of this context, the nemesis first."""
        return _threads(self.all)

    def all_processes(self) -> list[int]:
        """Return the processes of all threads of this context."""
        processes = self.processes
        return [processes[thread] for thread in _threads(self.all)]

    def some_free_process(self) -> int | None:
        """Return the next free process in turn, or None when every thread is busy."""
        free = self.free
        if not free:
            return None
        behind = free >> self.turn << self.turn
        lowest = behind or free
        return self.processes[(lowest & -lowest).bit_length() - 2]

    def at(self, time_ns: int) -> Context:
        """Return this context at another time."""
        return Context(time_ns, self.free, self.all, self.processes, self.turn, self.random)

    def busy(self, time_ns: int, thread: int) -> Context:
        """Return the context after `thread` took an operation."""
        free = self.free & ~(1 << (thread + 1))
        turn = (self.turn + 1) % len(self.processes)
        return Context(time_ns, free, self.all, self.processes, turn, self.random)

    def freed(self, time_ns: int, thread: int) -> Context:
        """Return the context after `thread` completed its operation."""
        free = self.free | (1 << (thread + 1))
        return Context(time_ns, free, self.all, self.processes, self.turn, self.random)

    def renumbered(self, thread: int) -> Context:
        """Return the context after the process of a client `thread` crashed.

        The thread goes on as a new one.
        """
        processes = list(self.processes)
        processes[thread] += len(processes) - 1
        return Context(self.time_ns, self.free, self.all, tuple(processes), self.turn, self.random)

    def restricted(self, mask: int) -> Context:
        """Return the context with the threads of `mask` only."""
        return Context(
            self.time_ns, self.free & mask, self.all & mask, self.processes, self.turn, self.random
        )


def new_context(concurrency: int, random: RandomSource) -> Context:
    """Return the context at time 0.

    `concurrency` (at least 1) client threads and the nemesis, all free.
    """
    everybody = (1 << (concurrency + 1)) - 1
    processes = (*range(concurrency), NEMESIS)
    return Context(0, everybody, everybody, processes, 1, random)


def mask_of(threads: list[int]) -> int:
    """Return the mask of `threads`."""
    mask = 0
    for thread in threads:
        mask |= 1 << (thread + 1)
    return mask


def _threads(mask: int) -> list[int]:
    threads = []
    while mask:
        lowest = mask & -mask
        threads.append(lowest.bit_length() - 2)
        mask ^= lowest
    return threads
