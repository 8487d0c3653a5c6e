"""Shrinking real failures of seeded bugs, from the run folder to the files that a person gets.

Goal: what is left fails for the same cause, every time, is small, and can be explained; whatever ends shrinking, the next call goes on.
Method: a short run with a seeded bug, shrunk in one go, and with an interrupt or a kill in the middle.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.campaign.runs import run_seed
from harness.campaign.shrink import shrink
from harness.campaign.shrink_cause import causes_of, main_cause
from harness.campaign.shrink_folder import ShrunkFolder
from harness.campaign.simulate import simulate
from harness.cli import main
from harness.cli.options import known
from harness.scenario import Scenario, load_scenario
from harness.store import Store, open_run

pytestmark = pytest.mark.slow

FAILING = Scenario(
    workload="append", bug="K-4", seed=2, nodes=3, rate=40.0, time_limit_s=1.0, nemesis=["none"]
)
"""Two transactions that read and write one key at once lose an update."""

LONG_S = 10_000.0


def quietly(_tried: int, _words: str) -> None:
    """Nobody looks on."""


def stopping_at(number: int) -> Callable[[int, str], None]:
    """Ctrl-C after so many runs."""

    def impatient(tried: int, _words: str) -> None:
        if tried == number:
            raise KeyboardInterrupt

    return impatient


def recorded(scenario: Scenario, store: Path) -> Path:
    return Path(run_seed(scenario, Store(store), "begun")["run"])


def shrunk(run: Path, progress: Callable[[int, str], None] = quietly) -> dict[str, Any]:
    return shrink(open_run(run), known(), budget_s=LONG_S, jobs=1, progress=progress)


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A failing run, to be copied."""
    return recorded(FAILING, tmp_path_factory.mktemp("failed"))


@pytest.fixture
def run(failed: Path, tmp_path: Path) -> Path:
    """A failing run."""
    return Path(shutil.copytree(failed, tmp_path / "run"))


@pytest.fixture(scope="module")
def whole(failed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The failing run after ``reprise shrink``."""
    path = Path(shutil.copytree(failed, tmp_path_factory.mktemp("whole") / "run"))
    assert main(["shrink", str(path), "--budget", "1h", "--jobs", "1", "--quiet"]) == 0
    return path


def test_a_lost_update_needs_three_transactions(whole: Path) -> None:
    """Or fewer, on two nodes without any fault; it is the same bug, it is the bug's, and it is always the same run."""
    folder = ShrunkFolder(open_run(whole))
    cause = main_cause(open_run(whole).read_results())
    about, scenario = folder.read(), load_scenario(folder.run.read_scenario(), known())
    faults, operations, nodes = about.after

    assert about.complete
    assert (operations <= 3, faults, nodes <= 2) == (True, 0, True)
    assert (about.replays, about.identical) == (100, 100)
    assert about.cause == cause
    assert cause in causes_of(simulate(scenario).results)
    assert causes_of(simulate(msgspec.structs.replace(scenario, bug="")).results) == []


def test_who_was_interrupted_goes_on_and_ends_alike(run: Path, whole: Path) -> None:
    """The second call asks nothing again that the first one knew, and both ways lead to one scenario."""
    first = shrunk(run, stopping_at(25))
    made: list[int] = []
    second = shrunk(run, lambda tried, _words: made.append(tried))
    at_once = ShrunkFolder(open_run(whole))

    assert (first["interrupted"], first["complete"], first["tried"]) == (True, False, 25)
    assert second["complete"]
    assert len(made) == at_once.read().tried - 25
    assert Path(second["scenario"]).read_text() == at_once.run.read_scenario()


def test_it_leaves_what_a_person_needs(whole: Path) -> None:
    """A run folder that replays, a test that is red, and a page that tells the story and where it parts from a passing run."""
    folder = ShrunkFolder(open_run(whole))
    page, sibling = folder.page.read_text(), folder.read().sibling

    assert main(["replay", str(folder.run.path)]) == 0
    assert main(["replay", str(folder.passing)]) == 0
    assert open_run(folder.passing).read_results()["valid"] is not False
    assert sibling is not None
    assert f"Without {sibling.left_out} nothing is found to be wrong" in page
    assert "became leader of term" in page
    assert "100 of 100 replays were the same run" in page
    assert "window.REPRISE" in folder.run.report.read_text()
    found: dict[str, Any] = {}
    exec(folder.test.read_text(), found)
    with pytest.raises(AssertionError):
        found["test_the_failure_is_gone"]()


def test_a_run_without_a_failure_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, and nothing is written."""
    run = recorded(msgspec.structs.replace(FAILING, bug=""), tmp_path)

    assert main(["shrink", str(run), "--quiet"]) == 254
    assert "there is no failure to make smaller" in capsys.readouterr().err
    assert not (run / "shrunk").exists()


@pytest.mark.real
def test_who_was_killed_goes_on(run: Path) -> None:
    """A kill loses at most the run under way."""
    command = [sys.executable, "-P", "-m", "harness.cli", "shrink", str(run), "--jobs", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as killed:
        assert killed.stderr is not None
        assert killed.stderr.readline().startswith(b"shrinking")
        killed.send_signal(signal.SIGKILL)
    answered = (run / "shrunk" / "answers.txt").read_text().count("\n") - 1
    again = shrunk(run, stopping_at(1))

    assert answered >= 1
    assert again["tried"] == answered + 1
