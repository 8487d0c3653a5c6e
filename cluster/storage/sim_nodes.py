"""The files and directories of a `SimDisk`: what is visible, what is durable, what lies between.

Here lives the bookkeeping of one node of the tree; the operations on it are `sim_disk`'s, and what a
power loss makes of it is decided in `power_loss`.
"""

from __future__ import annotations

from cluster.storage.power_loss import (
    Below,
    Change,
    Undo,
    surviving_content,
    surviving_entries,
)

__all__ = ["Directory", "Inode", "Node", "copy_directory"]


class Node:
    """A file or directory; `parent` is None once its name is gone."""

    __slots__ = ("doomed", "name", "parent")

    def __init__(self, parent: Directory | None, name: str) -> None:
        self.parent = parent
        self.name = name
        self.doomed = False
        """An fsync failed: later ones answer success and make nothing durable."""

    @property
    def called(self) -> str:
        """The present path, or the last name: for messages and for faults that go by name."""
        return self.path() or self.name

    def path(self) -> str | None:
        """The present path, or None when no name leads here."""
        if self.parent is None:
            return "" if self.name == "" else None
        above = self.parent.path()
        if above is None:
            return None
        return f"{above}/{self.name}" if above else self.name


class Inode(Node):
    """A file. `content` is what readers see; undoing `undo`, newest first, gives what is durable."""

    __slots__ = ("content", "undo")

    def __init__(self, parent: Directory | None, name: str) -> None:
        super().__init__(parent, name)
        self.content = bytearray()
        self.undo: list[Undo] = []

    def missing(self, path: str) -> list[str]:
        """Say which bytes are not durable, in one line (or none)."""
        if not self.undo:
            return []
        first = min(record[0] for record in self.undo)
        end = max(record[1] for record in self.undo)
        return [f"{path}: bytes {first}..{end} not fsynced"]

    def lose_power(self, below: Below | None) -> None:
        """Put back the durable content, with a drawn part of what was written since."""
        self.content = surviving_content(self.content, self.undo, below)
        self.undo.clear()
        self.doomed = False


class Directory(Node):
    """A directory. Invariant: `durable` changed by `operations` in their order gives `entries`."""

    __slots__ = ("durable", "entries", "operations")

    def __init__(self, parent: Directory | None, name: str) -> None:
        super().__init__(parent, name)
        self.entries: dict[str, Node] = {}
        self.durable: dict[str, Node] = {}
        self.operations: list[Change[Node]] = []

    def missing(self, path: str, only: str = "") -> list[str]:
        """Say which entries are not durable, one line each; `only` asks for one name."""
        names: dict[str, None] = {}
        for gone, come, _ in self.operations:
            for name in (gone, come):
                if name and (not only or name == only):
                    names[name] = None
        return [f"{path or '.'}: entry {name} not fsynced" for name in names]

    def lose_power(self, below: Below | None) -> None:
        """Put back the durable entries, with a drawn part of the operations since, in their order."""
        for node in self.entries.values():
            node.parent = None
        self.entries = surviving_entries(self.durable, self.operations, below)
        self.durable = dict(self.entries)
        self.operations.clear()
        self.doomed = False
        for name, node in self.entries.items():
            node.parent, node.name = self, name


def copy_directory(source: Directory, copies: dict[Node, Node]) -> None:
    """Fill the twin of `source` in `copies`; nodes that only the durable side knows are copied too."""
    twin = copies[source]
    assert isinstance(twin, Directory)
    mentioned = [node for _, _, node in source.operations if node is not None]
    for node in [*source.entries.values(), *source.durable.values(), *mentioned]:
        if node in copies:
            continue
        if isinstance(node, Inode):
            inode = Inode(None, node.name)
            inode.content = bytearray(node.content)
            inode.undo = [(a, b, c, bytearray(old)) for a, b, c, old in node.undo]
            inode.doomed = node.doomed
            copies[node] = inode
        elif isinstance(node, Directory):
            copies[node] = Directory(None, node.name)
            copies[node].doomed = node.doomed
            copy_directory(node, copies)
    twin.entries = {name: copies[node] for name, node in source.entries.items()}
    twin.durable = {name: copies[node] for name, node in source.durable.items()}
    twin.operations = [
        (gone, come, None if node is None else copies[node])
        for gone, come, node in source.operations
    ]
    for name, node in twin.entries.items():
        node.parent, node.name = twin, name
