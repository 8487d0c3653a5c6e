"""What a client concludes: refused only when the request certainly did not arrive, unknown in every doubt."""

from __future__ import annotations

import asyncio

import pytest

from cluster.client import NodeConnection
from cluster.node.frames import (
    REQUEST_BYTES_MAX,
    Answer,
    FrameReader,
    decode_ask,
    decode_hello,
    frame,
)
from cluster.node.requests import Request, ok
from cluster.worlds.local.ports import HeldPorts

SECOND_NS = 1_000_000_000
SOON_NS = 20_000_000
STATUS = Request("status", {})


class Listener:
    """A node that only listens: `asks` are what came, `answer` sends something back."""

    def __init__(self, address) -> None:
        self.address = address
        self.hellos = []
        self.asks: asyncio.Queue = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, *self.address)

    async def _serve(self, reader, writer) -> None:
        self._writers.append(writer)
        frames = FrameReader()
        greeted = False
        while data := await reader.read(65536):
            for body in frames.feed(data):
                if greeted:
                    self.asks.put_nowait(decode_ask(body))
                else:
                    self.hellos.append(decode_hello(body))
                    greeted = True
        writer.close()

    def send(self, data: bytes) -> None:
        self._writers[-1].write(data)

    def cut(self) -> None:
        self._writers[-1].transport.abort()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


def with_listener(scenario):
    """Run `scenario(client, listener)`; the listener is not open yet."""

    async def main():
        ports = HeldPorts(("n1",))
        listener = Listener(ports.addresses["n1"])
        client = NodeConnection("n1", ports.addresses["n1"], "lab")
        try:
            await scenario(client, listener)
        finally:
            client.close()
            listener.close()
            ports.release()

    asyncio.run(asyncio.wait_for(main(), 5))


def test_a_node_that_is_down_is_a_definite_refusal():
    """Nobody listens: the request certainly had no effect."""

    async def scenario(client, listener):
        reply = await client.call(STATUS, SECOND_NS)

        assert (reply.status, reply.code) == ("refused", "Unavailable")

    with_listener(scenario)


def test_the_line_opens_again_after_the_node_came_back():
    """A refused call costs nothing later: the next one tries again."""

    async def scenario(client, listener):
        await client.call(STATUS, SECOND_NS)
        await listener.open()
        call = asyncio.create_task(client.call(STATUS, SECOND_NS))
        ask = await listener.asks.get()
        listener.send(frame(Answer(ask.number, ok(1))))

        assert ok(1) == await call

    with_listener(scenario)


def test_answers_find_their_calls_in_any_order():
    """Calls share one line, and each gets the answer with its number."""

    async def scenario(client, listener):
        await listener.open()
        calls = [asyncio.create_task(client.call(Request(kind, {}), SECOND_NS)) for kind in "abc"]
        asks = [await listener.asks.get() for _ in calls]
        for ask in reversed(asks):
            listener.send(frame(Answer(ask.number, ok(ask.request.kind))))

        assert [(await call).value for call in calls] == ["a", "b", "c"]
        assert len(listener.hellos) == 1

    with_listener(scenario)


def test_a_late_answer_is_unknown_and_forgotten():
    """A timeout after sending leaves the outcome open, and the late answer disturbs no other call."""

    async def scenario(client, listener):
        await listener.open()
        reply = await client.call(STATUS, SOON_NS)
        late = await listener.asks.get()
        call = asyncio.create_task(client.call(STATUS, SECOND_NS))
        ask = await listener.asks.get()
        listener.send(frame(Answer(late.number, ok("late"))) + frame(Answer(ask.number, ok("own"))))

        assert (reply.status, reply.code) == ("unknown", "DeadlineExceeded")
        assert ok("own") == await call

    with_listener(scenario)


@pytest.mark.parametrize("ending", ["lost", "garbage", "closed by the client"])
def test_a_line_that_ends_after_sending_is_unknown(ending):
    """However the line ends, a request that had left may have been done."""

    async def scenario(client, listener):
        await listener.open()
        call = asyncio.create_task(client.call(STATUS, SECOND_NS))
        await listener.asks.get()
        {
            "lost": listener.cut,
            "garbage": lambda: listener.send(b"\xff" * 64),
            "closed by the client": client.close,
        }[ending]()

        assert (await call).status == "unknown"

    with_listener(scenario)


def test_closing_while_the_line_opens_is_a_definite_refusal():
    """A call whose line was never opened did not leave, whoever gave up."""

    async def scenario(client, listener):
        await listener.open()
        call = asyncio.create_task(client.call(STATUS, SECOND_NS))
        await asyncio.sleep(0)
        client.close()

        assert (await call).status == "refused"
        assert listener.asks.empty()

    with_listener(scenario)


def test_a_request_that_is_too_long_is_not_sent():
    """The limit on requests is kept by the client: the line stays, and the refusal is definite."""

    async def scenario(client, listener):
        await listener.open()
        reply = await client.call(Request("kv", {"value": "x" * REQUEST_BYTES_MAX}), SECOND_NS)

        assert (reply.status, reply.code) == ("refused", "InvalidArgument")

    with_listener(scenario)
