"""Rows of columns told again: as words, and as data for the evidence of a verdict. Nothing here judges."""

from __future__ import annotations

from typing import Any, Final

from harness.columns import ABSENT, NEVER, Columns

__all__ = ["as_data", "in_words"]

_TYPES: Final = ("invoke", "ok", "fail", "info")


def in_words(columns: Columns, row: int) -> str:
    """``write(7)``, ``read() -> 7``, ``cas(7, 8)``, with the key in front where there is one."""
    given = [
        repr(columns.values[code])
        for code in (columns.argument[row], columns.second[row])
        if code != ABSENT
    ]
    if columns.key[row] != ABSENT:
        given.insert(0, repr(columns.keys[columns.key[row]]))
    text = f"{columns.fs[columns.f[row]]}({', '.join(given)})"
    if columns.result[row] != ABSENT:
        text += f" -> {columns.values[columns.result[row]]!r}"
    return text


def as_data(columns: Columns, row: int) -> dict[str, Any]:
    """One operation as evidence shows it; indexes are those of the file, positions where it has none."""
    returned = int(columns.returned[row])
    called_index, returned_index = columns.called_index[row], columns.returned_index[row]
    return {
        "process": int(columns.process[row]),
        "words": in_words(columns, row),
        "type": _TYPES[columns.type[row]],
        "called": int(columns.called[row]),
        "returned": returned if returned < NEVER else -1,
        "invoked_index": int(called_index if called_index >= 0 else columns.called[row]),
        "completed_index": int(returned_index),
        "invoked_ns": int(columns.called_ns[row]),
        "completed_ns": int(columns.returned_ns[row]),
    }
