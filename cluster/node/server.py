"""The asyncio shell around a node: the one room of it that touches sockets, clocks and timers.

It works in *turns*. Lines only put what they read into the inbox; one turn per round of the event loop
hands all of it to the node, lets the node work once, sends the answers, and sets the timer. So requests
that arrived together share an fsync, and the disk is touched from one place.

Order is the safety rule. A raft message leaves at the moment the node says it: some must leave before an
fsync and some only after. Answers to clients wait for the end of the turn and then leave together, or
earlier: `flush` is called before an armed crash point strikes and before a halt ends the process, so whatever
was said before the end has left.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from cluster.node.clock import NodeClock
from cluster.node.frames import PROTOCOL_VERSION, Answer, FrameTooLarge, Hello, PeerWord, frame
from cluster.node.lines import ENTRANCES_MAX, Entrance, PeerLine
from cluster.node.process_config import ClockRate, Cuts, ProcessConfig
from cluster.node.requests import Reply, Request, ok, refused, unknown
from cluster.raft.messages import Message

__all__ = ["ServedNode", "Server"]

_LAST_WORDS_S = 0.5
"""How long a node that ends waits for its last answers to leave."""

_REQUESTS_PER_LIFE = 1 << 40
"""Numbers that one incarnation has for its requests. The next one has others: an answer of a leader to a read of
the earlier life may still come, and its index is too old for a read of this one (`cluster.raft.read_index`)."""


class ServedNode(Protocol):
    """What the shell needs of a node (`cluster.node.node.Node`)."""

    def receive(self, group: int, message: Message, now_ns: int) -> None: ...
    def request(self, number: int, request: Request, now_ns: int) -> None: ...
    def work(self, now_ns: int) -> None: ...
    def wake(self, now_ns: int) -> None: ...
    def deadline_ns(self, now_ns: int) -> int: ...


class Server:
    """One node's shell: its `Outbox`, and the house its lines belong to. Make it inside the event loop."""

    def __init__(self, config: ProcessConfig, say: Callable[[str], None]) -> None:
        """`say` takes lines for the node's log."""
        self.say = say
        self._config = config
        self._name = config.node.name
        self._cuts = config.cuts
        self._clock = NodeClock(drift_ppm=config.drift_ppm)
        self._peers = {
            peer: PeerLine(self, peer, address)
            for peer, address in config.peers.items()
            if peer != self._name
        }
        self._loop = asyncio.get_running_loop()
        self._node: ServedNode | None = None
        self._entrances: dict[Entrance, None] = {}
        self._empty = asyncio.Event()
        """Set when the last entrance has closed."""
        self._inbox: list[tuple[Entrance | None, int, Any]] = []
        """(None, group, message) from peers and (entrance, number, request) from clients, as they came."""
        self._turn_due = False
        self._requests = config.node.incarnation * _REQUESTS_PER_LIFE
        self._open: dict[int, tuple[Entrance, int]] = {}
        """Our number of a request -> whose it is, and his number of it."""
        self._answered: list[Entrance] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._surroundings: dict[str, Callable[[dict[str, Any]], None]] = {
            "link.cut": self._cut,
            "link.heal": self._heal,
            "clock.rate": self._run_at_rate,
        }

    def now_ns(self) -> int:
        """What the node's monotonic clock reads; the node lives by it."""
        return self._clock.local_ns(time.monotonic_ns())

    # -- life -------------------------------------------------------------------------------------

    async def serve(self, node: ServedNode) -> None:
        """Serve `node` until `stop` is called. Raises whatever the node raised, and OSError when the port is in use.

        The port is bound only here, and free again when this returns. The node is left to the caller.
        """
        host, port = self._config.listen
        listener = await self._loop.create_server(lambda: Entrance(self), host, port, backlog=1024)
        self._node = node
        keepers = [self._loop.create_task(line.keep_open()) for line in self._peers.values()]
        self.say(f"serves on {host}:{port}, incarnation {self._config.node.incarnation}")
        try:
            self._request_turn()
            await self._ended
        finally:
            self._node = None
            listener.close()
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            await self._hang_up()

    def stop(self) -> None:
        """Let `serve` return."""
        if not self._ended.done():
            self._ended.set_result(None)

    async def _hang_up(self) -> None:
        """Close every line once what was said on it has left, or soon after."""
        for line in self._peers.values():
            line.abort()
        self._empty.clear()
        for entrance in self._entrances:
            entrance.close()
        if self._entrances:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), _LAST_WORDS_S)
        for entrance in self._entrances:
            entrance.abort()

    # -- the node's outbox --------------------------------------------------------------------------

    def send(self, group: int, message: Message) -> None:
        """See `Outbox`: leaves now."""
        to = message.to
        if to not in self._cuts.to:
            self._peers[to].send(frame(PeerWord(group, message)))

    def complete(self, request: int, reply: Reply) -> None:
        """See `Outbox`: leaves with the next `flush`."""
        asked = self._open.pop(request, None)
        if asked is None:
            return
        entrance, number = asked
        try:
            data = frame(Answer(number, reply))
        except FrameTooLarge as error:
            data = frame(Answer(number, unknown("Internal", f"the answer cannot be sent: {error}")))
        if entrance.answer(data):
            self._answered.append(entrance)

    def flush(self) -> None:
        """Send every answer given so far."""
        answered, self._answered = self._answered, []
        for entrance in answered:
            entrance.flush()

    # -- the house of the lines -----------------------------------------------------------------------

    def arrived(self, entrance: Entrance) -> str:
        """See `House`."""
        self._entrances[entrance] = None
        if len(self._entrances) > ENTRANCES_MAX:
            return f"{ENTRANCES_MAX} lines are open already"
        return ""

    def left(self, entrance: Entrance) -> None:
        """See `House`."""
        del self._entrances[entrance]
        if not self._entrances:
            self._empty.set()

    def hello_to(self, peer: str) -> Hello:
        """See `House`."""
        return Hello(
            version=PROTOCOL_VERSION,
            kind="peer",
            cluster=self._config.cluster,
            node=self._name,
            incarnation=self._config.node.incarnation,
            to=peer,
        )

    def refusal(self, hello: Hello) -> str:
        """See `House`."""
        if hello.version != PROTOCOL_VERSION:
            return f"protocol version {hello.version}, this node speaks {PROTOCOL_VERSION}"
        if hello.cluster != self._config.cluster:
            return f"cluster {hello.cluster!r}, this is a node of {self._config.cluster!r}"
        if hello.to != self._name:
            return f"this is {self._name}, and {hello.to} was meant"
        if hello.kind == "peer" and hello.node not in self._peers:
            return f"{hello.node} is no peer of {self._name}"
        return ""

    def heard_from(self, peer: str) -> None:
        """See `House`."""
        self._peers[peer].try_now()

    def take_message(self, peer: str, group: int, message: Message) -> None:
        """See `House`."""
        if peer not in self._cuts.sender:
            self._inbox.append((None, group, message))
            self._request_turn()

    def take_request(self, entrance: Entrance, number: int, request: Request) -> None:
        """See `House`."""
        self._requests += 1
        self._open[self._requests] = (entrance, number)
        self._inbox.append((entrance, self._requests, request))
        self._request_turn()

    # -- turns ------------------------------------------------------------------------------------------

    def _request_turn(self) -> None:
        if not self._turn_due:
            self._turn_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Hand over what came, let the node work, send the answers, set the timer."""
        self._turn_due = False
        inbox, self._inbox = self._inbox, []
        node = self._node
        if node is None:
            return
        try:
            now_ns = self.now_ns()
            for entrance, number, word in inbox:
                if entrance is None:
                    node.receive(number, word, now_ns)
                elif word.kind in self._surroundings:
                    self.complete(number, self._change_surroundings(word))
                    now_ns = self.now_ns()
                else:
                    node.request(number, word, now_ns)
            if node.deadline_ns(now_ns) <= now_ns:
                node.wake(now_ns)
            else:
                node.work(now_ns)
            self.flush()
            self._set_timer(node)
        except Exception as error:  # noqa: BLE001 - whatever a node raises ends it; `serve` raises it again
            self.flush()
            self._node = None
            if not self._ended.done():
                self._ended.set_exception(error)

    def _set_timer(self, node: ServedNode) -> None:
        """See that a turn comes when the node needs to wake. A timer that is too early is left: it costs less."""
        now_ns = self.now_ns()
        deadline_ns = node.deadline_ns(now_ns)
        if deadline_ns <= now_ns:
            self._request_turn()
            return
        if self._timer is not None:
            if self._timer_ns <= deadline_ns:
                return
            self._timer.cancel()
        self._timer_ns = deadline_ns
        self._timer = self._loop.call_at(self._clock.world_ns(deadline_ns) / 1e9, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._request_turn()

    # -- links and clock ------------------------------------------------------------------------------------

    def _change_surroundings(self, request: Request) -> Reply:
        """Carry out what the harness asks of the shell rather than of the node (`cluster.node.requests`)."""
        if not self._config.node.crash_points:
            return refused("PermissionDenied", "this node was started without crash points")
        try:
            self._surroundings[request.kind](request.body)
        except msgspec.ValidationError as error:
            return refused("InvalidArgument", f"{request.kind}: {error}")
        return ok()

    def _cut(self, body: dict[str, Any]) -> None:
        self._cuts = msgspec.convert(body, Cuts)

    def _heal(self, body: dict[str, Any]) -> None:
        self._cuts = Cuts()

    def _run_at_rate(self, body: dict[str, Any]) -> None:
        """Change the clock's rate; a timer that was set at the old one is set anew at the end of the turn."""
        self._clock.set_drift(msgspec.convert(body, ClockRate).drift_ppm, time.monotonic_ns())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
