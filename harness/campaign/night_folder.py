"""The folder of a night: its plan, its journal, and what its entries leave behind; and which night goes on.

    STORE/nights/<plan>/<start time>/
        plan.toml  journal.jsonl
        steps/<number>/   log.txt, one JSON file for each finished run, the seeds that a search is done with
        index.html  junit.xml  summary.txt  results.json

A journal line is on disk before what it tells is relied on. A line that was being written when the night was killed has no
newline, and is cut off by the next start. A lock on the journal keeps two nights out of one folder; the kernel lets it go
with the process that held it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from harness.campaign.night import Began, Line, Progress, RunLine, fold
from harness.campaign.search import Brief
from harness.errors import UserMistake

__all__ = [
    "GOES_ON_FOR_S",
    "NightFolder",
    "nights_of",
    "open_night",
    "read_runs",
    "remembering",
    "write_run",
]

GOES_ON_FOR_S = 20 * 3600
"""A night that was killed goes on when it is started again within this time; after that it is another night."""

_lines: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


class _Remembered(msgspec.Struct, frozen=True):
    brief: Brief
    spent_s: float


_remembered: msgspec.json.Decoder[_Remembered] = msgspec.json.Decoder(_Remembered)


class NightFolder:
    """One night on disk. `path` is absolute."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan = path / "plan.toml"
        self.journal = path / "journal.jsonl"
        self.index = path / "index.html"
        self.junit = path / "junit.xml"
        self.summary = path / "summary.txt"
        self.results = path / "results.json"

    def progress(self) -> Progress:
        """Fold the journal. Raises UserMistake when a whole line of it cannot be read."""
        try:
            return fold(_lines.decode_lines(_whole_lines(self.journal)))
        except msgspec.MsgspecError as error:
            raise UserMistake(f"{self.journal} is damaged: {error}") from None

    def step(self, number: int) -> Path:
        """Return the folder of an entry, made if need be."""
        folder = self.path / "steps" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def writing(self) -> Iterator[_Journal]:
        """Hold the night for the length of the block. Raises UserMistake when somebody else does."""
        with self.journal.open("r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserMistake(
                    f"the night in {self.path} is going on in another process; wait for it, or end it"
                ) from None
            file.truncate(len(_whole_lines(self.journal)))
            file.seek(0, os.SEEK_END)
            yield _Journal(file)


class _Journal:
    """Appends lines."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, line: Line) -> None:
        """Put `line` on disk."""
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def open_night(store: Path, name: str, plan: str, now_s: int, start_time: str) -> NightFolder:
    """Return the night of the plan `name` that is to go on, or a new one.

    A night goes on when it is the newest, was not ended, began less than `GOES_ON_FOR_S` ago, and had the same plan.
    """
    newest = next(iter(nights_of(store, name)), None)
    if newest is not None and newest.plan.read_text(encoding="utf-8") == plan:
        progress = newest.progress()
        if not progress.ended and now_s - progress.began_s < GOES_ON_FOR_S:
            return newest
    path = store.absolute() / "nights" / name / start_time
    path.mkdir(parents=True)
    night = NightFolder(path)
    night.plan.write_text(plan, encoding="utf-8")
    # With its first line there the folder is a night; a start that was killed before is none.
    first = path / ".journal.part"
    first.write_bytes(msgspec.json.encode(Began(now_s)) + b"\n")
    first.replace(night.journal)
    return night


def nights_of(store: Path, name: str) -> list[NightFolder]:
    """Return all nights of the plan `name`, the newest first."""
    folders = sorted((store.absolute() / "nights" / name).glob("*/journal.jsonl"), reverse=True)
    return [NightFolder(journal.parent) for journal in folders]


# -- what an entry leaves behind: written by its own process, read by the night -------------------------------------


def write_run(step: Path, number: int, line: RunLine) -> None:
    """Keep the line of the entry's run `number`: it need not be run again."""
    temporary = step / f".run-{number}.part"
    temporary.write_bytes(msgspec.json.encode(line))
    temporary.replace(step / f"run-{number}.json")


def read_runs(step: Path) -> dict[int, RunLine]:
    """Return the lines of the entry's runs that are finished, by number."""
    return {
        int(path.stem.removeprefix("run-")): msgspec.json.decode(path.read_bytes(), type=RunLine)
        for path in sorted(step.glob("run-*.json"))
    }


@contextmanager
def remembering(step: Path) -> Iterator[tuple[list[Brief], float, Any]]:
    """Yield the seeds that earlier processes of a search are done with, the seconds they took, and how to tell of more.

    Each process writes a file of its own, in the order of their starts.
    """
    files = sorted(step.glob("seeds-*.jsonl"))
    done = [one for file in files for one in _remembered.decode_lines(_whole_lines(file))]
    briefs = [one.brief for one in done]
    with (step / f"seeds-{len(files):06}.jsonl").open("xb", buffering=0) as file:

        def remember(brief: Brief, spent_s: float) -> None:
            file.write(msgspec.json.encode(_Remembered(brief, spent_s)) + b"\n")

        yield briefs, done[-1].spent_s if done else 0.0, remember


def _whole_lines(path: Path) -> bytes:
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1]
