"""The data of Porcupine's viewer: one partition a key, one bar an operation.

    {"Partitions": [{"History": [{"ClientId", "Start", "End", ...}], "PartialLinearizations": [], "Largest": {}}],
     "Annotations": []}

Times are positions of events, as the viewer itself ranks them; an operation that never returned ends behind all others.
No order is claimed: `PartialLinearizations` stays empty. Porcupine's page takes the object in place of its own
data. Failed operations never happened and are left out.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import msgspec
import numpy as np

from harness.columns import FAIL, NEVER, Columns
from harness.rows import in_words

__all__ = ["viewer_data", "write"]


def write(columns: Columns, file: BinaryIO) -> None:
    """Write the data as one line of JSON."""
    file.write(msgspec.json.encode(viewer_data(columns), enc_hook=str) + b"\n")


def viewer_data(columns: Columns) -> dict[str, Any]:
    """The data as plain values; partitions in order of the codes of their keys."""
    returned = columns.returned[columns.returned < NEVER]
    end = 1 + max(int(columns.called.max(initial=0)), int(returned.max(initial=0)))
    happened = np.flatnonzero(columns.type != FAIL)
    by_key = happened[np.argsort(columns.key[happened], kind="stable")]
    borders = np.flatnonzero(np.diff(columns.key[by_key])) + 1
    partitions = [
        {
            "History": [_bar(columns, row, end) for row in rows.tolist()],
            "PartialLinearizations": [],
            "Largest": {},
        }
        for rows in np.split(by_key, borders)
        if len(rows)
    ]
    return {"Partitions": partitions, "Annotations": []}


def _bar(columns: Columns, row: int, end: int) -> dict[str, Any]:
    start = int(columns.called[row])
    stop = min(int(columns.returned[row]), end)
    return {
        "ClientId": int(columns.process[row]),
        "Start": start,
        "OriginalStart": str(columns.called_ns[row]),
        "End": stop,
        "OriginalEnd": str(columns.returned_ns[row]),
        "Description": in_words(columns, row),
        "Metadata": "",
    }
