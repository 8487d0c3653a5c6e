"""Histories that name no process: who completes what.

Hand-written examples (elle-cli has some) leave ``:process`` out. A completion then belongs to the one operation of its f that is
under way, or to the one among several that asked for just this: the same value, or the same keys in the same order. Where
there is none such it is refused, for nobody could know. Processes are numbered so that each has one operation
at a time; one whose operation ended ``info`` is not used again. A history names all of its processes or none.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from msgspec.structs import replace

from harness.formats.lives import lives
from harness.formats.source import Source
from harness.formats.uncalled import called
from harness.operation import NEMESIS, Operation

__all__ = ["UNNAMED", "named"]

UNNAMED: Final = -2
"""The process of an operation that names none."""


def named(source: Source, operations: Iterator[Operation]) -> Iterator[Operation]:
    """`operations` with processes. Raises HistoryDamaged where a process cannot be known."""
    operations = called(source, operations, UNNAMED)
    first = next((one for one in operations), None)
    if first is None:
        return iter(())
    whole = chain([first], operations)
    if first.process == UNNAMED:
        source.notes.append("the history names no processes; completions were matched by their f")
        return _numbered(source, whole)
    return lives(source, _as_named(source, whole))


def _as_named(source: Source, operations: Iterator[Operation]) -> Iterator[Operation]:
    for one in operations:
        if one.process == UNNAMED:
            raise source.damage("holds an operation whose :process is nil, where others have one")
        yield one


def _numbered(source: Source, operations: Iterator[Operation]) -> Iterator[Operation]:
    free: list[int] = []
    used = 0
    under_way: dict[str, list[tuple[int, Any]]] = {}
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
            waiting.append((process, one.value))
        elif len(fitting := _fitting(waiting, one.value)) == 1:
            process, _ = waiting.pop(fitting[0])
            if one.type != "info":
                heapq.heappush(free, process)
        else:
            count = f"{len(waiting)} operations" if waiting else "no operation"
            raise source.damage(
                f"completes a {one.f} without naming a process, with {count} of it under way"
            )
        yield replace(one, process=process)


def _fitting(waiting: list[tuple[int, Any]], told: Any) -> list[int]:
    """Places of the operations that may have asked for what is told."""
    if len(waiting) == 1:
        return [0]
    return [place for place, (_, asked) in enumerate(waiting) if _asked(asked, told)]


def _asked(asked: Any, told: Any) -> bool:
    """Whether `told` is `asked`, with what its reads saw."""
    if not (isinstance(asked, list) and isinstance(told, list) and len(asked) == len(told)):
        return bool(asked == told)
    return all(
        one == other or (_is_read(one) and _is_read(other) and one[1] == other[1])
        for one, other in zip(asked, told, strict=True)
    )


def _is_read(micro: Any) -> bool:
    return isinstance(micro, list) and len(micro) > 1 and micro[0] in ("r", "read")
