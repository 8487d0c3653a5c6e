"""The shell around a node, with a node that only writes down what is done to it, over real loopback lines."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import pytest

from cluster.client import NodeConnection
from cluster.node.config import NodeConfig
from cluster.node.frames import (
    PROTOCOL_VERSION,
    FrameReader,
    Hello,
    PeerWord,
    decode_answer,
    decode_peer_word,
    frame,
)
from cluster.node.process_config import Cuts, ProcessConfig
from cluster.node.requests import Request, ok
from cluster.node.server import Server
from cluster.raft.messages import Heartbeat
from cluster.worlds.local.ports import HeldPorts

SECOND_NS = 1_000_000_000


class FakeNode:
    """Answers requests when it works; `work` may be told to fail."""

    def __init__(self, outbox: Server) -> None:
        self.outbox = outbox
        self.turns: list[list[str]] = []
        self.open: list[tuple[int, str]] = []
        self.numbers: list[int] = []
        self.received: list[tuple[int, str]] = []
        self.alarm_ns = time.monotonic_ns() + 3600 * SECOND_NS
        self.worked = asyncio.Event()
        self.woken = asyncio.Event()
        self.failure: Exception | None = None

    def receive(self, group, message, now_ns):
        self.received.append((group, message.sender))
        self.woken.set()

    def request(self, number, request, now_ns):
        self.open.append((number, request.kind))
        self.numbers.append(number)

    def work(self, now_ns):
        self.worked.set()
        self.turns.append([kind for _, kind in self.open])
        for number, kind in self.open:
            if kind != "silent":
                self.outbox.complete(number, ok(kind))
        self.open.clear()
        if self.failure is not None:
            raise self.failure

    def wake(self, now_ns):
        self.alarm_ns = now_ns + 3600 * SECOND_NS
        self.woken.set()
        self.work(now_ns)

    def deadline_ns(self, now_ns):
        return self.alarm_ns


class Lab:
    """One server ``n1`` with a fake node, and the place of its peer ``n2``."""

    def __init__(self, ports: HeldPorts, incarnation: int = 1, **changes) -> None:
        node = NodeConfig(name="n1", peers=("n1", "n2"), crash_points=True, incarnation=incarnation)
        config = ProcessConfig(
            node=node,
            cluster="lab",
            listen=ports.addresses["n1"],
            peers=ports.addresses,
            data="",
            **changes,
        )
        self.address = ports.addresses["n1"]
        self.peer_address = ports.addresses["n2"]
        self.said: asyncio.Queue[str] = asyncio.Queue()
        self.server = Server(config, self.said.put_nowait)
        self.node = FakeNode(self.server)
        self.serving = asyncio.create_task(self.server.serve(self.node))

    def client(self, cluster: str = "lab", to: str = "n1") -> NodeConnection:
        return NodeConnection(to, self.address, cluster)

    async def peer_line(self, **changes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        fields = {
            "version": PROTOCOL_VERSION,
            "kind": "peer",
            "cluster": "lab",
            "node": "n2",
            "incarnation": 1,
            "to": "n1",
        }
        reader, writer = await asyncio.open_connection(*self.address)
        writer.write(frame(Hello(**{**fields, **changes})))
        return reader, writer


def in_lab(scenario, **changes):
    """Run `scenario(lab)` in an event loop, and end the server after it."""

    async def main():
        ports = HeldPorts(("n1", "n2"))
        lab = Lab(ports, **changes)
        await lab.node.worked.wait()
        try:
            await scenario(lab)
        finally:
            lab.server.stop()
            with contextlib.suppress(ZeroDivisionError):
                await lab.serving
            ports.release()

    asyncio.run(asyncio.wait_for(main(), 5))


def test_a_request_is_answered():
    """A client's request reaches the node, and its answer the client."""

    async def scenario(lab):
        assert ok("status") == await lab.client().call(Request("status", {}), SECOND_NS)

    in_lab(scenario)


def test_no_two_lives_number_a_request_alike():
    """A leader's late answer to a read of an earlier life must not fit a read of this one."""
    lives = []

    async def scenario(lab):
        for _ in range(3):
            await lab.client().call(Request("status", {}), SECOND_NS)
        lives.append(lab.node.numbers)

    in_lab(scenario, incarnation=1)
    in_lab(scenario, incarnation=2)

    first, second = lives
    assert len(first) == len(second) == 3
    assert not set(first) & set(second)


