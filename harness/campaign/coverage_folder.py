"""What a search keeps of its coverage, in the folder of the run that it shows: ``coverage.json``, and where the page of it goes."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.campaign.causes import Group
from harness.campaign.coverage import Cell
from harness.campaign.search import Search
from harness.store import NotARunFolder, RunFolder

__all__ = ["Coverage", "coverage_file", "page_file", "read_coverage", "write_coverage"]


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """Of a search: how many runs it made, how many of them reached each cell, how many cells each opened, and why runs failed."""

    runs: int
    cells: list[tuple[Cell, int]]
    opened: list[int]
    """By run, in order."""
    ways: list[str]
    """By run: ``fresh``, ``again`` or ``altered``."""
    causes: list[Group]


_decoder: msgspec.json.Decoder[Coverage] = msgspec.json.Decoder(Coverage)


def coverage_file(folder: RunFolder) -> Path:
    """Where the coverage of the search that shows this run is kept."""
    return folder.path / "coverage.json"


def page_file(folder: RunFolder) -> Path:
    """Where its page goes."""
    return folder.path / "coverage.html"


def write_coverage(folder: RunFolder, found: Search) -> None:
    """Keep what `found` has reached."""
    coverage = Coverage(
        runs=len(found.briefs),
        cells=sorted(found.cells.items(), key=lambda one: tuple(map(str, one[0]))),
        opened=[len(brief.opened) for brief in found.briefs],
        ways=[brief.how for brief in found.briefs],
        causes=found.causes,
    )
    coverage_file(folder).write_bytes(msgspec.json.encode(coverage))


def read_coverage(folder: RunFolder) -> Coverage | None:
    """Return it, or None where no search shows this run. Raises NotARunFolder when it is damaged."""
    file = coverage_file(folder)
    if not file.exists():
        return None
    try:
        return _decoder.decode(file.read_bytes())
    except msgspec.MsgspecError as error:
        raise NotARunFolder(f"{file} is damaged: {error}") from None
