"""How large files are read: scanned where that is possible (`scanner`), by the rule elsewhere. Light: no compiler is imported here.

A format brings the shape of its lines, its rule for one line, and how values are made from their texts. Whenever anything is not
as scanning needs it, `NotScannable` is raised, and the rule reads the file from its beginning: it alone refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import msgspec

from harness.columns import Events, without_collector
from harness.formats.source import Source
from harness.operation import Operation

__all__ = [
    "INDEX",
    "PROCESS",
    "SKIPPED",
    "TIME",
    "TYPE",
    "VALUE",
    "F",
    "NotScannable",
    "Shape",
    "scanned",
    "worthwhile",
]

INDEX, TIME, PROCESS, TYPE, F, VALUE, SKIPPED = range(7)
"""What a field is."""


class NotScannable(Exception):
    """The file is not what scanning is for."""


class Shape(msgspec.Struct, frozen=True):
    """Keys as they are written, what each is, whether it may be missing, and the marks before and behind a name."""

    keys: Sequence[bytes]
    fields: Sequence[int]
    optional: Sequence[bool]
    before_name: bytes
    behind_name: bytes


def worthwhile(source: Source, bytes_min: int) -> bool:
    """Whether the file is so large that importing a compiler pays, and there is one."""
    return source.size() >= bytes_min and find_spec("numba") is not None


def scanned(
    source: Source,
    nil: bytes,
    shape_of: Callable[[bytes], Shape],
    read_line: Callable[[bytes], Operation | None],
    originals: Callable[[bytes], list[Any]],
) -> Events:
    """The events of `source`. Raises NotScannable.

    `nil` is the text of no value; `shape_of` gets the first line, `read_line` any line and returns None where it holds nothing;
    `originals` makes values from texts, one a line.
    """
    from harness.formats.scanner import Scanner  # noqa: PLC0415 - imports a compiler

    scanner = None
    with without_collector():
        for block in source.blocks():
            if not block.isascii() and not _is_text(block):
                raise NotScannable
            place = 0
            while place < len(block):
                if scanner is not None:
                    place = scanner.scan(block, place)
                    if place == len(block):
                        break
                end = block.find(b"\n", place) + 1 or len(block)
                line = block[place:end]
                one = read_line(line)
                place = end
                if one is not None:
                    scanner = scanner or Scanner(shape_of(line), nil)
                    scanner.add(one)
        if scanner is None:
            raise NotScannable
        return scanner.events(originals(scanner.texts()))


def _is_text(block: bytes) -> bool:
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True
