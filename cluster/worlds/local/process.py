"""One node as a process of this machine: started, signalled, waited for. Knows nothing of clusters."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import cluster
from cluster.worlds.real.host import Ended

__all__ = ["NodeProcess"]


class NodeProcess:
    """A running ``python -m cluster.node.main``; it gets a process group of its own, so Ctrl-C hits only us.

    Implements `cluster.worlds.real.host.Life`.
    """

    def __init__(
        self, config: Path, log: Path, ended: Ended, environment: Mapping[str, str]
    ) -> None:
        """Start it in the folder of `config`, what it says going to `log`; `environment` is added to ours."""
        self.exit_code: int | None = None
        self._ended = ended
        root = str(Path(cluster.__file__).parent.parent)
        inherited = os.environ.get("PYTHONPATH")
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "cluster.node.main", "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=config.parent,
                env={
                    **os.environ,
                    "PYTHONPATH": f"{root}:{inherited}" if inherited else root,
                    **environment,
                },
                process_group=0,
            )
        self.pid = self._popen.pid
        self._gone = asyncio.Event()
        self._descriptor = os.pidfd_open(self.pid)
        asyncio.get_running_loop().add_reader(self._descriptor, self._exited)

    async def signal(self, number: signal.Signals) -> None:
        """See `Life`."""
        if self.exit_code is None:
            self._popen.send_signal(number)

    async def wait(self, timeout_s: float | None = None) -> int | None:
        """See `Life`."""
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
        self._ended(self.exit_code, time.monotonic_ns())
        self._gone.set()
