"""The words of the kernel's packet queue (nfnetlink_queue): bytes in, data out, and the other way. Pure.

Numbers are those of Linux's ``uapi/linux/netfilter/nfnetlink_queue.h``, which never change. Lengths of attributes count
their head; attributes are padded to four bytes; netlink is in host order, what belongs to netfilter in network order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

__all__ = [
    "NETLINK_NETFILTER",
    "QueuedPacket",
    "addresses_of",
    "configuration",
    "read_packets",
    "verdict",
]

NETLINK_NETFILTER = 12

_QUEUE = 3 << 8
_MSG_PACKET, _MSG_VERDICT, _MSG_CONFIG = _QUEUE, _QUEUE | 1, _QUEUE | 2
_ERROR = 2
_REQUEST, _ACKNOWLEDGE = 1, 4

_CFG_COMMAND, _CFG_PARAMETERS, _CFG_LENGTH, _CFG_MASK, _CFG_FLAGS = 1, 2, 3, 4, 5
_BIND = 1
_COPY_PACKET = 2
_FAIL_OPEN = 1
_PACKET_HEADER, _VERDICT_HEADER, _PAYLOAD = 1, 2, 10
_DROP, _ACCEPT = 0, 1

_message = struct.Struct("=IHHII")
_subject = struct.Struct(">BBH")
_attribute = struct.Struct("=HH")

_LENGTH_MAX = 65_536
"""Packets the kernel may hold for us; what comes on top passes untouched (`_FAIL_OPEN`)."""
_COPY_BYTES = 65_535


class QueuedPacket(msgspec.Struct, frozen=True):
    """A packet that waits in the kernel for our verdict on `number`; `content` begins with its IP header."""

    number: int
    content: bytes


def configuration(queue: int) -> list[bytes]:
    """Return the requests that bind `queue`, each to be acknowledged by the kernel."""
    return [
        _request(_MSG_CONFIG, queue, [(_CFG_COMMAND, struct.pack(">BBH", _BIND, 0, 0))]),
        _request(
            _MSG_CONFIG, queue, [(_CFG_PARAMETERS, struct.pack(">IB", _COPY_BYTES, _COPY_PACKET))]
        ),
        _request(_MSG_CONFIG, queue, [(_CFG_LENGTH, struct.pack(">I", _LENGTH_MAX))]),
        _request(
            _MSG_CONFIG,
            queue,
            [
                (_CFG_FLAGS, struct.pack(">I", _FAIL_OPEN)),
                (_CFG_MASK, struct.pack(">I", _FAIL_OPEN)),
            ],
        ),
    ]


def verdict(queue: int, number: int, *, accept: bool) -> bytes:
    """Return the request that lets packet `number` pass, or drops it."""
    decision = struct.pack(">II", _ACCEPT if accept else _DROP, number)
    return _request(_MSG_VERDICT, queue, [(_VERDICT_HEADER, decision)], flags=_REQUEST)


def read_packets(data: bytes) -> Iterator[QueuedPacket]:
    """Yield the packets in what the kernel sent. Raises OSError with the kernel's number for a refused request."""
    at = 0
    while at + _message.size <= len(data):
        length, kind, _, _, _ = _message.unpack_from(data, at)
        body = data[at + _message.size : at + length]
        if kind == _ERROR:
            (number,) = struct.unpack_from("=i", body)
            if number:
                raise OSError(-number, "the kernel refuses the packet queue")
        elif kind == _MSG_PACKET:
            attributes = dict(_attributes(body[_subject.size :]))
            (packet,) = struct.unpack_from(">I", attributes[_PACKET_HEADER])
            yield QueuedPacket(packet, attributes.get(_PAYLOAD, b""))
        at += length + 3 & ~3


def addresses_of(content: bytes) -> tuple[str, str]:
    """Return source and destination of an IPv4 packet; two empty strings for anything else."""
    if len(content) < 20 or content[0] >> 4 != 4:
        return "", ""
    return ".".join(map(str, content[12:16])), ".".join(map(str, content[16:20]))


def _request(
    kind: int, queue: int, attributes: list[tuple[int, bytes]], flags: int = _REQUEST | _ACKNOWLEDGE
) -> bytes:
    body = _subject.pack(0, 0, queue)
    for name, value in attributes:
        body += _attribute.pack(_attribute.size + len(value), name) + value
        body += bytes(-len(body) % 4)
    return _message.pack(_message.size + len(body), kind, flags, 0, 0) + body


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _attribute.size <= len(data):
        length, name = _attribute.unpack_from(data, at)
        yield name & 0x3FFF, data[at + _attribute.size : at + length]
        at += length + 3 & ~3
