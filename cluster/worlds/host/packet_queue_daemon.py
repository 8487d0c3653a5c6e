"""The process that holds packets: ``python -m cluster.worlds.host.packet_queue_daemon QUEUE SEED``, with CAP_NET_ADMIN.

It binds a netfilter queue, asks `packet_queue_fates` what becomes of each packet, and gives the verdict when its time has
come; doubles leave through a raw socket with a mark that the rules in front of the queue let pass. Orders come as lines of
JSON on standard input, each answered by one line with the counts so far; the end of input is the end of the process, which
lets go of everything it holds. Whoever kills it, or its harness, frees the traffic: the rules say ``--queue-bypass``.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from collections.abc import Sequence

import msgspec

from cluster.worlds.host.packet_queue_fates import Held, fate_of
from cluster.worlds.host.packet_queue_netlink import (
    NETLINK_NETFILTER,
    QueuedPacket,
    addresses_of,
    configuration,
    read_packets,
    verdict,
)
from cluster.worlds.world import LinkFault

__all__ = ["DOUBLE_MARK", "Counts", "Order", "main"]

DOUBLE_MARK = 0x7E57
"""The mark of packets that have met their fate already."""

_RECEIVE_BYTES = 1 << 17
_SOCKET_BYTES = 8 << 20
_SOL_NETLINK, _NO_ENOBUFS = 270, 5
_BURST = 256
"""Packets taken in before due ones are let go."""


class Order(msgspec.Struct, frozen=True):
    """What holds from now on: (source address, target address, fault); other packets pass."""

    faults: list[tuple[str, str, LinkFault]]


class Counts(msgspec.Struct):
    """Packets so far: taken in, held for a while, lost, doubled, let past the held ones; and those that were gone, or
    could not be sent, when their time came: their link was taken down.
    """

    seen: int = 0
    delayed: int = 0
    lost: int = 0
    doubled: int = 0
    overtaking: int = 0
    gone: int = 0


class _Double(msgspec.Struct, frozen=True):
    content: bytes
    target: str


class _Daemon:
    def __init__(self, queue: int, seed: int) -> None:
        self._queue = queue
        self._seed = seed
        self._faults: dict[tuple[str, str], LinkFault] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._counts = Counts()
        self._held: Held[int | _Double] = Held()
        self._line = _queue_socket(queue)
        self._raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, DOUBLE_MARK)
        self._raw.setblocking(False)
        self._input = b""

    def run(self) -> None:
        """Serve until the input ends."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._line, selectors.EVENT_READ)
            selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
            while True:
                wait_ns = self._held.wait_ns(time.monotonic_ns())
                ready = [
                    key.fileobj
                    for key, _ in selector.select(None if wait_ns is None else wait_ns / 1e9)
                ]
                if self._line in ready:
                    self._take_in()
                self._let_go(time.monotonic_ns())
                if sys.stdin.fileno() in ready and not self._obey():
                    break
        for item in self._held.due(1 << 63):
            self._release(item)

    def _obey(self) -> bool:
        """Carry out the orders that came; False at the end of input."""
        data = os.read(sys.stdin.fileno(), _RECEIVE_BYTES)
        *lines, self._input = (self._input + data).split(b"\n")
        for line in lines:
            order = msgspec.json.decode(line, type=Order)
            self._faults = {(source, target): fault for source, target, fault in order.faults}
            sys.stdout.buffer.write(msgspec.json.encode(self._counts) + b"\n")
            sys.stdout.flush()
        return bool(data)

    def _take_in(self) -> None:
        for _ in range(_BURST):
            try:
                data = self._line.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                return
            now_ns = time.monotonic_ns()
            try:
                for packet in read_packets(data):
                    self._judge(packet, now_ns)
            except FileNotFoundError:
                self._counts.gone += 1

    def _judge(self, packet: QueuedPacket, now_ns: int) -> None:
        counts = self._counts
        counts.seen += 1
        link = addresses_of(packet.content)
        fault = self._faults.get(link)
        if fault is None:
            self._release(packet.number)
            return
        number = self._numbers[link] = self._numbers.get(link, 0) + 1
        fate = fate_of(fault, self._seed, f"{link[0]}>{link[1]}", number)
        if not fate.delays_ns:
            counts.lost += 1
            self._line.send(verdict(self._queue, packet.number, accept=False))
            return
        counts.overtaking += fate.overtakes
        counts.delayed += fate.delays_ns[0] > 0
        self._held.hold(now_ns + fate.delays_ns[0], packet.number)
        for delay_ns in fate.delays_ns[1:]:
            counts.doubled += 1
            self._held.hold(now_ns + delay_ns, _Double(packet.content, link[1]))

    def _let_go(self, now_ns: int) -> None:
        for item in self._held.due(now_ns):
            self._release(item)

    def _release(self, item: int | _Double) -> None:
        if isinstance(item, _Double):
            try:
                self._raw.sendto(item.content, (item.target, 0))
            except OSError:
                self._counts.gone += 1
        else:
            self._line.send(verdict(self._queue, item, accept=True))


def _queue_socket(queue: int) -> socket.socket:
    """A socket bound to the queue. Raises OSError when somebody else has it, or when we may not."""
    line = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BYTES)
    line.setsockopt(_SOL_NETLINK, _NO_ENOBUFS, 1)
    line.bind((0, 0))
    for request in configuration(queue):
        line.send(request)
        list(read_packets(line.recv(_RECEIVE_BYTES)))
    line.setblocking(False)
    return line


def main(arguments: Sequence[str]) -> int:
    """Run the daemon; returns 1, with a line on standard error, when the queue cannot be had."""
    queue, seed = int(arguments[0]), int(arguments[1])
    try:
        daemon = _Daemon(queue, seed)
    except OSError as error:
        sys.stderr.write(f"packet queue {queue}: {error}\n")
        return 1
    daemon.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
