"""The formats by name, and which one a file is in.

`FORMATS` is the table; a format is told by how its file begins, in the order of the table, so the more particular
stand in front. What a reader and a file must be like stands in each format's own room.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from harness.columns import Columns, Events, Misfit, columns, events_from, without_collector
from harness.conventions import Convention
from harness.errors import UserMistake
from harness.formats import (
    awdit,
    elle_json,
    jepsen_edn,
    jepsen_text,
    jsonl,
    plume,
    porcupine_kv,
)
from harness.formats.source import Source
from harness.history import HistoryDamaged
from harness.operation import Operation

__all__ = ["FORMATS", "Format", "detect", "load_columns", "load_operations", "opened", "refused_at"]

HEAD_BYTES: Final = 1 << 16
"""So much of a file is looked at to tell its format."""


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """One format. `begins` matches the beginning of its files; `keyed` says that values are always [key, value],
    `timed` that the order of its operations is the order in which they happened.
    """

    read: Callable[[Source], Iterator[Operation]]
    begins: re.Pattern[str]
    keyed: bool = False
    timed: bool = True


_BLANK: Final = r"\s*(?:;[^\n]*\n\s*)*"
_RECORD: Final = r"(?:#[\w.]+\s*)?"

FORMATS: Final[dict[str, Format]] = {
    "jsonl": Format(read=jsonl.read, begins=re.compile(r'\s*\{\s*"')),
    "elle-json": Format(read=elle_json.read, begins=re.compile(r'\s*\[\s*(?:\{\s*"|\])')),
    "porcupine-kv": Format(
        read=porcupine_kv.read,
        begins=re.compile(_BLANK + r"\{[^{}]*:f :(?:get|put|append), :key\s"),
        keyed=True,
    ),
    "edn": Format(
        read=jepsen_edn.read, begins=re.compile(_BLANK + r"[\[(]?" + _BLANK + _RECORD + r"\{\s*:")
    ),
    "text": Format(
        read=jepsen_text.read,
        begins=re.compile(r"(?:INFO|WARN|ERROR|DEBUG)\s|\s*\S+\t:(?:invoke|ok|fail|info)\t"),
    ),
    "plume": Format(read=plume.read, begins=re.compile(r"\s*[rwRW]\("), timed=False),
    "awdit": Format(
        read=awdit.read,
        begins=re.compile(r"\s*(?:[rwRW]\s+\S+\s+\S+\s|-+\s*\n|=+\s*\n)"),
        timed=False,
    ),
}
"""Every format that can be read."""


def detect(path: Path) -> str:
    """The name of the format that `path` is in. Raises UserMistake where no beginning fits, and OSError."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES).decode(errors="replace")
    for name, known in FORMATS.items():
        if known.begins.match(head):
            return name
    first = head.lstrip()[:40].splitlines()
    raise UserMistake(
        f"{path}: no known format begins with {first[0] if first else ''!r}; "
        f"name one of {', '.join(FORMATS)}"
    )


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """`path` as a `Source`. Raises OSError."""
    with path.open("rb") as file:
        yield Source(file, path)


def load_operations(path: Path, name: str) -> tuple[list[Operation], str]:
    """All operations of `path`, and what was dropped behind the last whole one. Raises HistoryDamaged."""
    with opened(path) as source, without_collector():
        return list(FORMATS[name].read(source)), source.torn


def load_columns(path: Path, name: str, convention: Convention) -> tuple[Columns, str]:
    """The history of `path` in columns, and what was dropped. Raises HistoryDamaged naming the line."""
    with refused_at(path, name), opened(path) as source:
        return columns(_events(source, name), convention), source.torn


@contextmanager
def refused_at(path: Path, name: str) -> Iterator[None]:
    """Turn a `Misfit` inside the block into a HistoryDamaged that names the line of `path`."""
    try:
        yield
    except Misfit as misfit:
        line = _line_of(path, name, misfit.position)
        raise HistoryDamaged(f"{path}: line {line} {misfit.what}") from None


def _events(source: Source, name: str) -> Events:
    if name == "jsonl":
        return jsonl.read_events(source)
    return events_from(FORMATS[name].read(source))


def _line_of(path: Path, name: str, position: int) -> int:
    """The line on which an event begins, found by reading again."""
    with opened(path) as source:
        for place, _ in enumerate(FORMATS[name].read(source)):
            if place == position:
                return source.line
    raise AssertionError("an event that was read can be read again")
