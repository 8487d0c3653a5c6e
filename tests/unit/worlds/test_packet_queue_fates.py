"""What becomes of packets on bad links, and the words of the kernel's queue: pure, so asked without a kernel."""

from __future__ import annotations

import errno
import struct

import pytest

from cluster.worlds.host.packet_queue_fates import Fate, Held, fate_of
from cluster.worlds.host.packet_queue_netlink import (
    QueuedPacket,
    addresses_of,
    configuration,
    read_packets,
    verdict,
)
from cluster.worlds.world import LinkFault

MS = 1_000_000
PACKETS = 4000


def fates(fault: LinkFault, seed: int = 1, link: str = "a>b") -> list[Fate]:
    return [fate_of(fault, seed, link, number) for number in range(PACKETS)]


def test_a_good_link_lets_everything_pass_at_once() -> None:
    """Without a fault a packet goes on now, once."""
    assert set(fates(LinkFault())) == {Fate((0,))}


def test_a_fate_is_a_function_of_seed_link_and_number() -> None:
    """The same packet meets the same fate again; another seed or link draws anew."""
    fault = LinkFault(loss=0.5, jitter_ns=MS)

    assert fates(fault) == fates(fault)
    assert fates(fault) != fates(fault, seed=2)
    assert fates(fault) != fates(fault, link="b>a")


def test_shares_are_what_was_asked_for() -> None:
    """Lost, doubled and overtaking packets are as many as their probabilities say, within two hundredths."""
    fault = LinkFault(delay_ns=MS, loss=0.2, duplication=0.3, reordering=0.4)
    drawn = fates(fault)
    passed = [fate for fate in drawn if fate.delays_ns]

    assert 1 - len(passed) / PACKETS == pytest.approx(0.2, abs=0.02)
    assert sum(len(fate.delays_ns) == 2 for fate in passed) / len(passed) == pytest.approx(
        0.3, abs=0.02
    )
    assert sum(fate.overtakes for fate in passed) / len(passed) == pytest.approx(0.4, abs=0.02)


def test_jitter_fills_its_range_and_no_more() -> None:
    """A packet is late by the delay and up to the jitter more, each value as likely."""
    late = [fate.delays_ns[0] for fate in fates(LinkFault(delay_ns=10 * MS, jitter_ns=4 * MS))]

    assert min(late) >= 10 * MS
    assert max(late) <= 14 * MS
    assert sum(late) / PACKETS == pytest.approx(12 * MS, rel=0.02)


def test_an_overtaking_packet_is_not_held() -> None:
    """Reordering lets a packet go at once, past those that are held."""
    fault = LinkFault(delay_ns=10 * MS, reordering=1.0)

    assert set(fates(fault)) == {Fate((0,), overtakes=True)}


def test_certain_loss_lets_nothing_pass() -> None:
    """Loss 1 is every packet."""
    assert set(fates(LinkFault(loss=1.0))) == {Fate(())}


def test_held_packets_come_out_in_order_of_their_time() -> None:
    """Earlier times first, equal times as they came; and the wait is until the next one."""
    held: Held[str] = Held()
    for due_ns, item in ((30, "c"), (10, "a"), (10, "b")):
        held.hold(due_ns, item)

    assert held.wait_ns(4) == 6
    assert held.due(9) == []
    assert held.due(10) == ["a", "b"]
    assert held.wait_ns(99) == 0
    assert held.due(99) == ["c"]
    assert held.wait_ns(99) is None
    assert len(held) == 0


def message(kind: int, body: bytes) -> bytes:
    padded = body + bytes(-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + padded


def attribute(name: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), name) + value + bytes(-len(value) % 4)


def test_queued_packets_are_read() -> None:
    """Number and content are found among the attributes, in several messages of one datagram."""
    header = attribute(1, struct.pack(">IHBB", 7, 0x800, 2, 0))
    body = bytes(4) + header + attribute(10, b"hello")
    data = message(3 << 8, body) + message(3 << 8, body)

    assert list(read_packets(data)) == [QueuedPacket(7, b"hello")] * 2


def test_a_refusal_of_the_kernel_is_an_error() -> None:
    """The number in an error message comes out as OSError; zero is an acknowledgement."""
    with pytest.raises(OSError, match="refuses") as caught:
        list(read_packets(message(2, struct.pack("=i", -errno.EBUSY))))

    assert caught.value.errno == errno.EBUSY
    assert list(read_packets(message(2, struct.pack("=i", 0)))) == []


def test_requests_are_what_the_kernel_expects() -> None:
    """Verdict and binding, byte by byte (Linux's nfnetlink_queue.h)."""
    accepted = verdict(5, 7, accept=True)
    dropped = verdict(5, 7, accept=False)

    assert accepted[:16] == struct.pack("=IHHII", 32, 0x301, 1, 0, 0)
    assert accepted[16:20] == struct.pack(">BBH", 0, 0, 5)
    assert accepted[20:] == struct.pack("=HH", 12, 2) + struct.pack(">II", 1, 7)
    assert dropped[24:] == struct.pack(">II", 0, 7)
    assert configuration(5)[0][16:] == struct.pack(">BBH", 0, 0, 5) + struct.pack(
        "=HH", 8, 1
    ) + struct.pack(">BBH", 1, 0, 0)


def test_addresses_stand_in_the_header() -> None:
    """Source and target of IPv4; anything else has none."""
    header = bytes([0x45]) + bytes(11) + bytes([10, 0, 0, 1]) + bytes([10, 0, 0, 2])

    assert addresses_of(header) == ("10.0.0.1", "10.0.0.2")
    assert addresses_of(bytes([0x60]) + header[1:]) == ("", "")
    assert addresses_of(b"") == ("", "")
