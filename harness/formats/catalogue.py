"""The formats by name, and which one a file is in.

`FORMATS` is the table; a format is told by how its file begins, in the order of the table, so the more particular
stand in front. What a reader and a file must be like stands in each format's own room.
"""

from __future__ import annotations

import io
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
    cobra,
    dbcop,
    edn_scanned,
    elle_json,
    jepsen_edn,
    jepsen_text,
    jsonl,
    plume,
    porcupine_json,
    porcupine_kv,
)
from harness.formats.source import Source
from harness.history import HistoryDamaged
from harness.operation import Operation

__all__ = [
    "FORMATS",
    "Format",
    "detect",
    "load_columns",
    "load_operations",
    "located",
    "opened",
    "refused_at",
]

HEAD_BYTES: Final = 1 << 16
"""So much of a file is looked at to tell its format."""


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """One format. `begins` matches the beginning of its files, where they are text; `keyed` says that values are always
    [key, value], `timed` that the order of its operations is the order in which they happened, `refusals` that a compare-and-set
    that failed without an error saw another value, `silent_nil` that a register's read of nil says nothing, as in Knossos, `tolerated` which
    anomalies of transactions over registers convict nobody unless they are asked for, as in Elle, and `unit` what is counted to say
    where something stands.
    """

    read: Callable[[Source], Iterator[Operation]]
    begins: re.Pattern[str]
    keyed: bool = False
    timed: bool = True
    refusals: bool = False
    silent_nil: bool = False
    tolerated: tuple[str, ...] = ()
    unit: str = "line"
    read_events: Callable[[Source], Events] | None = None
    """The same events without operations on the way, where there is a faster one."""


_ELLE_TOLERATES: Final = ("phantom",)
"""Elle passes over reads of values that nobody in the file wrote."""

_BLANK: Final = r"\s*(?:;[^\n]*\n\s*)*"
_RECORD: Final = r"(?:#[\w.]+\s*)?"
_MAP: Final = _RECORD + r"\{\s*:"
_VECTOR: Final = r"\[\s*:?[\w-]+\s*,?\s*:(?:invoke|ok|fail|info)\b"
_NO_TEXT: Final = re.compile(r"(?!)")

FORMATS: Final[dict[str, Format]] = {
    "porcupine-json": Format(
        read=porcupine_json.read,
        begins=re.compile(r'\s*\[?\s*\{\s*"(?:ClientId|Input|Call|Output|Return|Metadata)"\s*:'),
        keyed=True,
        unit="operation",
    ),
    "jsonl": Format(
        read=jsonl.read, begins=re.compile(r'\s*\{\s*"'), read_events=jsonl.read_events
    ),
    "elle-json": Format(
        read=elle_json.read,
        begins=re.compile(r'\s*\[\s*(?:\{\s*"|\])'),
        silent_nil=True,
        tolerated=_ELLE_TOLERATES,
    ),
    "porcupine-kv": Format(
        read=porcupine_kv.read,
        begins=re.compile(_BLANK + r"\{[^{}]*:f :(?:get|put|append), :key\s"),
        keyed=True,
    ),
    "edn": Format(
        read=jepsen_edn.read,
        silent_nil=True,
        tolerated=_ELLE_TOLERATES,
        read_events=edn_scanned.read_events,
        begins=re.compile(
            f"{_BLANK}(?:[\\[(]{_BLANK})?(?:{_MAP}|{_VECTOR})|{_BLANK}(?:\\[\\s*\\]|\\(\\s*\\))\\s*\\Z"
        ),
    ),
    "log": Format(read=jepsen_text.read, begins=jepsen_text.LOG, refusals=True),
    "text": Format(
        read=jepsen_text.read,
        silent_nil=True,
        begins=re.compile(r"\s*\S+[ ]*\t\s*:(?:invoke|ok|fail|info)\s"),
    ),
    "plume": Format(read=plume.read, begins=re.compile(r"\s*[rwRW]\("), timed=False),
    "awdit": Format(
        read=awdit.read,
        begins=re.compile(r"\s*(?:[rwRW]\s+\S+\s+\S+\s|-+\s*\n|=+\s*\n)"),
        timed=False,
    ),
    "dbcop": Format(read=dbcop.read, begins=_NO_TEXT, timed=False, unit="transaction"),
    "cobra": Format(read=cobra.read, begins=_NO_TEXT, timed=False, unit="transaction"),
}
"""Every format that can be read."""


KEPT: Final = ("history.jsonl", "history.edn", "history.txt", "history.bincode")
"""What the history is called in the folder of a run, of Reprise, of Jepsen, of dbcop."""


def located(path: Path) -> Path:
    """The history itself where `path` is the folder of a run; a folder of Cobra's logs is one. Raises UserMistake."""
    if not path.is_dir():
        return path
    for name in KEPT:
        if (path / name).is_file():
            return path / name
    if cobra.logs_of(path):
        return path
    raise UserMistake(f"{path} is a folder without {', '.join(KEPT)}, and without logs of Cobra")


def detect(path: Path) -> str:
    """The name of the format that `path` is in. Raises UserMistake where no beginning fits, and OSError."""
    if path.is_dir():
        return "cobra"
    with path.open("rb") as file:
        content = file.read(HEAD_BYTES)
    if b"\0" in content:
        if dbcop.fits(content):
            return "dbcop"
        raise UserMistake(f"{path} is binary, and none of the formats that are: dbcop, cobra")
    head = content.decode(errors="replace").removeprefix("\ufeff")
    if not head.strip():
        raise UserMistake(f"{path} is empty: there is no history in it")
    for name, known in FORMATS.items():
        if known.begins.match(head):
            return name
    first = head.lstrip()[:40].splitlines()
    raise UserMistake(
        f"{path}: no known format begins with {first[0] if first else ''!r}; "
        f"name one of {', '.join(FORMATS)}"
    )


@contextmanager
def opened(path: Path, name: str) -> Iterator[Source]:
    """`path` as a `Source` for the reader of `name`. Raises OSError."""
    unit = FORMATS[name].unit
    if path.is_dir():
        yield Source(io.BytesIO(), path, unit)
        return
    with path.open("rb") as file:
        yield Source(file, path, unit)


def load_operations(path: Path, name: str) -> tuple[list[Operation], Source]:
    """All operations of `path`, and its source, which knows what was dropped and noted. Raises HistoryDamaged."""
    with opened(path, name) as source, without_collector():
        return list(FORMATS[name].read(source)), source


def load_columns(
    path: Path, name: str, convention: Convention, *, compared: bool = True
) -> tuple[Columns, Source]:
    """The history of `path` in columns, and its source; `compared` as `columns` has it. Raises HistoryDamaged naming the line."""
    with refused_at(path, name), opened(path, name) as source:
        return columns(_events(source, name), convention, compared=compared), source


@contextmanager
def refused_at(path: Path, name: str) -> Iterator[None]:
    """Turn a `Misfit` inside the block into a HistoryDamaged that names the line of `path`."""
    try:
        yield
    except Misfit as misfit:
        line = _line_of(path, name, misfit.position)
        unit = FORMATS[name].unit
        raise HistoryDamaged(f"{path}: {unit} {line} {misfit.what}") from None


def _events(source: Source, name: str) -> Events:
    known = FORMATS[name]
    return known.read_events(source) if known.read_events else events_from(known.read(source))


def _line_of(path: Path, name: str, position: int) -> int:
    """The line on which an event begins, found by reading again."""
    with opened(path, name) as source:
        for place, _ in enumerate(FORMATS[name].read(source)):
            if place == position:
                return source.line
    raise AssertionError("an event that was read can be read again")
