"""One node as a process: ``python -m cluster.node.main --config FILE``.

The only room that ends a process. How it ends is an interface (specification §4.1):

====  ============================================================================================
0     asked to stop (SIGTERM), and stopped cleanly
1     refused to start, or its disk failed: one line on standard error says what and who is at fault
2     the configuration is wrong; nothing was touched
70    a mistake in this program; the traceback is on standard error
78    a replica halted: the last line of standard error is one JSON object
-9    killed, or an armed crash point struck
====  ============================================================================================
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import importlib
import os
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any

from cluster.machine.parts import Parts
from cluster.node.failures import REFUSALS
from cluster.node.node import Node
from cluster.node.process_config import ConfigRefused, ProcessConfig, read_process_config
from cluster.node.replica import NodeHalted
from cluster.node.requests import CrashOrder
from cluster.node.server import Server
from cluster.node.trace_file import TraceFile
from cluster.storage.mounted_disk import MountedDisk
from cluster.storage.real_disk import RealDisk

__all__ = ["EXIT_CONFIG", "EXIT_MISTAKE", "EXIT_REFUSED", "main"]

EXIT_REFUSED = 1
EXIT_CONFIG = 2
EXIT_MISTAKE = 70

_PR_SET_PDEATHSIG = 1
_SIGNALLED = 128
"""What shells and containers add to the number of a signal to make it an exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a node until it ends; returns the exit code of the table above."""
    parser = argparse.ArgumentParser(
        prog="python -m cluster.node.main", description="Run one node."
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="its configuration, JSON")
    path = parser.parse_args(arguments).config
    try:
        config = read_process_config(path)
        parts = _parts(config.parts)
    except ConfigRefused as error:
        return _last_line(f"configuration refused: {error}", EXIT_CONFIG)
    name = config.node.name
    if not _tie_to_parent(config.parent):
        return _last_line(f"{name}: the harness that started this node is gone", EXIT_REFUSED)
    try:
        asyncio.run(_run(config, parts))
    except NodeHalted as halt:
        return _last_line(halt.line, halt.exit_code)
    except REFUSALS as error:
        return _last_line(f"{name}: {type(error).__name__}: {error}", EXIT_REFUSED)
    except Exception:  # noqa: BLE001 - shown in full, and told apart by its exit code
        return _last_line(traceback.format_exc().rstrip(), EXIT_MISTAKE)
    return 0


async def _run(config: ProcessConfig, parts: Parts) -> None:
    """Open the node, serve it, close it. Whatever it raises has released lock and port before."""
    loop = asyncio.get_running_loop()
    server = Server(config, lambda text: _write_line(f"{config.node.name}: {text}"))
    loop.add_signal_handler(signal.SIGTERM, server.stop)
    disk = (
        MountedDisk(config.data)
        if config.mounted
        else RealDisk(config.data, undo_log=config.undo_log)
    )
    trace = TraceFile(config.trace, config.run_start_ns) if config.trace else None
    node = Node.open(
        config.node,
        disk=disk,
        parts=parts,
        outbox=server,
        strike=_Strike(disk, server),
        sink=trace,
        orders=config.orders,
        below=secrets.randbelow,
        now_ns=server.now_ns(),
        wall_ns=time.time_ns,
    )
    gc.freeze()
    try:
        await server.serve(node)
    except BaseException:
        node.abandon()
        raise
    node.close()


class _Strike:
    """What an armed crash point does to a real process. See `cluster.node.crash_points.Strike`."""

    def __init__(self, disk: RealDisk, server: Server) -> None:
        self._disk = disk
        self._server = server

    def __call__(self, order: CrashOrder) -> None:
        self._server.flush()
        if order.action == "stall":
            time.sleep(order.stall_ns / 1e9)
            return
        if order.action == "power":
            self._disk.roll_back(None)
        os.kill(os.getpid(), signal.SIGKILL)
        # The first process of a container is deaf to its own signals; to disk and network this is the same end.
        os._exit(_SIGNALLED + signal.SIGKILL)


def _parts(words: Sequence[str]) -> Parts:
    """Return the parts that `words` (module, callable, arguments) make. Raises ConfigRefused."""
    try:
        module, name, *arguments = words
        factory: Any = getattr(importlib.import_module(module), name)
        parts = factory(*arguments)
    except (ValueError, TypeError, ImportError, AttributeError) as error:
        raise ConfigRefused(f"parts {words!r}: {error}") from error
    if not isinstance(parts, Parts):
        raise ConfigRefused(f"parts {words!r} made {type(parts).__name__}")
    return parts


def _tie_to_parent(parent: int) -> bool:
    """Ask the kernel to kill this process when `parent` dies; False when it is dead already."""
    if parent == 0:
        return True
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    return os.getppid() == parent


def _last_line(text: str, exit_code: int) -> int:
    _write_line(text)
    return exit_code


def _write_line(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
