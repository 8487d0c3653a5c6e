"""Histories that name no process: who completes what.

Hand-written examples (elle-cli has some) leave ``:process`` out. A completion then belongs to the one operation of its f that is
under way, and where there are several it is refused, for nobody could know. Processes are numbered so that each has one operation
at a time; one whose operation ended ``info`` is not used again. A history names all of its processes or none.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import chain
from typing import Final

from msgspec.structs import replace

from harness.formats.source import Source
from harness.operation import NEMESIS, Operation

__all__ = ["UNNAMED", "named"]

UNNAMED: Final = -2
"""The process of an operation that names none."""


def named(source: Source, operations: Iterator[Operation]) -> Iterator[Operation]:
    """`operations` with processes. Raises HistoryDamaged where a process cannot be known."""
    first = next((one for one in operations), None)
    if first is None:
        return iter(())
    whole = chain([first], operations)
    if first.process == UNNAMED:
        source.notes.append("the history names no processes; completions were matched by their f")
        return _numbered(source, whole)
    return _as_named(source, whole)


def _as_named(source: Source, operations: Iterator[Operation]) -> Iterator[Operation]:
    for one in operations:
        if one.process == UNNAMED:
            raise source.damage("holds an operation whose :process is nil, where others have one")
        yield one


def _numbered(source: Source, operations: Iterator[Operation]) -> Iterator[Operation]:
    free: list[int] = []
    used = 0
    under_way: dict[str, list[int]] = {}
    for one in operations:
        if one.process == NEMESIS:
            yield one
            continue
        if one.process != UNNAMED:
            raise source.damage("names a process, where others name none")
        waiting = under_way.setdefault(one.f, [])
        if one.type == "invoke":
            process = heapq.heappop(free) if free else used
            used = max(used, process + 1)
            waiting.append(process)
        elif len(waiting) == 1:
            process = waiting.pop()
            if one.type != "info":
                heapq.heappush(free, process)
        else:
            count = f"{len(waiting)} operations" if waiting else "no operation"
            raise source.damage(
                f"completes a {one.f} without naming a process, with {count} of it under way"
            )
        yield replace(one, process=process)
