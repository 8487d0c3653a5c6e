"""Progress for people and for pipes."""

from __future__ import annotations

import io

import pytest

from harness.cli.progress import PLAIN_LINE_INTERVAL_NS, PlainProgress, progress


def test_plain_lines_come_now_and_then() -> None:
    """The first step, the last one, and one in each interval are told."""
    now_ns = [0]
    stream = io.StringIO()
    plain = PlainProgress("searching", 5, stream, lambda: now_ns[0])

    for done in range(1, 6):
        plain.at(done, "2 failed" if done == 5 else "")
        now_ns[0] += PLAIN_LINE_INTERVAL_NS // 2

    assert stream.getvalue() == "searching 1/5\nsearching 3/5\nsearching 5/5  2 failed\n"


def test_total_that_nobody_knows_is_not_told() -> None:
    """A search for so many minutes counts seeds, and has nothing to count them against."""
    stream = io.StringIO()
    PlainProgress("searching", 0, stream, lambda: 0).at(7)

    assert stream.getvalue() == "searching 7\n"


def test_lines_that_stay_are_always_told() -> None:
    """`say` is not held back by the interval."""
    stream = io.StringIO()
    plain = PlainProgress("searching", 5, stream, lambda: 0)

    plain.say("seed 3 is invalid")
    plain.say("seed 4 is invalid")

    assert stream.getvalue() == "seed 3 is invalid\nseed 4 is invalid\n"


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """--quiet silences steps and lines alike."""
    with progress("searching", 2, quiet=True) as bar:
        bar.at(1)
        bar.say("words")

    assert capsys.readouterr() == ("", "")


def test_results_have_standard_output_for_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    """Progress goes to standard error."""
    with progress("searching", 2, quiet=False) as bar:
        bar.at(2)

    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "searching 2/2\n")
