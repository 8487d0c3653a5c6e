"""A file that is being read, line by line or block by block, and the one who knows which line is at fault.

Readers take a `Source` and hand out operations while they go; `Source.line` is the line on which the operation
handed out last began, so that whoever finds fault with it can name it. What a damaged file means lives in the
readers.
"""

from __future__ import annotations

import io
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from harness.history import HistoryDamaged

__all__ = ["BLOCK_BYTES", "LINE_BYTES_MAX", "UNREADABLE", "Source", "reason_of"]

UNREADABLE = (msgspec.MsgspecError, RecursionError)
"""What a JSON decoder raises: for no JSON, and for lists in lists without end."""

BLOCK_BYTES = 1 << 20
"""So much is read at once."""

LINE_BYTES_MAX = 1 << 28
"""A line may be so long at most; a whole history may stand in one."""


def reason_of(error: Exception) -> str:
    """What a JSON decoder found, in words that speak of the file."""
    return "values are nested too deeply" if isinstance(error, RecursionError) else str(error)


class Source:
    """An open history file. `torn` is what was dropped behind its last whole operation.

    `notes` are sentences on how the file had to be understood, for whoever reads the verdict; `unit` is what `line` counts.
    """

    def __init__(self, file: BinaryIO, path: Path, unit: str = "line") -> None:
        self.path = path
        self.unit = unit
        self.line = 0
        self.torn = ""
        self.notes: list[str] = []
        self.unended = False
        """Whether the last line that was handed out lacks its end."""
        self.goes_on = False
        """Whether processes were renamed that go on after info (see `lives`)."""
        self._file = file

    def damage(self, what: str) -> HistoryDamaged:
        """The error for the current line."""
        return HistoryDamaged(f"{self.path}: {self.unit} {self.line} {what}")

    def lines(self) -> Iterator[str]:
        """The lines without their ends; `line` is that of the line handed out last. Raises HistoryDamaged."""
        for block in self.blocks():
            self.unended = not block.endswith((b"\n", b"\r"))
            for line in block.splitlines():
                self.line += 1
                yield self.text(line)

    def text(self, content: bytes, lines_before: int = 0) -> str:
        """`content`, which begins `lines_before` lines behind the current one, as text.

        Raises HistoryDamaged where it is no UTF-8.
        """
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            self.line += lines_before + content.count(b"\n", 0, error.start)
            raise self.damage(f"is no UTF-8 text: {error.reason}") from None

    def size(self) -> int:
        """Bytes of the file."""
        here = self._file.tell()
        size = self._file.seek(0, io.SEEK_END)
        self._file.seek(here)
        return size

    def again(self) -> None:
        """Go back to the beginning."""
        self._file.seek(0)
        self.line = 0

    def note_unended(self) -> None:
        """Note that the last line may have been cut short, for formats in which such a line can still be read."""
        if self.unended:
            self.notes.append(
                f"line {self.line}, the last, does not end: if the file was cut short there, what it says may be wrong"
            )

    def blocks(self) -> Iterator[bytes]:
        """The content in blocks of whole lines; the last may lack its newline, a byte order mark is left out. Raises HistoryDamaged."""
        rest = b""
        if not self._file.tell() and self._file.read(len(BOM_UTF8)) != BOM_UTF8:
            self._file.seek(0)
        while block := self._file.read(BLOCK_BYTES):
            whole, newline, after = block.rpartition(b"\n")
            if newline:
                yield rest + whole + newline
                rest = after
            else:
                rest += block
                if len(rest) > LINE_BYTES_MAX:
                    self.line += 1
                    raise self.damage(f"is longer than {LINE_BYTES_MAX:,} bytes")
        if rest:
            yield rest