def test_requests_that_come_together_share_one_turn():
    """All frames of one read are handed over before the node works once: that is how they share an fsync."""

    async def scenario(lab):
        client = lab.client()
        await client.call(Request("first", {}), SECOND_NS)
        await asyncio.gather(*(client.call(Request(f"r{i}", {}), SECOND_NS) for i in range(5)))

        assert ["r0", "r1", "r2", "r3", "r4"] in lab.node.turns

    in_lab(scenario)


def test_answers_leave_before_a_failure_ends_the_node():
    """What was answered before the node failed arrives; what was not ends unknown; the failure comes out."""

    async def scenario(lab):
        client = lab.client()
        await client.call(Request("first", {}), SECOND_NS)
        lab.node.failure = ZeroDivisionError("the disk is gone")
        answered, silent = await asyncio.gather(
            client.call(Request("answered", {}), SECOND_NS),
            client.call(Request("silent", {}), SECOND_NS),
        )

        assert ok("answered") == answered
        assert silent.status == "unknown"
        with pytest.raises(ZeroDivisionError):
            await lab.serving

    in_lab(scenario)


def test_the_node_is_woken_at_its_deadline():
    """The timer follows the node's deadline, an earlier one than was set before included."""

    async def scenario(lab):
        lab.node.alarm_ns = time.monotonic_ns() + SECOND_NS // 100
        await lab.client().call(Request("first", {}), SECOND_NS)
        await asyncio.wait_for(lab.node.woken.wait(), 1)

    in_lab(scenario)


def test_the_port_is_free_and_lines_are_closed_after_a_stop():
    """A stopped server leaves nothing open: its clients' lines end, and connecting is refused."""

    async def scenario(lab):
        client = lab.client()
        pending = asyncio.create_task(client.call(Request("silent", {}), SECOND_NS))
        await asyncio.sleep(0)
        await client.call(Request("status", {}), SECOND_NS)
        lab.server.stop()
        await lab.serving

        assert (await pending).status == "unknown"
        assert (await client.call(Request("status", {}), SECOND_NS)).status == "refused"

    in_lab(scenario)


def test_a_port_in_use_is_an_error_of_the_caller():
    """`serve` raises OSError when somebody listens on the port, and does not touch the node."""

    async def main():
        ports = HeldPorts(("n1", "n2"))
        with socket.create_server(ports.addresses["n1"]):
            lab = Lab(ports)
            with pytest.raises(OSError, match="in use"):
                await lab.serving
        ports.release()

        assert lab.node.turns == []

    asyncio.run(main())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": 99}, "protocol version 99"),
        ({"cluster": "yesterday"}, "cluster 'yesterday'"),
        ({"to": "n3"}, "n3 was meant"),
        ({"node": "n9"}, "n9 is no peer"),
    ],
)
def test_strangers_are_turned_away(changes, reason):
    """A caller of another version, cluster, node or peer gets a reason and no word of his is taken."""

    async def scenario(lab):
        reader, writer = await lab.peer_line(**changes)
        writer.write(frame(PeerWord(0, Heartbeat("n2", "n1", 1, 0, 0))))
        (body,) = FrameReader().feed(await reader.read())

        assert reason in decode_answer(body).reason
        assert lab.node.received == []
        writer.close()

    in_lab(scenario)


def test_the_reason_arrives_though_the_caller_goes_on_talking():
    """Words that come after the goodbye do not reset the line under it."""

    async def scenario(lab):
        await lab.said.get()
        caller = socket.create_connection(lab.address)
        caller.sendall(frame(Hello(PROTOCOL_VERSION, "peer", "yesterday", "n2", 1, "n1")))
        assert "turned a caller away" in await lab.said.get()
        caller.sendall(b"more")
        await lab.client().call(Request("status", {}), SECOND_NS)
        (body,) = FrameReader().feed(caller.recv(4096))

        assert "yesterday" in decode_answer(body).reason
        caller.close()

    in_lab(scenario)


def test_a_client_of_another_cluster_learns_that_nothing_happened():
    """A client turned away gets a definite refusal, though its request was on the wire."""

    async def scenario(lab):
        reply = await lab.client(cluster="yesterday").call(Request("kv", {}), SECOND_NS)

        assert (reply.status, reply.code) == ("refused", "Unavailable")
        assert "yesterday" in reply.message

    in_lab(scenario)


