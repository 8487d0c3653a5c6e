"""The page of what a search has reached."""

from __future__ import annotations

import re

from cluster.node.crash_points import CATALOGUE
from harness.campaign.causes import Group
from harness.campaign.coverage import Cell
from harness.campaign.coverage_folder import Coverage
from reports.coverage_page import Column, growth, matrix, render_coverage_page

STRUCK: Cell = ("crash", "wal.after_fsync", "kill", "leader", "serving", 3)


def coverage(**fields: object) -> Coverage:
    given = {
        "runs": 50,
        "cells": [
            (STRUCK, 7),
            (("raft", "leader", "candidate", "top"), 1),
            (("entry", 3, "insert"), 50),
        ],
        "opened": [3] + 49 * [0],
        "ways": 20 * ["fresh", "altered"] + 10 * ["again"],
        "causes": [Group("raft: election safety", 4, 17, "/store/set/now"), Group("<b>", 1, 9, "")],
    }
    return Coverage(**{**given, **fields})  # type: ignore[arg-type]


def test_the_matrix_has_every_crash_point_and_its_empty_fields() -> None:
    """What was never struck is there as well."""
    columns = [Column("leader", "serving"), Column("follower", "serving")]
    rows = matrix(coverage().cells, columns)

    assert [row.point for row in rows] == list(CATALOGUE)
    reached = {row.point: [mark.runs for mark in row.marks] for row in rows}
    assert reached.pop("wal.after_fsync") == [7, 0]
    assert all(marks == [0, 0] for marks in reached.values())


def test_one_field_says_which_strikes_and_operations_it_stands_for() -> None:
    """The number is that of the most frequent."""
    cells = [(STRUCK, 7), ((*STRUCK[:2], "power", *STRUCK[3:5], -1), 9)]
    [mark] = next(row for row in matrix(cells, [Column("leader", "serving")]) if row.point == STRUCK[1]).marks  # fmt: skip

    assert mark.runs == 9
    assert mark.words == "kill, opcode 3: 7\npower, nothing in hand: 9"


def test_growth_is_told_in_stretches_that_add_up() -> None:
    """By how the runs came about."""
    spans = growth(coverage(opened=list(range(50))))

    assert [span.until for span in spans] == [*range(3, 50, 3), 50]
    assert sum(sum(span.opened.values()) for span in spans) == spans[-1].total == sum(range(50))
    assert set(spans[-1].opened) == {"again"}


def test_the_page_tells_causes_and_asks_nobody_for_anything() -> None:
    """What comes from runs is escaped, and nothing is loaded."""
    page = render_coverage_page(coverage())

    assert "raft: election safety" in page
    assert "/store/set/now" in page
    assert "<td><b></td>" not in page
    assert not re.search(r"(?:src|href)=.(?!data:|#|report\.html)", page)


def test_a_search_without_failures_says_so() -> None:
    """No empty table."""
    assert "All were valid." in render_coverage_page(coverage(causes=[]))
