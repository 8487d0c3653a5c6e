"""How a client talks to a node: one TCP line, requests by number, and outcomes that are never guessed.

The one question here is what a client may *conclude*. ``refused`` is said only when the request certainly
did not reach the node: the line could not be opened, or the node turned the caller away before it read a
word. Once a byte of a request was written, a lost line or a late answer is ``unknown``. Nothing is ever sent
again: a silent retry falsifies a history.

The line opens itself at the first call, and again at the first call after it was lost.
"""

from __future__ import annotations

import asyncio

from cluster.node.frames import (
    PROTOCOL_VERSION,
    REQUEST_BYTES_MAX,
    Answer,
    Ask,
    FrameDamaged,
    FrameReader,
    Goodbye,
    Hello,
    decode_answer,
    frame,
)
from cluster.node.process_config import Address
from cluster.node.requests import Reply, Request, refused, unknown

__all__ = ["NodeConnection"]

_CONNECT_TIMEOUT_S = 2.0
"""How long one attempt to connect may take: TCP asks a machine that is gone again after ever longer pauses, and would be
late when it is back."""


class NodeConnection:
    """A client's line to one node; implements `cluster.worlds.world.Connection` over asyncio."""

    def __init__(self, node: str, address: Address, cluster: str, name: str = "client") -> None:
        """`node`, `address`, `cluster`: whom to reach, and where. `name` is told to the node for its log."""
        self.node = node
        self._address = address
        self._hello = Hello(
            version=PROTOCOL_VERSION,
            kind="client",
            cluster=cluster,
            node=name,
            incarnation=0,
            to=node,
        )
        self._line: _Line | None = None
        self._opening: asyncio.Task[_Line] | None = None
        self._number = 0

    async def call(self, request: Request, timeout_ns: int) -> Reply:
        """Send `request` and wait for its reply, at most `timeout_ns`. Never raises for node or network.

        Many calls may be open at once; a node takes them in the order in which they were made.
        """
        self._number += 1
        number = self._number
        data = frame(Ask(number, request))
        if len(data) > REQUEST_BYTES_MAX:
            return refused(
                "InvalidArgument",
                f"a request of {len(data)} bytes; {REQUEST_BYTES_MAX} are allowed",
            )
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_ns / 1e9
        line = self._line
        if line is None or line.closed:
            opening = self._open()
            try:
                async with asyncio.timeout_at(deadline_s):
                    line = await asyncio.shield(opening)
            except (OSError, TimeoutError) as error:
                words = str(error) or "no answer to the attempt to connect"
                return refused("Unavailable", f"{self.node} cannot be reached: {words}")
            except asyncio.CancelledError:
                if not opening.cancelled():
                    raise
                return refused(
                    "Unavailable", "the client closed the line before the request was sent"
                )
        return await line.ask(number, data, deadline_s)

    def close(self) -> None:
        """Drop the line; calls still open end ``unknown``."""
        if self._opening is not None:
            self._opening.cancel()
        if self._line is not None:
            self._line.drop("the client closed the line")

    def _open(self) -> asyncio.Task[_Line]:
        """Open the line; calls that come meanwhile share the attempt."""
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._connect())
            self._opening.add_done_callback(self._opened)
        return self._opening

    async def _connect(self) -> _Line:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            _, line = await loop.create_connection(
                lambda: _Line(self.node, self._hello), *self._address
            )
        self._line = line
        return line

    def _opened(self, opening: asyncio.Task[_Line]) -> None:
        self._opening = None
        if not opening.cancelled():
            opening.exception()  # every caller may be gone; then nobody is left to hear of it


class _Line(asyncio.Protocol):
    """One connection from its hello to its end."""

    def __init__(self, node: str, hello: Hello) -> None:
        self.closed = False
        self._why = ""
        """Why it is closed."""
        self._node = node
        self._hello = hello
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, asyncio.Future[Reply]] = {}

    async def ask(self, number: int, data: bytes, deadline_s: float) -> Reply:
        """Send the frame of request `number`, and wait."""
        assert self._transport is not None
        if self.closed:
            return refused("Unavailable", f"the request was not sent: {self._why}")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Reply] = loop.create_future()
        self._waiting[number] = future
        self._transport.write(data)
        timer = loop.call_at(deadline_s, self._late, number)
        try:
            return await future
        finally:
            timer.cancel()
            self._waiting.pop(number, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is open: greet."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(frame(self._hello))

    def connection_lost(self, exc: Exception | None) -> None:
        """The line is gone; what was asked on it may have been done."""
        self._end(unknown("Unavailable", f"the line to {self._node} was lost"))

    def data_received(self, data: bytes) -> None:
        """Replies came."""
        try:
            for body in self._reader.feed(data):
                word = decode_answer(body)
                if isinstance(word, Answer):
                    self._resolve(word.number, word.reply)
                else:
                    self._turned_away(word)
        except FrameDamaged as error:
            self.drop(f"{self._node} sent what is no answer: {error}")

    def drop(self, reason: str) -> None:
        """Close the line now; open calls end ``unknown``."""
        self._end(unknown("Unavailable", reason))
        if self._transport is not None:
            self._transport.abort()

    def _turned_away(self, word: Goodbye) -> None:
        self._end(refused("Unavailable", f"{self._node} turned this client away: {word.reason}"))
        if self._transport is not None:
            self._transport.close()

    def _end(self, reply: Reply) -> None:
        if not self.closed:
            self.closed = True
            self._why = reply.message
        for number in list(self._waiting):
            self._resolve(number, reply)

    def _late(self, number: int) -> None:
        self._resolve(number, unknown("DeadlineExceeded", f"no answer from {self._node} in time"))

    def _resolve(self, number: int, reply: Reply) -> None:
        future = self._waiting.pop(number, None)
        if future is not None and not future.done():
            future.set_result(reply)
