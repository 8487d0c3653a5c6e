"""Run folders that somebody has broken: `report` and `replay` say which file, in one line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.campaign.runs import run_seed
from harness.cli import main
from harness.cli.exits import Exit
from harness.scenario import Scenario
from harness.store import Store

Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run that ended."""
    store = Store(tmp_path_factory.mktemp("store"))
    scenario = Scenario(workload="registry", nodes=3, time_limit_s=0.5, nemesis=["none"])
    return Path(run_seed(scenario, store, "20260102T030405.678Z")["run"])


@pytest.fixture
def damaged(whole: Path, tmp_path: Path) -> Callable[[str, Damage], Path]:
    """``damaged(file, how)``: a copy of the run in which `how` was done to `file`."""

    def damage(file: str, how: Damage) -> Path:
        copy = tmp_path / "run"
        shutil.copytree(whole, copy)
        how(copy / file)
        return copy

    return damage


def cut(path: Path) -> None:
    """Lose the last bytes."""
    path.write_bytes(path.read_bytes()[:-20])


def junk(path: Path) -> None:
    """Hold no text at all."""
    path.write_bytes(b"\xff\xfe\x00\n")


def no_results(path: Path) -> None:
    """Be JSON, and no results."""
    path.write_text("{}")


def no_verdict(path: Path) -> None:
    """Claim a verdict that there is not."""
    path.write_text(path.read_text().replace('"valid": true', '"valid": "maybe"', 1))


@pytest.mark.parametrize(
    ("command", "damage", "words"),
    [
        ("report", ("scenario.toml", junk), "scenario.toml is damaged"),
        ("report", ("trace.jsonl", cut), "trace.jsonl is damaged"),
        ("report", ("history.jsonl", junk), "history.jsonl: line 1 is no operation"),
        ("report", ("results.json", cut), "results.json is damaged"),
        ("report", ("results.json", no_results), "missing required field `valid`"),
        ("report", ("results.json", no_verdict), "results.json is damaged: Invalid enum value 'maybe'"),
        ("replay", ("scenario.toml", junk), "scenario.toml is damaged"),
        ("replay", ("tape.msgpack", cut), "the tape cannot be read"),
        ("replay", ("history.jsonl", Path.unlink), "history.jsonl cannot be read"),
        ("replay", ("trace.jsonl", Path.unlink), "trace.jsonl cannot be read"),
        ("replay", ("results.json", Path.unlink), "it did not end"),
    ],
)  # fmt: skip
def test_damage_is_told_in_one_line(
    damaged: Callable[[str, Damage], Path],
    command: str,
    damage: tuple[str, Damage],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The file at fault is named, and the code is that of a mistake, not of a defect."""
    assert main([command, str(damaged(*damage))]) == Exit.MISTAKE

    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_index_shows_a_damaged_run_as_unfinished(
    damaged: Callable[[str, Damage], Path], tmp_path: Path
) -> None:
    """One broken folder costs its own line of the index, not the index."""
    run = damaged("results.json", no_verdict)
    store = tmp_path / "store" / "registry"
    store.mkdir(parents=True)
    run.rename(store / "20260102T030405.678Z")

    assert main(["report", str(store.parent)]) == Exit.VALID
    assert "unfinished" in (store.parent / "index.html").read_text()


def edited(path: Path) -> None:
    """Say the opposite."""
    path.write_text(path.read_text().replace('"valid": true', '"valid": false', 1))


def test_edited_verdict_is_not_the_same_run(
    whole: Path, damaged: Callable[[str, Damage], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Replay compares the verdict too: results that somebody edited are found out."""
    assert main(["replay", str(whole)]) == Exit.VALID
    assert main(["replay", str(damaged("results.json", edited))]) == Exit.INTERNAL
    assert "not the same run: verdict differ" in capsys.readouterr().out
