"""Runs a test: asks the generator, hands operations to workers, records what comes back.

One coroutine decides, and a worker for each thread acts (`harness.workers`). Completions come
first: an answer left waiting in the mailbox would make operations look concurrent that were not. An
operation whose time has not come is kept until then; when a completion arrives before, it is thrown
away, and the generator, told of the completion, is asked again.

Time, waiting and concurrency are the world's, so the same code runs in simulation and for real. A
crashed process (its operation ended ``info``) is replaced: its thread goes on as process +
concurrency, with a fresh client. The generator is told of the completion before that happens, while
the process still belongs to its thread.

The loop is Jepsen's; ours are the bounds: every wait ends, and a run that no longer gets on is
named as stuck.
"""

from __future__ import annotations

from cluster.worlds.world import World
from harness.errors import RunStuck
from harness.generator import (
    PENDING,
    SECOND_NS,
    Answer,
    Context,
    Generator,
    Item,
    Log,
    RandomSource,
    new_context,
    validate,
)
from harness.history import Journal
from harness.operation import NEMESIS, Operation
from harness.test import Test
from harness.watching import Watching
from harness.workers import Workers

__all__ = ["run"]

PENDING_WAIT_NS = 10_000_000
"""How long to wait before a pending generator is asked again when nothing happens meanwhile."""

PENDING_WAIT_MAX_NS = 160_000_000
"""What that wait doubles up to: hardly any generator stops pending by time alone, and asking draws."""

PENDING_IDLE_MAX_NS = 60 * SECOND_NS
"""How long a generator may be pending while nothing is under way, once the time limit is over."""

INSTANT_ITEMS_MAX = 100_000
"""How many items one instant may hold. Simulated time stands still while nothing takes time."""


async def run(test: Test, world: World, journal: Journal, random: RandomSource) -> None:
    """Run `test` in `world`, which is up, and write everything that happens to `journal`.

    `random` is the stream of the tape that generators draw from. Returns when the generator is
    exhausted and every operation completed. Raises GeneratorFailed (the generator is wrong),
    RunStuck (nothing goes on any more), HistoryInvalid (an operation holds no plain data), and
    whatever the nemesis raises in `setup` or `undo`. However it ends, every fault is undone, every
    client closed and the journal written.
    """
    loop = _Loop(test, world, journal, random)
    try:
        await test.nemesis.setup(world)
        loop.workers.start()
        await loop.run()
    except GeneratorExit:
        # The simulation was given up: nothing can be awaited in it any more, or needs undoing.
        journal.close()
        raise
    except BaseException:
        await _end(loop)
        raise
    await _end(loop)


async def _end(loop: _Loop) -> None:
    try:
        await loop.workers.stop()
        await loop.test.nemesis.undo(loop.world)
    finally:
        loop.journal.close()


