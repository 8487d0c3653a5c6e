"""Frames: how words travel on a line between two processes.

Here live the byte format and the codec; sockets, and what is done with a word, do not. One port of a
node serves everybody, so every line opens with a `Hello` that says who calls and whom he means: a
client of yesterday's run, or a peer of another cluster on a reused port, is turned away before a
word of his is read.

::

    frame   length u32be of the body | CRC-32C u32be of the body | body
    body    one msgpack value: Hello, then on a peer line PeerWord, on a client line Ask and Answer;
            Goodbye from the side that accepted, when it turns the caller away

TCP has a checksum of 16 bits that lets one damaged segment in 65,536 through; 32 bits more are cheap.
A frame that does not match ends the line: what follows has no known boundary any more.
"""

from __future__ import annotations

import struct
from typing import Literal, TypeVar

import msgspec
from crc32c import crc32c

from cluster.node.requests import Reply, Request
from cluster.raft.messages import Message

__all__ = [
    "FRAME_BYTES_MAX",
    "PROTOCOL_VERSION",
    "REQUEST_BYTES_MAX",
    "Answer",
    "Ask",
    "FrameDamaged",
    "FrameReader",
    "FrameTooLarge",
    "Goodbye",
    "Hello",
    "PeerWord",
    "decode_answer",
    "decode_ask",
    "decode_hello",
    "decode_peer_word",
    "frame",
]

PROTOCOL_VERSION = 2

REQUEST_BYTES_MAX = 1024 * 1024
"""The longest body that a client may send: an entry made of it must fit into a peer's frame."""

FRAME_BYTES_MAX = 8 * 1024 * 1024
"""The longest body at all. Raft batches 256 KiB of entries, and a single larger entry travels alone."""

_HEAD = struct.Struct(">II")
_HEAD_BYTES = _HEAD.size


class FrameDamaged(Exception):
    """The bytes on the line are no frame: too long, a wrong checksum, or a body of another shape.

    The other side or the way is at fault. Close the line; nothing after these bytes can be read.
    """


class FrameTooLarge(ValueError):
    """The caller wants to say more than `FRAME_BYTES_MAX` in one frame; nothing was sent."""


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="hello"):
    """The first word of the side that opens a line.

    `kind`: ``peer`` (this line carries raft messages from `node`) or ``client``. `to` is the node that the
    caller believes to reach; it, `cluster` and `version` must be the listener's own.
    """

    version: int
    kind: Literal["peer", "client"]
    cluster: str
    node: str
    incarnation: int
    to: str


class Goodbye(msgspec.Struct, frozen=True, array_like=True, tag="goodbye"):
    """The listener turns the caller away and closes: none of the caller's words was acted on."""

    reason: str


class PeerWord(msgspec.Struct, frozen=True, array_like=True):
    """A raft message for one group."""

    group: int
    message: Message


class Ask(msgspec.Struct, frozen=True, array_like=True):
    """A client's request; `number` is the client's own, unique on its line."""

    number: int
    request: Request


class Answer(msgspec.Struct, frozen=True, array_like=True, tag="answer"):
    """The reply to the client's request `number`."""

    number: int
    reply: Reply


_Word = TypeVar("_Word")

_encode = msgspec.msgpack.Encoder().encode
_hello = msgspec.msgpack.Decoder(Hello)
_peer_word = msgspec.msgpack.Decoder(PeerWord)
_ask = msgspec.msgpack.Decoder(Ask)
_answer: msgspec.msgpack.Decoder[Answer | Goodbye] = msgspec.msgpack.Decoder(Answer | Goodbye)


def frame(word: Hello | Goodbye | PeerWord | Ask | Answer) -> bytes:
    """Return the frame of one word. Raises FrameTooLarge."""
    body = _encode(word)
    if len(body) > FRAME_BYTES_MAX:
        raise FrameTooLarge(f"{len(body)} bytes in one frame, {FRAME_BYTES_MAX} are allowed")
    return _HEAD.pack(len(body), crc32c(body)) + body


def decode_hello(body: bytes) -> Hello:
    """Return the first word of a line. Raises FrameDamaged."""
    return _decoded(_hello, body)


def decode_peer_word(body: bytes) -> PeerWord:
    """Return a peer's word. Raises FrameDamaged."""
    return _decoded(_peer_word, body)


def decode_ask(body: bytes) -> Ask:
    """Return a client's request. Raises FrameDamaged."""
    return _decoded(_ask, body)


def decode_answer(body: bytes) -> Answer | Goodbye:
    """Return what a listener said to a client. Raises FrameDamaged."""
    return _decoded(_answer, body)


def _decoded(decoder: msgspec.msgpack.Decoder[_Word], body: bytes) -> _Word:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise FrameDamaged(f"a whole frame holds no word that belongs here: {error}") from error


class FrameReader:
    """Cuts a stream of bytes into frames. One per line; after `FrameDamaged` it is finished."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they came; return the bodies of all frames that are complete. Raises FrameDamaged."""
        if self._rest:
            data = self._rest + data
        bodies = []
        start = 0
        size = len(data)
        while size - start >= _HEAD_BYTES:
            length, checksum = _HEAD.unpack_from(data, start)
            if length > FRAME_BYTES_MAX:
                raise FrameDamaged(f"a frame of {length} bytes; {FRAME_BYTES_MAX} are allowed")
            end = start + _HEAD_BYTES + length
            if end > size:
                break
            body = data[start + _HEAD_BYTES : end]
            if crc32c(body) != checksum:
                raise FrameDamaged(f"a frame of {length} bytes does not match its checksum")
            bodies.append(body)
            start = end
        self._rest = data[start:] if start < size else b""
        return bodies
