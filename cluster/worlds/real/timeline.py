"""Real time and concurrency for a world: asyncio behind the few awaitables of `cluster.worlds.world`.

Time is CLOCK_MONOTONIC since the timeline was made: the clock that the nodes of this machine stamp their
events with, so that one order holds for all.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["RealMailbox", "WallTimeline"]

Item = TypeVar("Item")


class RealMailbox(Generic[Item]):
    """An unbounded queue in real time; see `cluster.worlds.world.Mailbox`. One reader at a time."""

    __slots__ = ("_items", "_reader", "_timeline")

    def __init__(self, timeline: WallTimeline) -> None:
        self._timeline = timeline
        self._items: deque[Item] = deque()
        self._reader: asyncio.Future[None] | None = None

    def put(self, item: Item) -> None:
        """Append; wakes the reader."""
        self._items.append(item)
        self._wake()

    async def get(self, until_ns: int | None) -> Item | None:
        """Return the next item, or None when the time comes first."""
        if not self._items and (until_ns is None or until_ns > self._timeline.now_ns()):
            loop = asyncio.get_running_loop()
            self._reader = loop.create_future()
            timer = None
            if until_ns is not None:
                timer = loop.call_at((self._timeline.start_ns + until_ns) / 1e9, self._wake)
            try:
                await self._reader
            finally:
                self._reader = None
                if timer is not None:
                    timer.cancel()
        return self._items.popleft() if self._items else None

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


class WallTimeline:
    """Implements `cluster.worlds.world.Timeline`; `run` is its `Kernel.run`."""

    def __init__(self) -> None:
        self.start_ns = time.monotonic_ns()
        """The CLOCK_MONOTONIC reading at which the run began."""
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._errors: list[BaseException] = []
        """What went wrong beside main, in order."""
        self._alarm: asyncio.Event | None = None

    def now_ns(self) -> int:
        """See `Timeline`."""
        return time.monotonic_ns() - self.start_ns

    async def sleep(self, duration_ns: int) -> None:
        """See `Timeline`."""
        await asyncio.sleep(max(0, duration_ns) / 1e9)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """See `Timeline`; only inside `run`."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks[task] = None
        task.add_done_callback(self._done)

    def mailbox(self) -> RealMailbox[Any]:
        """See `Timeline`."""
        return RealMailbox(self)

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Drive everything until `main` finishes; whatever any coroutine raises comes out.

        Several exceptions (one beside, and one while `main` undoes its work) come out as a group. Ctrl-C cancels `main` (its ``finally`` blocks run) and comes out as KeyboardInterrupt. Coroutines still
        open at the end are cancelled.
        """
        asyncio.run(self._drive(main))

    async def _drive(self, main: Coroutine[Any, Any, None]) -> None:
        loop = asyncio.get_running_loop()
        self._alarm = asyncio.Event()
        main_task = loop.create_task(main)
        alarm_task = loop.create_task(self._alarm.wait())
        try:
            await asyncio.wait({main_task, alarm_task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancelled([alarm_task, main_task, *self._tasks])
            _raise_all([*self._errors, *_errors_of(main_task)])

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        errors = _errors_of(task)
        if errors and self._alarm is not None:
            self._errors += errors
            self._alarm.set()


def _errors_of(task: asyncio.Task[None]) -> list[BaseException]:
    error = None if task.cancelled() else task.exception()
    return [] if error is None else [error]


def _raise_all(errors: list[BaseException]) -> None:
    """Raise one error as it is, several as a group, none not at all."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup("several coroutines of the run failed", errors)


async def _cancelled(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel the tasks that are open and wait until they have ended."""
    for task in tasks:
        if not task.done():
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
