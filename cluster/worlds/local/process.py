"""One node and its processes: started, signalled, waited for, and why they ended. Knows nothing of clusters."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cluster
from cluster.client import NodeConnection
from cluster.node.replica import NodeHalted
from cluster.node.requests import CrashOrder

__all__ = ["LocalNode", "NodeProcess", "cause_of_death", "log_tail"]

_TAIL_BYTES = 4096


class NodeProcess:
    """A running ``python -m cluster.node.main``; it gets a process group of its own, so Ctrl-C hits only us."""

    def __init__(self, config: Path, log: Path, on_exit: Callable[[int], None]) -> None:
        """Start it. `on_exit` is called once in the event loop with the exit code (-9: killed by signal 9)."""
        self.intent = ""
        """Why the harness ended it: kill, power, stop; ``""``: it did not."""
        self.paused = False
        self.exit_code: int | None = None
        self.log_start = log.stat().st_size if log.exists() else 0
        self._on_exit = on_exit
        root = str(Path(cluster.__file__).parent.parent)
        inherited = os.environ.get("PYTHONPATH")
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "cluster.node.main", "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=config.parent,
                env={**os.environ, "PYTHONPATH": f"{root}:{inherited}" if inherited else root},
                process_group=0,
            )
        self.pid = self._popen.pid
        self._gone = asyncio.Event()
        self._descriptor = os.pidfd_open(self.pid)
        asyncio.get_running_loop().add_reader(self._descriptor, self._exited)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; a process that is gone is left alone."""
        if self.exit_code is None:
            self._popen.send_signal(number)

    async def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait until it is gone; returns its exit code, or None after the timeout."""
        try:
            await asyncio.wait_for(self._gone.wait(), timeout_s)
        except TimeoutError:
            return None
        return self.exit_code

    def destroy(self) -> None:
        """Kill it without an event loop: the harness itself is ending."""
        if self.exit_code is None:
            self._popen.kill()
            self._popen.wait()

    def _exited(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        self.exit_code = self._popen.wait()
        self._gone.set()
        self._on_exit(self.exit_code)


def log_tail(log: Path, start: int = 0) -> str:
    """The last lines of a log file, of what was written from byte `start` on."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - _TAIL_BYTES))
        return file.read().decode(errors="replace").strip()


class LocalNode:
    """One node's place in a world: its files, and what outlives its processes."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.log = directory / "node.log"
        self.data = directory / "data"
        self.process: NodeProcess | None = None
        self.incarnation = 0
        self.changes: dict[str, Any] = {}
        """What its configuration differs in from the others'."""
        self.orders: list[CrashOrder] = []
        """Orders given while the node was down: they hold from its next start on."""
        self.exit_code: int | None = None
        self.line: NodeConnection | None = None
        """The world's own line to the node."""


def cause_of_death(process: NodeProcess, log: Path, strike: str) -> tuple[str, str]:
    """Why a process is gone (the words of `cluster.trace.Stopped`), and its last line where that says more.

    `strike` is the action of the crash point it met, ``""`` for none.
    """
    last_line = log_tail(log, process.log_start).rpartition("\n")[2]
    if process.exit_code == NodeHalted.exit_code:
        return "halt", last_line
    if process.exit_code == -signal.SIGKILL:
        return process.intent or strike or "kill", ""
    if process.exit_code == 0 or (process.intent, process.exit_code) == ("stop", -signal.SIGTERM):
        return "stop", ""
    return "error", last_line
