"""Wall clocks of local nodes that can be set wrong: one clock file for each node, one library for all.

See `cluster.worlds.host.clock_library`. The file lies in the node's folder of the run as ``clock``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cluster.worlds.errors import WorldFailed
from cluster.worlds.host.clock_library import ClockFile, built_library, environment
from cluster.worlds.local.leftovers import lists_directory

__all__ = ["WallClocks"]


class WallClocks:
    """The clocks of a world's nodes, by name."""

    def __init__(self) -> None:
        self._environments: dict[str, dict[str, str]] = {}
        self._files: dict[str, ClockFile] = {}

    def open(self, folders: Mapping[str, Path]) -> None:
        """Make a right clock in every folder. Raises WorldMissing without a C compiler."""
        library = built_library(lists_directory() / "libraries")
        for name, folder in folders.items():
            self._files[name] = ClockFile(folder / "clock")
            self._environments[name] = environment(library, folder / "clock")

    def environment(self, node: str) -> dict[str, str]:
        """What a node's process must find in its environment; nothing where clocks cannot be set."""
        return self._environments.get(node, {})

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
