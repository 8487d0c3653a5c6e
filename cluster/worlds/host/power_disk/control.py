"""The daemon's control socket: a thread that obeys the harness, and ends the daemon when the harness is gone.

Standard input is a pipe whose other end the harness holds; the kernel closes it when the harness dies, however it dies.
"""

from __future__ import annotations

import os
import random
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import msgspec

from cluster.worlds.host.power_disk.messages import (
    Fail,
    Heal,
    Ledger,
    Limit,
    PowerLoss,
    PowerOn,
    Reply,
    Request,
    Status,
    StatusReply,
)
from cluster.worlds.host.power_disk.operations import Operations
from cluster.worlds.host.power_disk.socket_name import short_name

__all__ = ["Control"]

_ASK_AGAIN_S = 0.05


class Control:
    """See the module. `begin` starts it, once the mount answers."""

    def __init__(self, path: str) -> None:
        """Listen at `path`, a name in a directory that nobody else can enter."""
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with short_name(Path(path)) as name:
            self._listener.bind(name)
        self._listener.listen()
        self._operations: Operations | None = None

    def begin(self, operations: Operations) -> None:
        """Obey from now on, and say so on standard output."""
        self._operations = operations
        threading.Thread(target=self._run, daemon=True).start()
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for FUSE's loop
        with selectors.DefaultSelector() as waiting:
            waiting.register(sys.stdin.fileno(), selectors.EVENT_READ)
            waiting.register(self._listener, selectors.EVENT_READ)
            while True:
                for key, _ in waiting.select():
                    if key.fileobj is self._listener:
                        self._serve(self._listener.accept()[0])
                    elif not os.read(sys.stdin.fileno(), 1):
                        self._end()

    def _serve(self, connection: socket.socket) -> None:
        """Answer one request of one connection."""
        with connection, connection.makefile("rwb") as lines:
            line = lines.readline()
            if not line:
                return
            try:
                request = msgspec.json.decode(line, type=Request)
                value = msgspec.json.encode(self._obey(request))
                mistake = self._operations.mistake if self._operations else ""
                reply = Reply(mistake, msgspec.Raw(value))
            except Exception:  # noqa: BLE001 - whatever it is, the harness hears of it and the daemon can still end
                reply = Reply(error=traceback.format_exc())
            lines.write(msgspec.json.encode(reply) + b"\n")

    def _obey(self, request: Request) -> Any:
        operations = self._operations
        assert operations is not None
        with operations.alone:
            volume = operations.volume
            match request:
                case PowerLoss(None):
                    volume.power_loss(None)
                case PowerLoss(seed):
                    volume.power_loss(random.Random(seed).randrange)  # noqa: S311 - nobody must not guess it
                case PowerOn():
                    volume.power_on()
                case Fail(fault):
                    volume.device.faults.append(fault)
                    operations.healed.clear()
                case Heal():
                    volume.device.faults.clear()
                    volume.device.room_bytes = 0
                    operations.healed.set()
                case Limit(room_bytes):
                    volume.device.room_bytes = room_bytes
                case Ledger(since):
                    return volume.recorder.since(since)
                case Status():
                    return StatusReply(volume.off, volume.losses, volume.written_back)
        return None

    def _end(self) -> None:
        """Unmount and end. Asked again, because a signal between two requests of FUSE's loop wakes nobody."""
        assert self._operations is not None
        self._operations.healed.set()
        while True:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(_ASK_AGAIN_S)
