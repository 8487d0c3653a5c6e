"""What a power loss leaves: the one model of it, shared by the simulated disk and the real one.

Here stand pure functions on bytes and names. Which bytes are un-synced is known by the disks; the
draws come from the caller as `below(n)`, a number in [0, n). ``None`` in its place drops everything
that was not synced and draws nothing.

The model is POSIX without favours (compare LazyFS): un-synced sectors of 512 bytes arrive or do
not, each for itself; un-synced changes of a directory arrive or do not, in the order they were made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from cluster.storage.disk import SECTOR_BYTES

__all__ = [
    "Below",
    "Change",
    "Undo",
    "change_entries",
    "surviving_content",
    "surviving_entries",
]

Below = Callable[[int], int]

Undo = tuple[int, int, int, bytes | bytearray]
"""One un-synced write: first byte, end, length of the file before, the bytes that stood there before."""

Target = TypeVar("Target")

Change = tuple[str, str, Target | None]
"""One change of a directory: the name that goes (or ""), the name that comes (or ""), what it leads to."""


def surviving_content(written: bytearray, undo: Sequence[Undo], below: Below | None) -> bytearray:
    """Return a file's bytes after a power loss.

    `written` is what a reader saw, `undo` its un-synced writes and truncates, oldest first.
    """
    content = bytearray(written)
    shortest = len(written)
    for first, _, length, old in reversed(undo):
        shortest = min(shortest, length)
        if len(content) < length:
            content.extend(bytes(length - len(content)))
        content[first : first + len(old)] = old
        del content[length:]
    if below is not None and undo:
        _keep_some(content, written, shortest, _written_sectors(undo, len(written)), below)
    return content


def _keep_some(
    content: bytearray, written: bytearray, shortest: int, sectors: list[int], below: Below
) -> None:
    """Bring drawn sectors of `written` back over the durable `content`.

    Three ways to lose power, drawn: nothing arrived, the first sectors in the order of writing did
    (a torn tail), or any sector may have. Draw 0 is the plainest outcome.
    """
    if shortest < len(content) and below(2):
        del content[shortest:]
    way = below(3)
    if way == 0:
        return
    if way == 1:
        kept = sectors[: below(len(sectors) + 1)]
    else:
        kept = [sector for sector in sectors if below(2)]
    for sector in kept:
        first = sector * SECTOR_BYTES
        piece = written[first : first + SECTOR_BYTES]
        if len(content) < first:
            content.extend(bytes(first - len(content)))
        content[first : first + len(piece)] = piece


def _written_sectors(undo: Sequence[Undo], size: int) -> list[int]:
    """Numbers of the un-synced sectors below `size`, each once, in the order of writing."""
    order: dict[int, None] = {}
    for first, end, length, _ in undo:
        start = min(first, length)
        for sector in range(start // SECTOR_BYTES, -(-min(end, size) // SECTOR_BYTES)):
            order[sector] = None
    return list(order)


def change_entries(entries: dict[str, Target], change: Change[Target]) -> None:
    """Carry `change` out on `entries`; what it leads to never ends with two names."""
    gone, come, target = change
    if gone:
        entries.pop(gone, None)
    if come and target is not None:
        for name in [name for name, other in entries.items() if other == target]:
            del entries[name]
        entries[come] = target


def surviving_entries(
    durable: dict[str, Target], changes: Sequence[Change[Target]], below: Below | None
) -> dict[str, Target]:
    """Return a directory's entries after a power loss: the durable ones with some of `changes`."""
    entries = dict(durable)
    if below is not None:
        for change in changes:
            if below(2):
                change_entries(entries, change)
    return entries
