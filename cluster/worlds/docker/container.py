"""One life of a node in its container: the container runs while the node does. Implements `cluster.worlds.real.host.Life`.

Signals go straight to the process, which the host sees like any other (some microseconds instead of the 20 to 200 ms of the
daemon), and so does the news of its end. The exit code is the kernel's to tell; where it is too old for that, the daemon's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.worlds.docker.exit_status import exit_code_of
from cluster.worlds.errors import WorldFailed
from cluster.worlds.real.host import Ended

if TYPE_CHECKING:
    from docker.models.containers import Container

__all__ = ["ContainerLife"]

_ASK_KERNEL_TIMES = 100
_ASK_KERNEL_EVERY_S = 0.001
"""The kernel tells once the container's shim, the parent, has asked: within a millisecond or so."""
_SIGNALLED = 128
"""Docker's exit code of a process that a signal ended is this and the signal's number; so is the one with which the first process
of a container ends itself, which no signal of its own can kill."""


class ContainerLife:
    """The process of a container that was just started. Make it inside the event loop."""

    def __init__(self, container: Container, ended: Ended) -> None:
        """`container` has been started and its attributes are fresh. Raises WorldFailed when its process is not ours to see."""
        self.pid = int(container.attrs["State"]["Pid"])
        self.exit_code: int | None = None
        self._container = container
        self._ended = ended
        self._gone = asyncio.Event()
        self._finishing: asyncio.Task[None] | None = None
        self._descriptor = _open(self.pid, str(container.id))
        if self._descriptor < 0:
            self._finishing = asyncio.create_task(self._finish(time.monotonic_ns()))
        else:
            asyncio.get_running_loop().add_reader(self._descriptor, self._exited)

    async def signal(self, number: signal.Signals) -> None:
        """See `Life`. A process that has just ended gets no signal, and `wait` will say so."""
        if self._descriptor >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    async def wait(self, timeout_s: float | None = None) -> int | None:
        """See `Life`."""
        try:
            await asyncio.wait_for(self._gone.wait(), timeout_s)
        except TimeoutError:
            return None
        return self.exit_code

    def _exited(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        self._finishing = asyncio.create_task(self._finish(time.monotonic_ns()))

    async def _finish(self, ended_ns: int) -> None:
        code = await self._kernel_says()
        if code is None:
            code = int((await asyncio.to_thread(self._container.wait))["StatusCode"])
        self.exit_code = _SIGNALLED - code if code > _SIGNALLED else code
        self._ended(self.exit_code, ended_ns)
        self._gone.set()

    async def _kernel_says(self) -> int | None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return None
        try:
            for _ in range(_ASK_KERNEL_TIMES):
                code = exit_code_of(descriptor)
                if code is not None:
                    return code
                await asyncio.sleep(_ASK_KERNEL_EVERY_S)
        finally:
            os.close(descriptor)
        return None


def _open(pid: int, container: str) -> int:
    """Return a descriptor of process `pid` of `container`, or -1 when it is gone. Raises WorldFailed when it is a stranger's."""
    if pid == 0:
        return -1
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return -1
    try:
        groups = Path(f"/proc/{pid}/cgroup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        os.close(descriptor)
        return -1
    if container in groups:
        return descriptor
    os.close(descriptor)
    raise WorldFailed(
        f"the daemon says that process {pid} is the node, and here that is another one: "
        "the harness must run where the daemon does, in the same namespace of processes"
    )
