"""What a run wrote down before it changed the host, and what the next start makes of it."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from cluster.worlds.errors import WorldFailed
from cluster.worlds.host.repairs import Change, ChangeLog, repair

NOBODY = 0
"""No process has this start time: whoever is listed with it is dead."""


def file_change(path: Path, before: str = "old") -> Change:
    path.write_text("new")
    return Change("kernel-file", str(path), before=before)


def orphan(directory: Path) -> None:
    """Make every list in `directory` one of a dead run."""
    for path in directory.glob("*.json"):
        path.write_bytes(path.read_bytes().replace(b'"started": ', b'"started": 9'))


def test_undoing_strikes_off(tmp_path: Path) -> None:
    """A change that was undone stands in no list, and a second undoing does nothing."""
    log = ChangeLog(tmp_path, "run")
    change = file_change(tmp_path / "limit")
    log.open(change)
    log.open(change)
    log.undo(change)
    (tmp_path / "limit").write_text("newer")
    log.undo(change)

    assert (tmp_path / "limit").read_text() == "newer"
    assert msgspec.json.decode((tmp_path / "run.json").read_bytes())["changes"] == []


def test_closing_undoes_the_newest_first(tmp_path: Path) -> None:
    """Two changes of one file end with what it held at first."""
    log = ChangeLog(tmp_path, "run")
    log.open(file_change(tmp_path / "limit", "first"))
    log.open(file_change(tmp_path / "limit", "second"))
    log.close()

    assert (tmp_path / "limit").read_text() == "first"
    assert not (tmp_path / "run.json").exists()


def test_a_living_run_is_left_alone(tmp_path: Path) -> None:
    """The changes of a run whose harness lives are its own business."""
    log = ChangeLog(tmp_path, "run")
    log.open(file_change(tmp_path / "limit"))

    assert repair(tmp_path) == []
    assert (tmp_path / "limit").read_text() == "new"


def test_a_dead_run_is_repaired_and_said(tmp_path: Path) -> None:
    """What a dead run left is undone, told in one line for each change, and only once."""
    ChangeLog(tmp_path, "run").open(file_change(tmp_path / "limit"))
    orphan(tmp_path)

    assert repair(tmp_path) == [
        f"kernel-file {tmp_path / 'limit'}: left by process {os.getpid()}, undone"
    ]
    assert (tmp_path / "limit").read_text() == "old"
    assert repair(tmp_path) == []


def test_what_is_gone_needs_no_repair(tmp_path: Path) -> None:
    """A file that went with its group, a namespace that went with its node: nothing to undo, and no error."""
    log = ChangeLog(tmp_path, "run")
    log.open(Change("kernel-file", str(tmp_path / "gone"), before="old"))
    log.open(Change("nft-table", "bridge reprise_x", str(tmp_path / "no namespace")))
    orphan(tmp_path)

    assert len(repair(tmp_path)) == 2


def test_a_change_that_cannot_be_undone_stays_recorded(tmp_path: Path) -> None:
    """A failure names the file and is tried again by the next start."""
    log = ChangeLog(tmp_path, "run")
    (tmp_path / "folder").mkdir()
    log.open(Change("kernel-file", str(tmp_path / "folder"), before="old"))

    with pytest.raises(WorldFailed, match="folder"):
        log.close()
    orphan(tmp_path)
    with pytest.raises(WorldFailed, match="folder"):
        repair(tmp_path)


def test_a_list_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A broken list may hide a change: the user is asked to look."""
    (tmp_path / "run.json").write_text("{")

    with pytest.raises(WorldFailed, match="look at it and remove it"):
        repair(tmp_path)
