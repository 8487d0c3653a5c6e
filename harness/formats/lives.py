"""Processes that go on after ``info``: their next life gets a number of its own, and the verdict says so.

In Jepsen a process whose operation ended ``info`` never invokes again, and Knossos refuses a history in which one does. Elle judges such
histories, and files of them are about (elle-cli's test data): the operation stays open, and what follows is the next session. So
process 4 goes on as 1,000,004, then as 2,000,004. Histories of our own are held to the law: they are not read through here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from harness.formats.source import Source
from harness.operation import Operation

__all__ = ["LIFE", "lives"]

LIFE: Final = 1_000_000
"""What a process counts up by when it goes on; a file that numbers its own so high must not need it."""

_NOTE: Final = (
    "a process goes on after info: each operation that ended so stays open, and what its process did "
    f"next is told as of another one ({LIFE:,} more)"
)


def lives(source: Source, operations: Iterator[Operation]) -> Iterator[Operation]:
    """`operations` in which no process goes on after info. Raises HistoryDamaged where numbers would meet."""
    crashed: set[int] = set()
    added: dict[int, int] = {}
    for one in operations:
        process = one.process
        if process < 0:
            yield one
            continue
        if process in crashed and one.type == "invoke":
            crashed.discard(process)
            if not added:
                source.goes_on = True
                source.notes.append(_NOTE)
            added[process] = added.get(process, 0) + LIFE
        if one.type == "info":
            crashed.add(process)
        if not added:
            yield one
            continue
        if process >= LIFE:
            raise source.damage(f"names process {process}, and others go on after info")
        yield replace(one, process=process + added[process]) if process in added else one
