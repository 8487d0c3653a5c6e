"""Damage to the disks of real nodes whose data directories lie on this machine; see `cluster.worlds.damage`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.worlds.damage import Damager
from cluster.worlds.host.files import DirectoryTree, swap_directories
from cluster.worlds.world import FileDamage

__all__ = ["Directories"]


class Directories:
    """The data directories of a world's nodes, by name; copies that are kept lie beside them, in ``kept``. Blocking."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        """`folders` are the nodes' folders in the run; the data lie in ``data`` below each."""
        self._data = {name: folder / "data" for name, folder in folders.items()}
        self._damagers = {
            name: Damager(DirectoryTree(folder / "data", folder / "kept"))
            for name, folder in folders.items()
        }

    def damage(self, hit: list[str], damage: FileDamage) -> dict[str, Any]:
        """Damage the disks of the nodes in `hit`, which are down; return what was done. Raises DamageImpossible."""
        for name in hit:
            self._data[name].mkdir(exist_ok=True)
        if damage.kind == "swap":
            swap_directories(*(self._data[name] for name in hit))
            return {"kind": "swap", "nodes": hit}
        return self._damagers[hit[0]].damage(damage)