class _Loop:
    """The state of a run.

    `under_way` holds what each busy thread does. `idle_since_ns` is the time since when the
    generator has been pending with nothing under way, -1 when it is not; until `limit_ns`, the end
    of the load, it may wait for a moment of the run. `instant_items` counts
    what was dispatched at `instant_ns`, the time of the last dispatch.
    """

    def __init__(self, test: Test, world: World, journal: Journal, random: RandomSource) -> None:
        self.test = test
        self.world = world
        self.journal = journal
        self.workers = Workers(test, world, journal)
        self.context: Context = new_context(test.concurrency, random)
        self.generator: Generator = validate(test.generator)
        self.under_way: dict[int, Item] = {}
        self.limit_ns = world.now_ns() + test.time_limit_ns
        self.idle_since_ns = -1
        self.pending_wait_ns = PENDING_WAIT_NS
        self.watching = Watching(world, test.triggers)
        self.instant_ns = -1
        self.instant_items = 0

    async def run(self) -> None:
        """Go on until there is nothing left to do."""
        end_ns = self.limit_ns + self.test.overtime_ns
        completions = self.workers.completions
        answer: Answer = None
        asked = False
        until_ns = 0
        while True:
            completed = await completions.get(self._wake_ns(until_ns))
            if completed is not None:
                self._complete(*completed)
                asked, until_ns = False, 0
                continue
            # The mailbox is empty, and stays so until the next await: dispatch all that is due.
            now_ns = self.world.now_ns()
            self.journal.flush_if_due()
            if self.watching.active and self._look(now_ns):
                asked = False
            if now_ns >= end_ns:
                raise RunStuck(f"the run should have ended by now; under way: {self._busy_words()}")
            while self.context.free:
                if not asked:
                    self.context = self.context.at(now_ns)
                    answer = self.generator.operation(self.context)
                asked = False
                if answer is None or answer is PENDING or answer[0].time_ns > now_ns:
                    break
                self._dispatch(now_ns, *answer)
            if not self.context.free:
                until_ns = end_ns
            elif answer is None:
                if not self.under_way:
                    return
                until_ns = end_ns
            elif answer is PENDING:
                self._check_idle(now_ns)
                until_ns = min(now_ns + self.pending_wait_ns, end_ns)
                self.pending_wait_ns = min(2 * self.pending_wait_ns, PENDING_WAIT_MAX_NS)
            else:
                asked, until_ns = True, min(answer[0].time_ns, end_ns)

    def _wake_ns(self, until_ns: int) -> int:
        """Return when to wake at the latest: the journal may have something to write before."""
        wait_ns = self.journal.wait_ns()
        if self.watching.active and (wait_ns is None or wait_ns > self.watching.interval_ns):
            wait_ns = self.watching.interval_ns
        return until_ns if wait_ns is None else min(until_ns, self.world.now_ns() + wait_ns)

    def _look(self, now_ns: int) -> bool:
        """Tell the generator what came about of its triggers; whether anything did."""
        news = self.watching.look(now_ns)
        for event in news:
            self.generator = self.generator.update(self.context, event)
        return bool(news)

    def _dispatch(self, now_ns: int, item: Item, left: Generator) -> None:
        """Hand `item` out; `left` is the generator from now on."""
        self.idle_since_ns = -1
        self.pending_wait_ns = PENDING_WAIT_NS
        self._count_instant(now_ns)
        if type(item) is Log:
            self.journal.note(now_ns, item.message)
            self.generator = left
            return
        thread = self.context.thread_of(item.process)
        self.context = self.context.busy(now_ns, thread)
        if type(item) is Operation:
            item = self.journal.record(item, now_ns)
            self.watching.record(item)
            left = left.update(self.context, item)
        self.generator = left
        self.under_way[thread] = item
        self.workers.hand(thread, item)

    def _complete(self, thread: int, item: Item) -> None:
        """Take a completion in."""
        now_ns = self.world.now_ns()
        del self.under_way[thread]
        self.idle_since_ns = -1
        self.pending_wait_ns = PENDING_WAIT_NS
        self.context = self.context.freed(now_ns, thread)
        if type(item) is Operation:
            recorded = self.journal.record(item, now_ns)
            self.watching.record(recorded)
            self.generator = self.generator.update(self.context, recorded)
            if recorded.type == "info" and thread != NEMESIS:
                self.context = self.context.renumbered(thread)

    def _count_instant(self, now_ns: int) -> None:
        """Raise RunStuck when time stands still."""
        if now_ns != self.instant_ns:
            self.instant_ns, self.instant_items = now_ns, 0
        self.instant_items += 1
        if self.instant_items > INSTANT_ITEMS_MAX:
            raise RunStuck(
                f"the generator gave {INSTANT_ITEMS_MAX} items at {now_ns} ns, and time stands still: "
                "what takes no time must be paced (stagger, delay)"
            )

    def _check_idle(self, now_ns: int) -> None:
        """Raise RunStuck when a generator waits for something that can hardly come."""
        if self.under_way:
            return
        if self.idle_since_ns < 0:
            self.idle_since_ns = now_ns
        elif now_ns - max(self.idle_since_ns, self.limit_ns) >= PENDING_IDLE_MAX_NS:
            idle_s = PENDING_IDLE_MAX_NS // SECOND_NS
            raise RunStuck(f"the generator has been pending for {idle_s} s with nothing under way")

    def _busy_words(self) -> str:
        """Say what is under way, for a run that is stuck."""
        words = [
            f"{item.f!r} of process {item.process} since {item.time_ns / SECOND_NS:.3f} s"
            if type(item) is Operation
            else f"a sleep of process {item.process}"
            for item in self.under_way.values()
        ]
        return ", ".join(words) or "nothing"
