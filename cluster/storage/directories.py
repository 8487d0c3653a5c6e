"""Making directories durably: one rule, used by everything that owns a directory."""

from __future__ import annotations

from cluster.storage.disk import Disk

__all__ = ["make_directories", "parent_of"]


def parent_of(path: str) -> str:
    """The directory that holds `path`; ``""`` is the root."""
    return path.rpartition("/")[0]


def make_directories(disk: Disk, path: str) -> None:
    """Make `path` and every missing directory above it exist, durably.

    A level that exists already is synced too: an earlier life may have died between making it and
    syncing its parent.
    """
    made = ""
    for name in path.split("/") if path else ():
        parent, made = made, f"{made}/{name}" if made else name
        if not disk.exists(made):
            disk.mkdir(made)
        disk.fsync_dir(parent)
