"""The keeper: the process on a host that keeps one node there, on behalf of a harness elsewhere.

``python -m cluster.worlds.ssh.keeper``, started over SSH; it speaks `messages` on its standard input and output. It is the
parent of the node, so it knows how the node ended, and the node dies with it. It lives as long as it hears from its
harness: at the end of its input, or after `LEASE_S` without a word (a network that swallows everything, a machine that
froze), it ends the node, undoes what was changed on the host, and goes. A harness that is killed closes the connection, so
that usually is at once.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from cluster.worlds.errors import WorldFailed, WorldMissing
from cluster.worlds.ssh.keeping import Keeping
from cluster.worlds.ssh.messages import Answer, Call, Frames, Piece, ToHarness, ToKeeper, framed

__all__ = ["LEASE_S", "main"]

LEASE_S = 20.0
"""How long a node outlives the last word of its harness at most."""
_READ_BYTES = 1 << 16


class _Line:
    """Standard input and output as a line to the harness."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = Frames(ToKeeper)
        self.heard_s = time.monotonic()

    async def send(self, message: ToHarness) -> None:
        """Say it; a harness that is gone is noticed by who listens."""
        self._writer.write(framed(message))
        try:
            await self._writer.drain()
        except ConnectionError:
            self._reader.feed_eof()

    async def hear(self) -> list[Call | Piece] | None:
        """What was said since; None when the harness is gone."""
        data = await self._reader.read(_READ_BYTES)
        self.heard_s = time.monotonic()
        return list(self._frames.feed(data)) if data else None


async def _keep() -> None:
    line = await _open_line()
    keeping = Keeping(line.send)
    tasks: set[asyncio.Task[Any]] = {
        asyncio.create_task(keeping.follow()),
    }
    listening = asyncio.create_task(_listen(line, keeping, tasks))
    leased = asyncio.create_task(_lease(line))
    try:
        done, _ = await asyncio.wait({listening, leased}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (listening, leased, *tasks):
            task.cancel()
        await keeping.close()


async def _listen(line: _Line, keeping: Keeping, tasks: set[asyncio.Task[Any]]) -> None:
    while (messages := await line.hear()) is not None:
        for message in messages:
            if isinstance(message, Piece):
                keeping.take(message)
                continue
            task = asyncio.create_task(_answer(line, keeping, message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


async def _answer(line: _Line, keeping: Keeping, call: Call) -> None:
    try:
        value = await keeping.acts[call.act](**call.arguments)
        answer = Answer(call.number, value)
    except WorldMissing as missing:
        answer = Answer(call.number, failed=str(missing), remedy=missing.remedy)
    except WorldFailed as failure:
        answer = Answer(call.number, failed=str(failure))
    except Exception as error:  # noqa: BLE001 - told to the harness, which fails of it
        answer = Answer(call.number, failed=f"{call.act}: {type(error).__name__}: {error}")
    await line.send(answer)


async def _lease(line: _Line) -> None:
    while (left_s := line.heard_s + LEASE_S - time.monotonic()) > 0:  # noqa: ASYNC110 - silence is no event
        await asyncio.sleep(left_s)


async def _open_line() -> _Line:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, sys.stdout.buffer
    )
    return _Line(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


def main() -> None:
    """Keep a node until nobody wants it any more."""
    asyncio.run(_keep())


if __name__ == "__main__":
    main()
