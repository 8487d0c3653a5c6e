"""The kernel of the simulation: one heap of events on integer nanoseconds, and coroutines over it.

Here lives simulated time and nothing that happens in it. Events at the same instant run in the
order in which they were scheduled, so a run is a function of what is put in. Coroutines are plain ``async def``
code driven by `send`; the only things they can await are the futures made here. No asyncio: an event
loop on virtual time costs eight times as much per event.

Prior art: simloop, FoundationDB's Flow, TigerBeetle's VOPR.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Generator
from heapq import heappop, heappush
from typing import Any, Generic, TypeVar

__all__ = ["Deadlock", "Future", "Kernel", "SimMailbox"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Deadlock(Exception):
    """Nothing is scheduled any more, and the coroutine that the run waits for has not finished.

    The harness is at fault: something awaits an event that nobody will ever cause.
    """


class Future(Generic[Result]):
    """A value that comes later. Awaited by at most one coroutine; resolved at most once, later calls do nothing."""

    __slots__ = ("_done", "_kernel", "_result", "_task")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._done = False
        self._result: Result | None = None
        self._task: _Task | None = None

    def resolve(self, result: Result) -> None:
        """Give the value; the waiting coroutine goes on at this instant, after what is already scheduled."""
        if self._done:
            return
        self._done = True
        self._result = result
        if self._task is not None:
            self._kernel.at(self._kernel.now_ns, self._task.step)

    def __await__(self) -> Generator[Future[Result], None, Result]:
        if not self._done:
            yield self
        return self._result  # type: ignore[return-value]  # resolved: the slot holds a Result

    def wait_by(self, task: _Task) -> None:
        """Called by the kernel only: `task` waits for this future."""
        assert self._task is None, "a future is awaited by one coroutine only"
        self._task = task


class _Task:
    """A coroutine being driven."""

    __slots__ = ("_coroutine", "finished")

    def __init__(self, coroutine: Coroutine[Future[Any], None, Any]) -> None:
        self._coroutine = coroutine
        self.finished = False

    def step(self) -> None:
        try:
            future = self._coroutine.send(None)
        except StopIteration:
            self.finished = True
            return
        future.wait_by(self)

    def close(self) -> None:
        self._coroutine.close()


class SimMailbox(Generic[Item]):
    """An unbounded queue on simulated time; see `cluster.worlds.world.Mailbox`."""

    __slots__ = ("_items", "_kernel", "_reader")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._items: deque[Item] = deque()
        self._reader: Future[None] | None = None

    def put(self, item: Item) -> None:
        """Append; wakes the reader."""
        self._items.append(item)
        if self._reader is not None:
            self._reader.resolve(None)

    async def get(self, until_ns: int | None) -> Item | None:
        """Return the next item, or None when the time comes first."""
        if not self._items and (until_ns is None or until_ns > self._kernel.now_ns):
            reader: Future[None] = Future(self._kernel)
            self._reader = reader
            if until_ns is not None:
                self._kernel.at(until_ns, reader.resolve, None)
            await reader
            self._reader = None
        return self._items.popleft() if self._items else None


class Kernel:
    """Simulated time; implements `cluster.worlds.world.Timeline` (as `now_ns` attribute plus methods)."""

    __slots__ = ("_heap", "_sequence", "_tasks", "now_ns")

    def __init__(self) -> None:
        self.now_ns = 0
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = 0
        self._tasks: list[_Task] = []

    @property
    def events(self) -> int:
        """How many events have happened so far."""
        return self._sequence - len(self._heap)

    def at(self, time_ns: int, action: Callable[..., None], *arguments: Any) -> None:
        """Call `action(*arguments)` at `time_ns` (not before now)."""
        self._sequence += 1
        heappush(self._heap, (time_ns, self._sequence, action, arguments))

    def sleep(self, duration_ns: int) -> Future[None]:
        """An awaitable that resolves after `duration_ns`."""
        future: Future[None] = Future(self)
        self.at(self.now_ns + max(0, duration_ns), future.resolve, None)
        return future

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run `coroutine` beside the others; what it raises comes out of `run`."""
        task = _Task(coroutine)
        self._tasks.append(task)
        self.at(self.now_ns, task.step)

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Drive everything until `main` finishes; whatever any coroutine or event raises comes out.

        Raises Deadlock when the heap is empty before that. Coroutines still open are closed at the end.
        """
        task = _Task(main)
        self._tasks.append(task)
        heap = self._heap
        task.step()
        try:
            while not task.finished:
                if not heap:
                    raise Deadlock("the simulation stands still, and the run has not ended")
                self.now_ns, _, action, arguments = heappop(heap)
                action(*arguments)
        finally:
            for open_task in self._tasks:
                if not open_task.finished:
                    open_task.close()
            self._tasks.clear()
