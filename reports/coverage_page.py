"""The page of what a search has reached: why runs failed, the crash points by situation with the cells that stay empty, and how it grew.

Made of a `Coverage` alone. An empty cell of the matrix is shown as one: a point that was never struck in a role and phase is what the next
search is for, or cannot be, and a reader can tell the two apart where this code cannot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from cluster.node.crash_points import CATALOGUE
from harness.campaign.coverage import CRASH, RAFT, Cell
from harness.campaign.coverage_folder import Coverage, page_file, read_coverage
from harness.store import RunFolder
from reports.page import ASSETS, environment

__all__ = ["Column", "Row", "growth", "matrix", "render_coverage_page", "write_coverage_page"]

ROLES: Final = ("leader", "follower", "candidate")
PHASES: Final = ("serving", "electing", "replaying")
_SPANS: Final = 20
"""In so many stretches of equal length the growth is told."""
_SITUATIONS_MAX: Final = 60


class Column(msgspec.Struct, frozen=True):
    """One situation in which a node may be struck."""

    role: str
    phase: str


class Mark(msgspec.Struct, frozen=True):
    """One field of the matrix: in how many runs it was reached; `words` say by which strikes and with which operations in hand."""

    runs: int
    words: str


class Row(msgspec.Struct, frozen=True):
    """One crash point: what has happened when it is reached, and a mark for each column."""

    point: str
    words: str
    marks: list[Mark]


class Span(msgspec.Struct, frozen=True):
    """A stretch of runs: up to which run, and how many cells its runs opened, by how they came about."""

    until: int
    opened: dict[str, int]
    total: int


def write_coverage_page(folder: RunFolder) -> None:
    """Render the page into the folder of the run that a search shows, if one does. Raises NotARunFolder for a damaged file."""
    coverage = read_coverage(folder)
    if coverage is not None:
        page_file(folder).write_text(render_coverage_page(coverage), encoding="utf-8")


def render_coverage_page(coverage: Coverage) -> str:
    """The page of `coverage`."""
    columns = [Column(role, phase) for role in ROLES for phase in PHASES]
    rows = matrix(coverage.cells, columns)
    raft = [(cell, runs) for cell, runs in coverage.cells if cell[0] == RAFT]
    happened = Counter(str(cell[1]) for cell, _ in raft)
    return (
        environment()
        .get_template("coverage.html")
        .render(
            coverage=coverage,
            roles=ROLES,
            phases=PHASES,
            columns=columns,
            rows=rows,
            reached=sum(mark.runs > 0 for row in rows for mark in row.marks),
            fields=len(rows) * len(columns),
            spans=growth(coverage),
            raft=len(raft),
            once=sum(runs == 1 for _, runs in raft),
            situations=happened.most_common(_SITUATIONS_MAX),
            style=(ASSETS / "report.css").read_text(encoding="utf-8"),
        )
    )


def matrix(cells: Sequence[tuple[Cell, int]], columns: Sequence[Column]) -> list[Row]:
    """Return a row for every crash point of the catalogue, whether it was reached or not."""
    found: dict[tuple[str, Column], list[tuple[str, int]]] = {}
    for cell, runs in cells:
        if cell[0] == CRASH:
            _, point, action, role, phase, opcode = cell
            place = (str(point), Column(str(role).removeprefix("pre_"), str(phase)))
            hand = f"opcode {opcode}" if int(opcode) >= 0 else "nothing in hand"
            found.setdefault(place, []).append((f"{action}, {hand}: {runs}", runs))
    rows = []
    for point, words in CATALOGUE.items():
        there = [found.get((point, column), []) for column in columns]
        marks = [
            Mark(max((runs for _, runs in one), default=0), "\n".join(said for said, _ in one))
            for one in there
        ]
        rows.append(Row(point, words, marks))
    return rows


def growth(coverage: Coverage) -> list[Span]:
    """Return how many cells were opened in each stretch of runs, and how many there were at its end."""
    length = max(1, -(-coverage.runs // _SPANS))
    spans, total = [], 0
    for start in range(0, coverage.runs, length):
        opened: Counter[str] = Counter()
        stretch = slice(start, start + length)
        for way, count in zip(coverage.ways[stretch], coverage.opened[stretch], strict=True):
            opened[way] += count
        total += sum(opened.values())
        spans.append(Span(min(start + length, coverage.runs), dict(opened), total))
    return spans
