"""Damage to files of a node that is down: what is hit is chosen here, once for all worlds; nothing here touches a disk.

A `Tree` is a node's data directory as a world sees it (`sim.files`, `host.files`). What was written reaches the medium first:
damage is done to stable storage, and no later power loss undoes it. Choices are drawn from the damage's own seed, so that a
replay hits the same bits of the same files.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Protocol

from cluster.worlds.errors import WorldFailed
from cluster.worlds.tape import Stream
from cluster.worlds.world import FileDamage, World

__all__ = ["DamageImpossible", "Damager", "Tree", "must_be_down"]


class DamageImpossible(WorldFailed):
    """The disk has nothing like that: the scenario names a file that is not there, or a copy that was never kept."""


class Tree(Protocol):
    """The files below one data directory. Paths are relative, ``/``-separated; ``""`` is the directory itself."""

    def files(self) -> dict[str, int]:
        """Return path and size in bytes of every file."""

    def flip(self, path: str, offset: int, bit: int) -> None:
        """Invert one bit of the byte at `offset`."""

    def truncate(self, path: str, size: int) -> None:
        """Cut a file to its first `size` bytes."""

    def keep(self, path: str) -> None:
        """Put a copy of a file or directory aside, in place of an earlier copy of the same."""

    def restore(self, path: str) -> None:
        """Let a file or directory be what it was when it was kept, whatever is there now."""

    def remove(self, path: str) -> None:
        """Remove a file, or everything below a directory."""


class Damager:
    """Damages one tree; remembers what was kept. A swap of two disks is the world's business."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._kept: dict[str, str] = {}
        """Pattern -> the file or directory that it meant when it was kept."""

    def damage(self, damage: FileDamage) -> dict[str, Any]:
        """Do what `damage` says (any kind but ``swap``); return it as data. Raises DamageImpossible."""
        done = {
            "flip": self._flip,
            "truncate": self._truncate,
            "keep": self._keep,
            "stale": self._stale,
            "wipe": self._wipe,
        }[damage.kind](damage)
        return {"kind": damage.kind, **done}

    def _flip(self, damage: FileDamage) -> dict[str, Any]:
        """Draw distinct bits of all files meant, as if they were one, in order of their names."""
        _, sizes = self._meant(damage.path)
        bits_left = 8 * sum(sizes.values())
        if bits_left < damage.count:
            raise DamageImpossible(
                f"{damage.path!r} has {bits_left} bits, not {damage.count} to flip"
            )
        draw = Stream("damage", damage.seed)
        chosen: dict[int, None] = {}
        while len(chosen) < damage.count:
            chosen[draw.below(bits_left)] = None
        flipped = [_locate(sizes, bit) for bit in sorted(chosen)]
        for path, offset, bit in flipped:
            self._tree.flip(path, offset, bit)
        return {"bits": flipped}

    def _truncate(self, damage: FileDamage) -> dict[str, Any]:
        """Cut the last file meant that has anything to cut."""
        _, sizes = self._meant(damage.path)
        path = next((path for path in reversed(sizes) if sizes[path]), None)
        if path is None:
            raise DamageImpossible(f"{damage.path!r} is empty: there is nothing to cut off")
        size = max(0, sizes[path] - damage.count)
        self._tree.truncate(path, size)
        return {"path": path, "before_bytes": sizes[path], "after_bytes": size}

    def _keep(self, damage: FileDamage) -> dict[str, Any]:
        root, sizes = self._meant(damage.path)
        self._tree.keep(root)
        self._kept[damage.path] = root
        return {"path": root, "files": len(sizes)}

    def _stale(self, damage: FileDamage) -> dict[str, Any]:
        root = self._kept.get(damage.path)
        if root is None:
            kept = ", ".join(map(repr, self._kept)) or "nothing"
            raise DamageImpossible(f"no copy of {damage.path!r} was kept; kept: {kept}")
        self._tree.restore(root)
        return {"path": root}

    def _wipe(self, damage: FileDamage) -> dict[str, Any]:
        root, sizes = self._meant(damage.path)
        self._tree.remove(root)
        return {"path": root, "files": len(sizes)}

    def _meant(self, pattern: str) -> tuple[str, dict[str, int]]:
        """Return what `pattern` means: a file or directory, and its files with their sizes, in order of names."""
        sizes = dict(sorted(self._tree.files().items()))
        if not pattern:
            return "", sizes
        parts = pattern.split("/")
        for path in sizes:
            names = path.split("/")[: len(parts)]
            if len(names) == len(parts) and all(map(fnmatchcase, names, parts)):
                root = "/".join(names)
                below = f"{root}/"
                return root, {
                    path: size
                    for path, size in sizes.items()
                    if path == root or path.startswith(below)
                }
        there = ", ".join(list(sizes)[:10]) or "nothing"
        raise DamageImpossible(f"no file matches {pattern!r}; there is {there}")


def must_be_down(world: World, node: str, damage: FileDamage) -> list[str]:
    """Return the nodes whose disks `damage` of `node` hits. Raises WorldFailed when one runs, or is not there."""
    hit = [node, damage.other] if damage.kind == "swap" else [node]
    for name in hit:
        if name not in world.nodes:
            raise WorldFailed(f"there is no node {name!r} whose disk could be exchanged")
        if world.running(name):
            raise WorldFailed(f"{name} runs: kill it before its files are damaged")
    return hit


def _locate(sizes: dict[str, int], bit: int) -> tuple[str, int, int]:
    """Return (path, offset, bit of the byte) of bit number `bit` of all files in a row."""
    offset, of_byte = divmod(bit, 8)
    for path, size in sizes.items():
        if offset < size:
            return path, offset, of_byte
        offset -= size
    raise AssertionError("the caller draws below the number of bits")
