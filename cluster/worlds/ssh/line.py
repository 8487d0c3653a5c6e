"""The harness's end of a keeper: calls and their answers, what the node writes, and the news of its end.

A thread reads; what the node writes goes to its folder of the run at once, so that it is there before anybody hears of its
end. Calls may come from the event loop or from any thread. A second thread asks for the host's clock once a second, which
is a reading for `clocks` and the sign of life that keeps the lease.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from cluster.worlds.errors import WorldFailed, WorldMissing
from cluster.worlds.ssh.bundles import Bundles, HostPython, launch_script
from cluster.worlds.ssh.clocks import HostClock
from cluster.worlds.ssh.connection import HostConnection
from cluster.worlds.ssh.messages import (
    Answer,
    Call,
    Ended,
    Frames,
    Piece,
    ToHarness,
    ToKeeper,
    framed,
)

__all__ = ["KeeperLine"]

_READ_BYTES = 1 << 16
_BEAT_EVERY_S = 1.0
_BEAT_TIMEOUT_S = 30.0
_FIRST_READINGS = 8
_CALL_TIMEOUT_S = 120.0
_ERROR_BYTES = 4096

Hear = Callable[[Piece | Ended], None]
"""Told in the thread that reads."""


class KeeperLine:
    """A keeper that runs. Raises WorldMissing and WorldFailed, in one line that names the host."""

    def __init__(
        self,
        connection: HostConnection,
        python: HostPython,
        bundles: Bundles,
        hear: Hear,
        lost: Callable[[str], None],
    ) -> None:
        """Start a keeper on the host of `connection`, which is closed with it; `lost` is told why the line broke."""
        self.place = connection.place
        self.address = connection.address
        self._connection = connection
        self._hear = hear
        self._lost = lost
        self._numbers = itertools.count(1)
        self._open: dict[int, Future[Any]] = {}
        self._guard = threading.Lock()
        self._sending = threading.Lock()
        self._broken = ""
        self._closing = threading.Event()
        self._channel = self._connection.open(launch_script(python, bundles))
        threading.Thread(target=self._read, name=f"reads {self.place.shown}", daemon=True).start()
        self.call("read_clock")

    def call(self, act: str, timeout_s: float = _CALL_TIMEOUT_S, **arguments: Any) -> Any:
        """Have the keeper do `act` and return what it answers. Blocks."""
        try:
            return self._ask(act, arguments).result(timeout_s)
        except TimeoutError:
            raise WorldFailed(
                f"{self.place.shown}: no answer to {act!r} in {timeout_s:g} s"
            ) from None

    async def ask(self, act: str, **arguments: Any) -> Any:
        """As `call`, for the event loop."""
        return await asyncio.wrap_future(self._ask(act, arguments))

    def follow_clock(self, clock: HostClock) -> None:
        """Take first readings for `clock`, and one a second from now on. Blocks for the first."""
        for _ in range(_FIRST_READINGS):
            self._beat(clock)
        threading.Thread(
            target=self._beats, args=(clock,), name=f"beats {self.place.shown}", daemon=True
        ).start()

    def send_file(self, file: Path, name: str) -> None:
        """Send the content of `file` as pieces of `name`. Blocks."""
        with file.open("rb") as content:
            while data := content.read(_READ_BYTES):
                self._send(Piece(name, data))

    def close(self) -> None:
        """Let go of the keeper, which then ends its node; a second call does nothing."""
        self._closing.set()
        self._connection.close()

    def _ask(self, act: str, arguments: dict[str, Any]) -> Future[Any]:
        number = next(self._numbers)
        future: Future[Any] = Future()
        with self._guard:
            if self._broken:
                raise WorldFailed(self._broken)
            self._open[number] = future
        self._send(Call(number, act, arguments))
        return future

    def _send(self, message: ToKeeper) -> None:
        with self._sending:
            try:
                self._channel.sendall(framed(message))
            except (OSError, EOFError) as error:
                if not self._broken:
                    raise WorldFailed(f"{self.place.shown} hears nothing: {error}") from error

    def _read(self) -> None:
        frames = Frames(ToHarness)
        why = ""
        try:
            while data := self._channel.recv(_READ_BYTES):
                for message in frames.feed(data):
                    self._take(message)
        except (OSError, EOFError, ValueError) as error:
            why = str(error)
        self._break(why)

    def _take(self, message: ToHarness) -> None:
        if not isinstance(message, Answer):
            self._hear(message)
            return
        with self._guard:
            future = self._open.pop(message.number)
        if not message.failed:
            _settle(future, lambda: future.set_result(message.value))
            return
        what = f"{self.place.shown}: {message.failed}"
        error = WorldMissing(what, message.remedy) if message.remedy else WorldFailed(what)
        _settle(future, lambda: future.set_exception(error))

    def _break(self, why: str) -> None:
        """The keeper is gone: whoever waits for it hears why."""
        said = self._channel.recv_stderr(_ERROR_BYTES).decode(errors="replace").strip()
        reason = why or said.rpartition("\n")[2] or "the connection is gone"
        error = WorldFailed(f"the keeper on {self.place.shown} is lost: {reason}")
        with self._guard:
            self._broken = str(error)
            waiting = list(self._open.values())
            self._open.clear()
        for future in waiting:
            _settle(future, lambda future=future: future.set_exception(error))  # type: ignore[misc]
        if not self._closing.is_set():
            self._lost(str(error))

    def _beats(self, clock: HostClock) -> None:
        while not self._closing.wait(_BEAT_EVERY_S):
            try:
                self._beat(clock)
            except WorldFailed as failure:
                if not self._closing.is_set():
                    self._lost(str(failure))
                return

    def _beat(self, clock: HostClock) -> None:
        sent_ns = time.monotonic_ns()
        host_ns = self.call("read_clock", _BEAT_TIMEOUT_S)
        clock.learn(sent_ns, host_ns, time.monotonic_ns())


def _settle(future: Future[Any], settle: Callable[[], None]) -> None:
    """Settle a future that its waiter may have given up."""
    if future.set_running_or_notify_cancel():
        settle()
