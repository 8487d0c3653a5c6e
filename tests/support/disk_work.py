"""Random work on any `Disk`, the tree that is left, and whether the simulated disk could have left it."""

from __future__ import annotations

from itertools import product
from typing import Any

from cluster.storage.disk import SECTOR_BYTES
from cluster.storage.power_loss import change_entries, surviving_content
from cluster.storage.sim_disk import SimDisk
from cluster.storage.sim_nodes import Directory, Inode

__all__ = ["could_have_left", "random_work", "read", "tree"]


def read(disk, path):
    """A file's bytes."""
    file = disk.open(path)
    data = file.read(0, file.size())
    file.close()
    return data


def random_work(disk, draw, steps):
    """The same random operations on any disk; illegal ones are refused by all in the same way."""
    names = ["a", "b", "c", "d/a", "d/b", "e/a", "d", "e", "f"]
    for _ in range(steps):
        path, other = draw.choice(names), draw.choice(names)
        kind = draw.randrange(9)
        offset, length = draw.randrange(1500), draw.randrange(1200)
        sync = draw.random() < 0.4
        try:
            if kind < 4:
                file = disk.open(path, create=kind < 3)
                file.write(offset, bytes([length % 251]) * length) if kind else file.truncate(
                    offset
                )
                if sync:
                    file.fsync()
                file.close()
            elif kind == 4:
                disk.rename(path, other)
            elif kind == 5:
                disk.unlink(path)
            elif kind == 6:
                disk.mkdir(path)
            elif kind == 7:
                disk.rmdir(path)
            else:
                disk.fsync_dir(draw.choice(["", "d", "e"]))
        except OSError:
            continue


def tree(disk, path=""):
    """Every path with its bytes (None: a directory)."""
    found = {}
    for name in disk.list(path):
        at = f"{path}/{name}" if path else name
        try:
            found[at] = read(disk, at)
        except IsADirectoryError:
            found[at] = None
            found |= tree(disk, at)
    return found


def could_have_left(disk: SimDisk, image: dict[str, Any]) -> bool:
    """Whether a power loss of `disk`, as it is now, may leave the tree `image`. Looks at every choice, not at draws."""
    return _directory_allowed(disk._root, "", image)


def _directory_allowed(directory: Directory, path: str, image: dict[str, Any]) -> bool:
    names = {at.rpartition("/")[2] for at in image if at.rpartition("/")[0] == path}
    for choice in product((False, True), repeat=len(directory.operations)):
        entries = dict(directory.durable)
        for kept, operation in zip(choice, directory.operations, strict=True):
            if kept:
                change_entries(entries, operation)
        if entries.keys() == names and all(
            _node_allowed(node, f"{path}/{name}" if path else name, image)
            for name, node in entries.items()
        ):
            return True
    return False


def _node_allowed(node: Any, path: str, image: dict[str, Any]) -> bool:
    if isinstance(node, Directory):
        return image[path] is None and _directory_allowed(node, path, image)
    return image[path] is not None and _content_allowed(node, image[path])


def _content_allowed(inode: Inode, left: bytes) -> bool:
    """Each sector is the durable one or the written one, and the length one of those that either had."""
    written = bytes(inode.content)
    durable = bytes(surviving_content(inode.content, inode.undo, None))
    lengths = {len(durable), min([len(written), *(length for _, _, length, _ in inode.undo)])}
    ends = {
        min(end, len(written))
        for end in range(SECTOR_BYTES, len(written) + SECTOR_BYTES, SECTOR_BYTES)
    }
    if len(left) not in lengths | ends:
        return False
    for first in range(0, len(left), SECTOR_BYTES):
        piece = left[first : first + SECTOR_BYTES]
        allowed = [
            source[first : first + len(piece)].ljust(len(piece), b"\0")
            for source in (durable, written, written[: min(lengths)], durable[: min(lengths)])
        ]
        if piece not in allowed:
            return False
    return True
