"""One node as a world of real nodes knows it: its folder, what outlives its processes, and why they ended."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from cluster.client import NodeConnection
from cluster.node.replica import NodeHalted
from cluster.node.requests import CrashOrder
from cluster.worlds.real.host import Life

__all__ = ["RealNode", "cause_of_death", "log_tail"]

_TAIL_BYTES = 4096


class RealNode:
    """One node's place in a world."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.log = directory / "node.log"
        self.trace = directory / "trace.jsonl"
        self.launching = asyncio.Lock()
        """Held while a process is being started: whoever wants to end it waits until it can be ended."""
        self.life: Life | None = None
        self.intent = ""
        """Why the harness ended this life: kill, power, stop; ``""``: it did not."""
        self.paused = False
        self.served = False
        """Whether this life has come so far that it can be asked to stop."""
        self.log_start = 0
        """Where the log of this life begins."""
        self.incarnation = 0
        self.changes: dict[str, Any] = {}
        """What its configuration differs in from the others'."""
        self.drift_ppm = 0
        """How much too fast its monotonic clock runs, in this life and the next."""
        self.orders: list[CrashOrder] = []
        """Orders given while the node was down: they hold from its next start on."""
        self.exit_code: int | None = None
        self.line: NodeConnection | None = None
        """The world's own line to the node."""

    def begin_life(self) -> None:
        """Forget what belonged to the last life, and count the next."""
        self.incarnation += 1
        self.exit_code = None
        self.intent = ""
        self.paused = False
        self.served = False
        self.log_start = self.log.stat().st_size if self.log.exists() else 0

    async def alive(self) -> Life | None:
        """Its process, or None when it is down; one that is being started is waited for."""
        async with self.launching:
            return self.life

    def last_words(self) -> str:
        """The last lines of what this life wrote to the log."""
        return log_tail(self.log, self.log_start)


def log_tail(log: Path, start: int = 0) -> str:
    """The last lines of a log file, of what was written from byte `start` on."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - _TAIL_BYTES))
        return file.read().decode(errors="replace").strip()


def cause_of_death(node: RealNode, exit_code: int, strike: str) -> tuple[str, str]:
    """Why a life is over (the words of `cluster.trace.Stopped`), and its last line where that says more.

    `strike` is the action of the crash point it met, ``""`` for none.
    """
    last_line = node.last_words().rpartition("\n")[2]
    if exit_code == NodeHalted.exit_code:
        return "halt", last_line
    if exit_code == -signal.SIGKILL:
        return node.intent or strike or "kill", ""
    if exit_code == 0 or (node.intent, exit_code) == ("stop", -signal.SIGTERM):
        return "stop", ""
    return "error", last_line
