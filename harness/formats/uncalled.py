"""Histories of transactions told by their completions alone: when each was invoked.

Examples in Elle's tests are such. A process does one thing at a time, so a transaction cannot have been invoked before the one
that its process completed before; where it names no process, or has done nothing yet, it may have been invoked when the history
began. So each is invoked as early as possible: what real time then says is true, and it says as little as can be. A history tells
all of its invocations or none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from msgspec.structs import replace

from harness.formats.source import Source
from harness.operation import NEMESIS, Operation

__all__ = ["called"]

_NOTE: Final = "the history tells completions alone: each transaction counts as invoked as early as its process allows"


def called(source: Source, operations: Iterator[Operation], unnamed: int) -> Iterator[Operation]:
    """`operations` with an invocation for each, where a history of transactions has none; processes that are `unnamed` get a number each.

    Raises HistoryDamaged for an invocation behind transactions that had none.
    """
    before: list[tuple[int, Operation]] = []
    for one in operations:
        before.append((source.line, one))
        if one.process != NEMESIS:
            break
    first = before[-1][1] if before else None
    if first is None or first.process == NEMESIS or first.type == "invoke" or first.f != "txn":
        return chain(_at_lines(source, before), operations)
    source.notes.append(_NOTE)
    told = [*before, *((source.line, one) for one in operations)]
    return _at_lines(source, _invoked(source, told, unnamed))


def _at_lines(source: Source, told: Iterable[tuple[int, Operation]]) -> Iterator[Operation]:
    for line, one in told:
        source.line = line
        yield one


def _invoked(
    source: Source, told: list[tuple[int, Operation]], unnamed: int
) -> Iterator[tuple[int, Operation]]:
    following: dict[int, list[tuple[int, Operation]]] = {}
    whole = []
    for place, (line, one) in enumerate(told):
        if one.process != NEMESIS and one.type == "invoke":
            source.line = line
            raise source.damage("is an invocation, and transactions before it have none")
        ended = replace(one, process=place) if one.process == unnamed else one
        whole.append((line, ended))
        if ended.process != NEMESIS:
            following.setdefault(ended.process, []).append((line, ended))
    for ends in following.values():
        ends.reverse()
        yield _invocation(*ends.pop())
    for line, one in whole:
        yield line, one
        if following.get(one.process):
            yield _invocation(*following[one.process].pop())


def _invocation(line: int, ended: Operation) -> tuple[int, Operation]:
    return line, replace(ended, type="invoke", index=-1, time_ns=-1, error="")
