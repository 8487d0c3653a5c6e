"""Every way in which a command can end: exit code, and one line on standard error."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from harness.cli import guard, main
from harness.cli.exits import Exit, exit_for
from harness.errors import UserMistake


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``ending(raised)``: run a command that ends so, and return its exit code."""

    def run(raised: BaseException | int) -> int:
        @click.command()
        def command() -> int:
            if isinstance(raised, BaseException):
                raise raised
            return raised

        module = SimpleNamespace(command=command)
        monkeypatch.setattr(guard.importlib, "import_module", lambda _name: module)
        return main(["doctor"])

    return run


def test_result_of_a_command_is_the_exit_code(
    ending: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that returns a code says nothing on standard error."""
    assert ending(2) == 2
    assert capsys.readouterr().err == ""


def test_mistake_of_the_user_is_one_line(ending: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A UserMistake ends with 254 and its own words."""
    assert ending(UserMistake("no such run")) == Exit.MISTAKE
    assert capsys.readouterr().err == "reprise: no such run\n"


def test_interrupt_is_130(ending: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends with the code that shells expect and without a traceback."""
    assert ending(KeyboardInterrupt()) == Exit.INTERRUPTED
    assert capsys.readouterr().err.strip() == "reprise: interrupted"


def test_defect_is_one_line_and_a_file(
    ending: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Any other exception ends with 255; the line names the file that holds the traceback."""
    monkeypatch.setattr(guard.tempfile, "tempdir", str(tmp_path))

    assert ending(KeyError("a\nb")) == Exit.INTERNAL

    error = capsys.readouterr().err
    (kept,) = tmp_path.iterdir()
    assert f"reprise: internal error, KeyError: 'a\\nb' (traceback in {kept})\n" == error
    assert "Traceback (most recent call last)" in kept.read_text()


@pytest.mark.parametrize("gone", [BrokenPipeError(errno.EPIPE, "gone"), SystemExit(1)])
def test_reader_that_went_away_is_no_verdict(
    ending: Any, gone: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`| head` ends with 255: the 1 that click would make of it means invalid."""
    with Path(os.devnull).open("w", encoding="utf-8") as output:
        monkeypatch.setattr(guard.sys, "stdout", output)
        assert ending(gone) == Exit.INTERNAL


def test_closed_standard_output_changes_nothing(
    ending: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody listens the verdict is in the exit code alone."""
    monkeypatch.setattr(guard.sys, "stdout", None)
    assert ending(2) == 2


def test_full_disk_is_no_defect(ending: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """No room for a file is told with its name, without a traceback, and ends with 255."""
    assert ending(OSError(errno.ENOSPC, "No space left on device", "tape")) == Exit.INTERNAL
    assert capsys.readouterr().err == (
        "reprise: nothing more can be written: [Errno 28] No space left on device: 'tape'\n"
    )


def test_bare_command_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command the help is printed as it is written, on standard error, and the code says so."""
    assert main([]) == Exit.MISTAKE

    output = capsys.readouterr()
    assert output.err.startswith("Usage: reprise")
    assert "\n  run " in output.err
    assert output.out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runn"], "no command 'runn'; did you mean 'run'?"),
        (["--nonsense"], "No such option '--nonsense'"),
        (["run", "--sed", "3"], "Did you mean"),
        (["run", "--nodes", "many"], "--nodes"),
        (["replay"], "Missing argument 'RUN'"),
        (
            ["run", "registry", "--time-limit", "soon"],
            "'soon' is no duration; write 90, 500ms, 10m or 1h",
        ),
        (["run", "registry", "-o", "words"], "'words' is no KEY=VALUE"),
        (["run", "registry", "--nemesis", "kill,,pause"], "empty name between its commas"),
    ],
)
def test_wrong_arguments_are_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage errors end with 254, say what is wrong in one line, and print nothing to standard output."""
    assert main(arguments) == Exit.MISTAKE

    output = capsys.readouterr()
    assert words in output.err
    assert output.err.count("\n") == 1
    assert output.out == ""


def test_help_and_version_are_no_errors(capsys: pytest.CaptureFixture[str]) -> None:
    """--help names every command, and both end with 0."""
    assert main(["--help"]) == 0
    assert main(["--version"]) == 0

    output = capsys.readouterr().out
    assert all(f"  {name} " in output for name in guard.COMMANDS)


@pytest.mark.parametrize("name", guard.COMMANDS)
def test_every_command_is_there(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command of the table can be asked for its help."""
    assert main([name, "--help"]) == 0
    assert f"Usage: reprise {name}" in capsys.readouterr().out


def test_verdicts_have_exit_codes() -> None:
    """Valid, invalid and unknown are three different codes, and nothing else is a verdict."""
    assert [exit_for(True), exit_for(False), exit_for("unknown")] == [0, 1, 2]
    with pytest.raises(KeyError):
        exit_for("perhaps")
