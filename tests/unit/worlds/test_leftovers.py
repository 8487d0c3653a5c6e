"""The list of a run's processes: what a dead run left is killed, and nothing that only looks like it."""

from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest

from cluster.worlds.errors import WorldFailed
from cluster.worlds.local import leftovers
from cluster.worlds.local.leftovers import ProcessList, end_leftovers, lists_directory, start_ticks

pytestmark = pytest.mark.real


@pytest.fixture
def sleeper():
    """A process that waits for its standard input, with the word ``leftover`` on its command line."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()", "leftover"], stdin=subprocess.PIPE
    )
    yield process
    process.kill()
    process.communicate()


def of_a_dead_harness(path):
    """Make the list at `path` one whose harness is dead: it bears the id of a process that started at another time."""
    content = msgspec.json.decode(path.read_bytes())
    content["harness"]["started"] -= 1
    path.write_bytes(msgspec.json.encode(content))


def written(tmp_path, pid, word):
    ProcessList(tmp_path, "run").add(pid, word)
    return tmp_path / "run.json"


def test_what_a_dead_run_left_is_killed_and_its_list_removed(tmp_path, sleeper):
    """A process of the list with the right start time and word is killed."""
    path = written(tmp_path, sleeper.pid, "leftover")
    of_a_dead_harness(path)

    assert end_leftovers(tmp_path) == [sleeper.pid]
    assert sleeper.wait(5) == -9
    assert not path.exists()


def test_a_living_run_is_left_alone(tmp_path, sleeper):
    """As long as its harness lives, a list and its processes are nobody else's business."""
    path = written(tmp_path, sleeper.pid, "leftover")

    assert end_leftovers(tmp_path) == []
    assert sleeper.poll() is None
    assert path.exists()


@pytest.mark.parametrize("difference", ["word", "started"])
def test_a_process_that_only_has_the_id_is_left_alone(tmp_path, sleeper, difference):
    """An id that came back as another program, or as a later process, is not killed."""
    path = written(tmp_path, sleeper.pid, "leftover")
    of_a_dead_harness(path)
    content = msgspec.json.decode(path.read_bytes())
    content["processes"][0][difference] = "else" if difference == "word" else 1
    path.write_bytes(msgspec.json.encode(content))

    assert end_leftovers(tmp_path) == []
    assert sleeper.poll() is None
    assert not path.exists()


def test_processes_that_ended_are_off_the_list(tmp_path, sleeper):
    """A removed process is not killed later, and a closed list is gone, twice too."""
    processes = ProcessList(tmp_path, "run")
    processes.add(sleeper.pid, "leftover")
    processes.remove(sleeper.pid)
    of_a_dead_harness(tmp_path / "run.json")

    assert end_leftovers(tmp_path) == []
    processes.close()
    processes.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_list_is_shown_and_not_removed(tmp_path):
    """Somebody else's file stops the start with words that say what to do."""
    (tmp_path / "notes.json").write_text("{")

    with pytest.raises(WorldFailed, match=r"notes\.json"):
        end_leftovers(tmp_path)


def test_a_directory_of_somebody_else_is_refused(tmp_path, monkeypatch):
    """Lists decide what is killed: one that another user could write is not believed."""
    monkeypatch.setattr(leftovers.tempfile, "gettempdir", lambda: str(tmp_path))
    mine = lists_directory()
    monkeypatch.setattr(leftovers.os, "getuid", lambda: 12345)
    mine.rename(tmp_path / "reprise-12345")

    with pytest.raises(WorldFailed, match="somebody else"):
        lists_directory()


def test_a_zombie_and_a_missing_process_have_no_start_time(sleeper):
    """Only a process that can still do something counts as alive."""
    alive = start_ticks(sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)

    assert alive > 0
    assert start_ticks(sleeper.pid) == 0
    sleeper.wait()
    assert start_ticks(sleeper.pid) == 0
