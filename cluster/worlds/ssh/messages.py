"""What harness and keeper say to each other over one SSH channel, and how it is framed. Data only, the same code at both ends.

A frame is four bytes of length (big endian) and a message in MessagePack. The harness sends `Call` and `Piece`; the keeper
sends `Answer`, `Piece` and `Ended`. Messages of one direction arrive in order: what a node wrote comes before its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

__all__ = [
    "Answer",
    "Call",
    "Ended",
    "Examined",
    "Frames",
    "OpenOrder",
    "Opened",
    "Piece",
    "ToHarness",
    "ToKeeper",
    "framed",
]

_LENGTH_BYTES = 4
_FRAME_BYTES_MAX = 64 << 20


class Call(msgspec.Struct, frozen=True, tag="call"):
    """Do `act` (a row of the keeper's table) with `arguments`, and answer under the same number."""

    number: int
    act: str
    arguments: dict[str, Any] = {}


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """What came of a call: `value`, or what failed (one line; `remedy` where something is missing on that host)."""

    number: int
    value: Any = None
    failed: str = ""
    remedy: str = ""


class Piece(msgspec.Struct, frozen=True, tag="piece"):
    """Bytes to be appended to the file `name` of the node's folder at the other end."""

    name: str
    data: bytes


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The node's process is gone, at CLOCK_MONOTONIC of its host."""

    exit_code: int
    ended_ns: int


ToKeeper = Call | Piece
ToHarness = Answer | Piece | Ended


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What a host can do; where it cannot, why not and what to install."""

    boot: str
    """Tells the machine, and its uptime, from others: what shares it shares CLOCK_MONOTONIC."""
    address: str = ""
    """The host's address as the harness sees it; the harness adds it."""
    client: str
    """The harness's address as this host sees it."""
    missing: dict[str, tuple[str, str]]
    """Of `cluster.worlds.ssh.abilities.CHECKS`: what is missing, and the remedy."""


class OpenOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a keeper is to keep."""

    cluster: str
    node: str
    address: str
    """Where the node is to listen; a host that does not have the address itself (NAT) listens on all it has."""
    port: int
    """0: any that is free."""
    power_disk: bool
    wall_clocks: bool
    seed: int = 0
    """Decides what becomes of packets on bad links."""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """The node has its place."""

    home: str
    """The node's folder there."""
    listen: tuple[str, int]
    pid: int
    """The keeper's."""


def framed(message: ToKeeper | ToHarness) -> bytes:
    """Return `message` as it goes over the channel."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class Frames:
    """Takes bytes as they come and gives whole messages. `kind` is what the other end sends."""

    def __init__(self, kind: Any) -> None:
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """Return the messages that are whole now. Raises ValueError for what is none: the other end speaks otherwise."""
        self._rest += data
        while len(self._rest) >= _LENGTH_BYTES:
            length = int.from_bytes(self._rest[:_LENGTH_BYTES], "big")
            if length > _FRAME_BYTES_MAX:
                raise ValueError(f"no frame: {bytes(self._rest[:80])!r}")
            end = _LENGTH_BYTES + length
            if len(self._rest) < end:
                return
            body = bytes(self._rest[_LENGTH_BYTES:end])
            del self._rest[:end]
            yield self._decoder.decode(body)
