"""The guard of a keeper: a process that does nothing until the keeper is gone, and then undoes what it has left on the host.

A keeper undoes everything itself, whatever becomes of its harness. One that is killed cannot: its packet filters would stand,
and its host be cut off, until somebody comes. The guard waits for the end of a pipe that only the keeper holds, so that the
kernel itself tells of its death. ``python -m cluster.worlds.ssh.guard``.
"""

from __future__ import annotations

import subprocess
import sys
import time

from cluster.worlds.host.power_disk.power_disk import remove_stale, unmount_stale
from cluster.worlds.host.repairs import changes_directory, repair
from cluster.worlds.local.leftovers import end_leftovers, lists_directory

__all__ = ["Guard", "main"]

_SETTLE_S = 0.2
"""Until the kernel has taken the keeper's children along."""
_END_S = 5.0


class Guard:
    """The guard of this process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cluster.worlds.ssh.guard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """End it: nothing is left to be undone. A second call does nothing."""
        self._process.kill()
        self._process.wait(_END_S)
        assert self._process.stdin is not None
        self._process.stdin.close()


def main() -> None:
    """Wait for the death of the keeper, and undo."""
    sys.stdin.buffer.read()
    time.sleep(_SETTLE_S)
    end_leftovers(lists_directory())
    repair(changes_directory())
    unmount_stale()
    remove_stale()


if __name__ == "__main__":
    main()
