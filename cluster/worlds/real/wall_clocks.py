"""Wall clocks of real nodes that can be set wrong; see `cluster.worlds.host.clock_library`.

In each node's folder of the run lie ``clock``, its clock file, and ``clock.so``, a copy of the library: wherever the folder appears
to the node, the two are found there.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from cluster.worlds.errors import WorldFailed
from cluster.worlds.host.clock_library import ClockFile, built_library, environment
from cluster.worlds.local.leftovers import lists_directory

__all__ = ["WallClocks"]


class WallClocks:
    """The clocks of a world's nodes, by name."""

    def __init__(self) -> None:
        self._files: dict[str, ClockFile] = {}

    def open(self, folders: Mapping[str, Path]) -> None:
        """Make a right clock in every folder. Raises WorldMissing without a C compiler."""
        library = built_library(lists_directory() / "libraries")
        for name, folder in folders.items():
            self._files[name] = ClockFile(folder / "clock")
            shutil.copy(library, folder / "clock.so")
            for file, mode in (("clock", 0o644), ("clock.so", 0o755)):
                (folder / file).chmod(mode)

    @staticmethod
    def environment(home: str) -> dict[str, str]:
        """What the process of a node whose folder appears to it as `home` must find in its environment."""
        return environment(f"{home}/clock.so", f"{home}/clock")

    def set(self, node: str, offset_ns: int, drift_ppm: int) -> None:
        """See `ClockFile.set`. Raises WorldFailed for a world that was not started for it."""
        if node not in self._files:
            raise WorldFailed(
                f"the wall clock of {node} cannot be set: the world was not started for it"
            )
        self._files[node].set(offset_ns, drift_ppm)

    def close(self) -> None:
        """Let go of the files; a second call does nothing."""
        while self._files:
            self._files.popitem()[1].close()
