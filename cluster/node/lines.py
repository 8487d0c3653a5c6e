"""The lines of a node: TCP connections, and which words may come and go on them.

Here live asyncio's protocols and nothing that decides: an `Entrance` is a line that somebody opened to this
node, a `PeerLine` the one line that this node opens to a peer. Raft messages travel on lines of
their sender's, so every pair of nodes has two, and a cut in one direction is one line falling silent.

Nothing here is unbounded. A peer that does not read loses messages (raft sends again what matters), a
client that does not read loses its line. Both limits have names.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Protocol

from cluster.node.frames import (
    REQUEST_BYTES_MAX,
    FrameDamaged,
    FrameReader,
    Goodbye,
    Hello,
    decode_answer,
    decode_ask,
    decode_hello,
    decode_peer_word,
    frame,
)
from cluster.node.process_config import Address
from cluster.node.requests import Request
from cluster.raft.messages import Message

__all__ = [
    "CLIENT_BUFFER_BYTES_MAX",
    "ENTRANCES_MAX",
    "PEER_BUFFER_BYTES_MAX",
    "Entrance",
    "House",
    "PeerLine",
]

PEER_BUFFER_BYTES_MAX = 4 * 1024 * 1024
"""Bytes waiting for one peer above which further messages to it are dropped."""

CLIENT_BUFFER_BYTES_MAX = 16 * 1024 * 1024
"""Bytes waiting for one client above which its line is cut off."""

ENTRANCES_MAX = 4096
"""Lines that others may have open to one node."""

_SILENCE_MS_MAX = 2000
"""How long a peer's machine may leave bytes unacknowledged: TCP itself would wait longer and longer, and be
long silent after a cut was healed."""
_CONNECT_TIMEOUT_S = 1.0
_BACK_OFF_FIRST_S = 0.02
_BACK_OFF_LAST_S = 0.5


class House(Protocol):
    """The node's shell as its lines see it."""

    def arrived(self, entrance: Entrance) -> str:
        """A line was opened. Why it must be closed again, in words; ``""``: it may stay."""

    def left(self, entrance: Entrance) -> None:
        """A line that had arrived is gone."""

    def hello_to(self, peer: str) -> Hello:
        """How this node greets `peer`."""

    def refusal(self, hello: Hello) -> str:
        """Why a caller is turned away, in words; ``""`` lets him in."""

    def heard_from(self, peer: str) -> None:
        """A peer has opened a line: it is there, so it can be reached."""

    def take_message(self, peer: str, group: int, message: Message) -> None:
        """A peer's word."""

    def take_request(self, entrance: Entrance, number: int, request: Request) -> None:
        """A client's request."""

    def say(self, text: str) -> None:
        """A line for the node's log."""


class Entrance(asyncio.Protocol):
    """A line that somebody opened to this node. Its first word decides what the others mean."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._reader = FrameReader()
        self._take: Callable[[bytes], None] = self._greet
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._waiting: list[bytes] = []
        """Answers of this turn, in order: they leave together."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is open."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        refusal = self._house.arrived(self)
        if refusal:
            self._turn_away(refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        """The line is gone."""
        self._transport = None
        self._house.left(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        try:
            for body in self._reader.feed(data):
                self._take(body)
        except FrameDamaged as error:
            self._house.say(f"closed a line from {self._peer or 'somebody'}: {error}")
            self.abort()

    def answer(self, data: bytes) -> bool:
        """Put a frame among those that `flush` sends; whether it is the first of them."""
        self._waiting.append(data)
        return len(self._waiting) == 1

    def flush(self) -> None:
        """Send what `answer` was given."""
        data = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        self._waiting.clear()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > CLIENT_BUFFER_BYTES_MAX:
            self._house.say("cut off a client that does not read its answers")
            transport.abort()

    def close(self) -> None:
        """Close the line when everything written to it has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close the line now."""
        if self._transport is not None:
            self._transport.abort()

    def _greet(self, body: bytes) -> None:
        hello = decode_hello(body)
        refusal = self._house.refusal(hello)
        if refusal:
            self._turn_away(refusal)
        elif hello.kind == "peer":
            self._peer = hello.node
            self._take = self._from_peer
            self._house.heard_from(hello.node)
        else:
            self._take = self._from_client

    def _turn_away(self, reason: str) -> None:
        assert self._transport is not None
        self._house.say(f"turned a caller away: {reason}")
        self._take = self._ignore
        self._transport.write(frame(Goodbye(reason)))
        self._transport.close()

    def _from_peer(self, body: bytes) -> None:
        word = decode_peer_word(body)
        self._house.take_message(self._peer, word.group, word.message)

    def _from_client(self, body: bytes) -> None:
        if len(body) > REQUEST_BYTES_MAX:
            raise FrameDamaged(f"a request of {len(body)} bytes; {REQUEST_BYTES_MAX} are allowed")
        ask = decode_ask(body)
        self._house.take_request(self, ask.number, ask.request)

    def _ignore(self, body: bytes) -> None:
        """A caller who was turned away says something before he has heard it."""


class PeerLine(asyncio.Protocol):
    """The line to one peer. It opens itself again for ever; what is said while it is shut is lost."""

    def __init__(self, house: House, peer: str, address: Address) -> None:
        self._house = house
        self._peer = peer
        self._address = address
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._changed = asyncio.Event()
        """Set when the line was lost, or when there is reason to try at once."""

    def send(self, data: bytes) -> None:
        """Write a frame, or drop it when the line is shut or the peer does not read."""
        transport = self._transport
        if (
            transport is not None
            and not transport.is_closing()
            and transport.get_write_buffer_size() <= PEER_BUFFER_BYTES_MAX
        ):
            transport.write(data)

    def try_now(self) -> None:
        """The peer was heard of: connect without waiting, if the line is shut."""
        if self._transport is None:
            self._changed.set()

    async def keep_open(self) -> None:
        """Connect, and connect again whenever the line is lost. Never returns; cancel it.

        Waits longer after every attempt that came to nothing; a line that held resets that.
        """
        loop = asyncio.get_running_loop()
        back_off_s = _BACK_OFF_FIRST_S
        while True:
            began_s = loop.time()
            try:
                async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                    await loop.create_connection(lambda: self, *self._address)
            except (OSError, TimeoutError):
                held = False
            else:
                await self._lost()
                held = loop.time() - began_s > _BACK_OFF_LAST_S
            back_off_s = _BACK_OFF_FIRST_S if held else min(2 * back_off_s, _BACK_OFF_LAST_S)
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(back_off_s):
                    await self._changed.wait()

    async def _lost(self) -> None:
        while self._transport is not None:
            self._changed.clear()
            await self._changed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is open: greet."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._reader = FrameReader()
        line: socket.socket = transport.get_extra_info("socket")
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE_MS_MAX)
        transport.write(frame(self._house.hello_to(self._peer)))

    def connection_lost(self, exc: Exception | None) -> None:
        """The line is gone."""
        self._transport = None
        self._changed.set()

    def data_received(self, data: bytes) -> None:
        """A peer says nothing on this line but why it shuts it."""
        assert self._transport is not None
        try:
            for body in self._reader.feed(data):
                word = decode_answer(body)
                if isinstance(word, Goodbye):
                    self._house.say(f"{self._peer} turned this node away: {word.reason}")
        except FrameDamaged as error:
            self._house.say(f"closed the line to {self._peer}: {error}")
        self._transport.abort()

    def abort(self) -> None:
        """Close the line now."""
        if self._transport is not None:
            self._transport.abort()
