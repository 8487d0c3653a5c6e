"""``reprise explore``: what it prints, and what it refuses."""

from __future__ import annotations

import json

import pytest

from harness.cli import main


@pytest.mark.slow
def test_images_end_with_what_was_covered(capsys):
    """The last line is JSON with the counts, and the exit code is that of the verdict."""
    options = ("--nodes", "1", "--time-limit", "1", "--passes", "1", "--json", "--quiet")
    status = main(["explore", "images", "set", *options])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])

    assert status == 0
    assert told["valid"] is True
    assert told["complete"] == told["photographs"] > 5
    assert told["boots"] == 3 * told["images"]


@pytest.mark.slow
def test_a_schedule_that_fails_is_kept(capsys, tmp_path):
    """Exit 1, and the run of the first schedule that is not valid lies in the store."""
    options = ("--steps", "1", "--bug", "R-A8", "--store", str(tmp_path), "--json", "--quiet")
    status = main(["explore", "crashes", "set", *options])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])

    assert status == 1
    assert told["failed_number"] == told["tried"] == 1
    assert told["run"].startswith(str(tmp_path))


@pytest.mark.parametrize(
    "arguments",
    [
        ["images", "nonsense"],
        ["crashes", "nonsense"],
        ["crashes", "set", "--bug", "nonsense"],
        ["crashes", "set", "--steps", "0"],
    ],
)
def test_what_does_not_exist_is_refused(arguments, capsys):
    """One line and 254, before anything runs."""
    assert main(["explore", *arguments]) == 254
    assert len(capsys.readouterr().err.splitlines()) == 1
