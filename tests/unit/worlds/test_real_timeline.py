"""Real time keeps the contract of simulated time: mailboxes, spawned coroutines, and the end of a run."""

from __future__ import annotations

import asyncio

import pytest

from cluster.worlds.real.timeline import WallTimeline

MS = 1_000_000


def test_a_run_ends_with_its_main_coroutine():
    """`run` returns when main does, and cancels what is still open."""
    timeline = WallTimeline()
    ended = []

    async def beside():
        try:
            await timeline.sleep(10_000 * MS)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def main():
        timeline.spawn(beside())
        await timeline.sleep(0)

    timeline.run(main())

    assert ended == ["cancelled"]


def test_an_exception_beside_ends_the_run():
    """What a spawned coroutine raises comes out of `run`, after main had its ``finally``."""
    timeline = WallTimeline()
    undone = []

    async def beside():
        raise ZeroDivisionError

    async def main():
        timeline.spawn(beside())
        try:
            await timeline.sleep(10_000 * MS)
        finally:
            undone.append(True)

    with pytest.raises(ZeroDivisionError):
        timeline.run(main())

    assert undone == [True]


def test_what_main_raises_comes_out():
    """An exception of main is the run's."""

    async def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        WallTimeline().run(main())


def test_an_exception_while_undoing_comes_out_too():
    """A failure in main's ``finally`` after a failure beside is not swallowed: both are in the chain or the group."""
    timeline = WallTimeline()

    async def beside():
        raise ZeroDivisionError

    async def main():
        timeline.spawn(beside())
        try:
            await timeline.sleep(10_000 * MS)
        finally:
            raise KeyError("undo")

    with pytest.raises(BaseExceptionGroup) as caught:
        timeline.run(main())

    assert {ZeroDivisionError, KeyError} == {type(error) for error in caught.value.exceptions}


def test_a_mailbox_hands_over_in_order_and_wakes_its_reader():
    """Items come out as they went in, also to a reader that waits already."""
    timeline = WallTimeline()
    got = []

    async def main():
        mailbox = timeline.mailbox()
        mailbox.put(1)
        mailbox.put(2)

        async def later():
            mailbox.put(3)

        timeline.spawn(later())
        got.extend([await mailbox.get(None) for _ in range(3)])

    timeline.run(main())

    assert got == [1, 2, 3]


def test_a_mailbox_gives_up_at_its_time():
    """`get` returns None at `until_ns`, and at once when that is past."""
    timeline = WallTimeline()
    got = []

    async def main():
        mailbox = timeline.mailbox()
        until_ns = timeline.now_ns() + 5 * MS
        got.append(await mailbox.get(until_ns))
        got.append(timeline.now_ns() >= until_ns)
        got.append(await mailbox.get(0))
        mailbox.put("kept")
        got.append(await mailbox.get(0))

    timeline.run(main())

    assert got == [None, True, None, "kept"]