def test_garbage_closes_the_line_and_nothing_else():
    """Bytes that are no frame end their own line; the node goes on serving others."""

    async def scenario(lab):
        reader, writer = await asyncio.open_connection(*lab.address)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")

        assert await reader.read() == b""
        assert (await lab.client().call(Request("status", {}), SECOND_NS)).status == "ok"
        writer.close()

    in_lab(scenario)


def test_messages_of_a_cut_sender_are_dropped_until_healed():
    """``link.cut`` silences a peer in one direction, ``link.heal`` undoes it, and both answer when done."""

    async def scenario(lab):
        client = lab.client()
        _, writer = await lab.peer_line()
        heartbeat = frame(PeerWord(0, Heartbeat("n2", "n1", 1, 0, 0)))

        assert (
            await client.call(Request("link.cut", {"sender": ["n2"]}), SECOND_NS)
        ).status == "ok"
        writer.write(heartbeat)
        await writer.drain()
        for _ in range(3):
            await client.call(Request("status", {}), SECOND_NS)
        assert lab.node.received == []

        assert (await client.call(Request("link.heal", {}), SECOND_NS)).status == "ok"
        writer.write(heartbeat)
        await asyncio.wait_for(lab.node.woken.wait(), 1)
        assert lab.node.received == [(0, "n2")]
        writer.close()

    in_lab(scenario)


def test_messages_reach_a_peer_that_comes_up_later_and_not_one_that_is_cut():
    """The line to a peer opens itself when the peer appears; a cut towards it drops what is sent."""

    async def scenario(lab):
        heard: asyncio.Queue[bytes] = asyncio.Queue()

        async def listen(reader, writer):
            frames = FrameReader()
            while data := await reader.read(65536):
                for body in frames.feed(data):
                    heard.put_nowait(body)
            writer.close()

        listener = await asyncio.start_server(listen, *lab.peer_address)
        await asyncio.wait_for(heard.get(), 1)
        client = lab.client()
        await client.call(Request("link.cut", {"to": ["n2"]}), SECOND_NS)
        lab.server.send(0, Heartbeat("n1", "n2", 1, 0, 0))
        await client.call(Request("link.heal", {}), SECOND_NS)
        lab.server.send(0, Heartbeat("n1", "n2", 2, 0, 0))
        word = decode_peer_word(await asyncio.wait_for(heard.get(), 1))

        assert word.message.term == 2
        listener.close()

    in_lab(scenario)


def test_cuts_of_the_configuration_hold_from_the_start():
    """A node restarted in a partition stays in it."""

    async def scenario(lab):
        _, writer = await lab.peer_line()
        writer.write(frame(PeerWord(0, Heartbeat("n2", "n1", 1, 0, 0))))
        await writer.drain()
        for _ in range(3):
            await lab.client().call(Request("status", {}), SECOND_NS)

        assert lab.node.received == []
        writer.close()

    in_lab(scenario, cuts=Cuts(sender=("n2",)))


def test_the_nodes_clock_runs_at_the_rate_it_is_told():
    """``clock.rate`` changes the speed of what the node reads without a jump, and a deadline set before comes by the new speed."""

    async def scenario(lab):
        client = lab.client()
        lab.node.alarm_ns = lab.server.now_ns() + 3600 * SECOND_NS
        before_ns, began_ns = lab.server.now_ns(), time.monotonic_ns()
        faster = await client.call(Request("clock.rate", {"drift_ppm": 999_999_999}), SECOND_NS)
        assert faster.status == "ok"
        gone_ns = lab.server.now_ns() - before_ns
        assert gone_ns < 1001 * (time.monotonic_ns() - began_ns)

        lab.node.alarm_ns = lab.server.now_ns() + 100 * SECOND_NS
        lab.node.woken.clear()
        assert (await client.call(Request("status", {}), SECOND_NS)).status == "ok"
        await asyncio.wait_for(lab.node.woken.wait(), 1)

    in_lab(scenario)


def test_a_clock_that_stands_still_is_refused():
    """A rate of zero or less is no clock; the answer says what may be."""

    async def scenario(lab):
        reply = await lab.client().call(Request("clock.rate", {"drift_ppm": -1_000_000}), SECOND_NS)
        assert (reply.status, reply.code) == ("refused", "InvalidArgument")

    in_lab(scenario)
