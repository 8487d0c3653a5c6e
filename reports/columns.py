"""The history as columns: one row per invocation with its completion, ready to be drawn.

Small histories become JSON arrays with the text of every operation; large ones become deflated typed
arrays (base64), whose texts are kept for those that did not end ``ok`` only. Beyond `ROWS_MAX` the
ok operations are thinned, and the page says so.
"""

from __future__ import annotations

import base64
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from harness.operation import NEMESIS, Operation
from reports.phrases import compact

__all__ = ["JSON_ROWS_MAX", "ROWS_MAX", "TYPES", "Row", "columns", "rows"]

JSON_ROWS_MAX: Final = 20_000
ROWS_MAX: Final = 1_000_000
TEXTS_MAX: Final = 20_000
"""Texts kept of a large history."""

TYPES: Final = ("ok", "fail", "info")

_COLUMNS: Final = (
    ("start", "d"),
    ("length", "d"),
    ("process", "i"),
    ("f", "H"),
    ("type", "B"),
    ("node", "H"),
)
"""Name and array typecode; `length` is how long the operation took."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """An invocation and what became of it. Never completed: ``info`` until the end of the run."""

    start_us: int
    end_us: int
    process: int
    f: str
    type: str
    node: str
    text: str


def rows(history: Iterable[Operation], end_ns: int) -> list[Row]:
    """Pair the history, in order of invocation; nemesis operations are among the rows."""
    waiting: dict[int, Operation] = {}
    found: list[tuple[int, Operation, Operation | None]] = []
    for operation in history:
        invoked = waiting.pop(operation.process, None)
        if invoked is None:
            waiting[operation.process] = operation
        else:
            found.append((invoked.index, invoked, operation))
    found += [(invoked.index, invoked, None) for invoked in waiting.values()]
    found.sort(key=lambda pair: (pair[1].time_ns, pair[0]))
    return [_row(invoked, completed, end_ns) for _, invoked, completed in found]


def columns(all_rows: Sequence[Row]) -> dict[str, Any]:
    """What the page is given: names, columns, texts, and how many of how many are shown."""
    shown = _thinned(all_rows)
    fs = sorted({row.f for row in shown})
    nodes = ["", *sorted({row.node for row in shown} - {""})]
    f_number = {f: number for number, f in enumerate(fs)}
    node_number = {node: number for number, node in enumerate(nodes)}
    values = [
        [row.start_us for row in shown],
        [row.end_us - row.start_us for row in shown],
        [row.process for row in shown],
        [f_number[row.f] for row in shown],
        [TYPES.index(row.type) for row in shown],
        [node_number[row.node] for row in shown],
    ]
    large = len(shown) > JSON_ROWS_MAX
    texts = [(place, row.text) for place, row in enumerate(shown) if not large or row.type != "ok"]
    data: dict[str, Any] = {
        "count": len(shown),
        "total": len(all_rows),
        "types": TYPES,
        "fs": fs,
        "nodes": nodes,
        "packed": large,
        "texts": dict(texts[:TEXTS_MAX]) if large else [text for _, text in texts],
    }
    for (name, code), column in zip(_COLUMNS, values, strict=True):
        data[name] = _packed(code, column) if large else column
    return data


def _row(invoked: Operation, completed: Operation | None, end_ns: int) -> Row:
    text = compact(invoked.value)
    if completed is not None:
        result = compact(completed.value)
        if result and result != text:
            text += f" → {result}"
        if completed.error:
            text += f" ({completed.error})"
    else:
        text += " (never completed)"
    end_us = (completed.time_ns if completed is not None else max(end_ns, invoked.time_ns)) // 1000
    return Row(
        start_us=invoked.time_ns // 1000,
        end_us=end_us,
        process=invoked.process,
        f=invoked.f,
        type=completed.type if completed is not None else "info",
        node=(completed.node if completed is not None else "") or invoked.node,
        text=text.strip(),
    )


def _thinned(all_rows: Sequence[Row]) -> Sequence[Row]:
    if len(all_rows) <= ROWS_MAX:
        return all_rows
    step = -(-len(all_rows) // ROWS_MAX)
    return [
        row
        for place, row in enumerate(all_rows)
        if place % step == 0 or row.type != "ok" or row.process == NEMESIS
    ]


def _packed(code: str, column: list[int]) -> str:
    numbers = array(code, column)
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(zlib.compress(numbers.tobytes(), 6)).decode()
