"""Cobra's logs: a folder with one binary file a session, ``T0.log``, ``T1.log`` ...

A record is a letter and words of eight bytes, the most significant first: ``S`` transaction, ``C`` transaction (start and commit),
``W`` write-id, key, value, and ``R`` writer, write-id, key, value. Write-ids are unique, so they stand for the values. What a read
gives as write-id 0xbebeebee or 0xdeadbeef is what the key held in the beginning.

Layout: Cobra (Tan et al., OSDI 2020), as the loaders of CobraVerifier and PolySI read it. Its marks of garbage collection are
refused: they say nothing about the history.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from harness.errors import UserMistake
from harness.formats.sessions import transaction
from harness.formats.source import Source
from harness.operation import Operation

__all__ = ["logs_of", "read"]

_INITIAL: Final = frozenset((0xBEBEEBEE, 0xDEADBEEF))
_COLLECTED: Final = frozenset((0x23332333, 0x66666666))
_WORDS: Final = {ord("S"): 1, ord("C"): 1, ord("W"): 3, ord("R"): 4}
_LAYOUTS: Final = {count: struct.Struct(f">{count}q") for count in (1, 3, 4)}


def logs_of(folder: Path) -> list[Path]:
    """The logs in `folder` in the order of their numbers."""

    def number(path: Path) -> tuple[int, str]:
        digits = re.search(r"\d+", path.name)
        return (int(digits[0]) if digits else -1, path.name)

    return sorted(folder.glob("T*.log"), key=number)


def read(source: Source) -> Iterator[Operation]:
    """The operations of the folder of `source`; its lines are transactions. Raises HistoryDamaged."""
    logs = logs_of(source.path)
    if not logs:
        raise UserMistake(f"{source.path} is no folder with logs of Cobra (T0.log, T1.log ...)")
    for session, path in enumerate(logs):
        yield from _session(source, path, session)


def _session(source: Source, path: Path, session: int) -> Iterator[Operation]:
    content = path.read_bytes()
    place, under_way = 0, -1
    done: list[list[Any]] = []
    source.line += 1

    while place < len(content):
        letter = content[place]
        count = _WORDS.get(letter, 0)
        if not count:
            raise source.damage(
                f"has byte {letter} at {place} of {path.name}, which begins nothing"
            )
        if place + 1 + count * 8 > len(content):
            raise source.damage(f"is cut short at the end of {path.name}")
        words = _LAYOUTS[count].unpack_from(content, place + 1)
        place += 1 + count * 8
        if (letter == ord("S")) == (under_way >= 0):
            raise source.damage(f"does not begin or end where it should, at {place} of {path.name}")
        if letter == ord("S"):
            under_way, done = place, []
        elif letter == ord("C"):
            under_way = -1
            yield from transaction(session, done) if done else ()
            source.line += 1
        elif letter == ord("W"):
            done.append(["w", words[1], words[0]])
        elif words[1] in _COLLECTED:
            raise source.damage(f"reads a mark of garbage collection, at {place} of {path.name}")
        else:
            done.append(["r", words[2], None if words[1] in _INITIAL else words[1]])
    if under_way >= 0:
        raise source.damage(f"has no commit at the end of {path.name}")
    source.line -= 1
