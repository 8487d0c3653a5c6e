"""A control group of our own: what is written where, of either version, and that it is recorded before it is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from cluster.worlds.errors import WorldFailed
from cluster.worlds.host.own_group import OwnGroup
from cluster.worlds.host.repairs import ChangeLog
from cluster.worlds.world import Limits

LIMITS = Limits(cpu_percent=50, memory_bytes=1000)


class Recorder:
    """Runs nothing; keeps the words, and fails of those with `poison` in them."""

    def __init__(self, poison: str = "-") -> None:
        self.said: list[str] = []
        self._poison = poison

    def __call__(self, words: Sequence[str], text: str = "") -> str:
        line = " ".join([*words, text]).strip()
        if self._poison in line:
            raise WorldFailed(line)
        self.said.append(line)
        return ""


def group(tmp_path: Path, run: Recorder, *, version: int) -> OwnGroup:
    root = tmp_path / "cgroup"
    root.mkdir()
    if version == 2:
        (root / "cgroup.controllers").touch()
    changes = tmp_path / "changes"
    changes.mkdir()
    return OwnGroup("g", ChangeLog(changes, "run"), root=root, run=run)


def test_each_hierarchy_of_version_one_has_its_group(tmp_path: Path) -> None:
    """Processor and memory are limited in groups of their own, and the process joins both."""
    run = Recorder("nothing")
    group(tmp_path, run, version=1).apply(7, LIMITS)
    root = tmp_path / "cgroup"

    assert run.said == [
        f"mkdir -p {root}/cpu/g",
        f"mkdir -p {root}/memory/g",
        f"tee {root}/cpu/g/cpu.cfs_quota_us 50000",
        f"tee {root}/memory/g/memory.limit_in_bytes 1000",
        f"tee {root}/cpu/g/cgroup.procs 7",
        f"tee {root}/memory/g/cgroup.procs 7",
    ]


def test_version_two_has_one_group_for_both(tmp_path: Path) -> None:
    """One folder, two files, one membership."""
    run = Recorder("nothing")
    group(tmp_path, run, version=2).apply(7, LIMITS)
    place = f"{tmp_path}/cgroup/g"

    assert run.said == [
        f"mkdir -p {place}",
        f"tee {place}/cpu.max 50000 100000",
        f"tee {place}/memory.max 1000",
        f"tee {place}/cgroup.procs 7",
    ]


def test_a_group_stands_in_the_list_before_it_is_made(tmp_path: Path) -> None:
    """Whoever dies in between has said what to undo; no limits, no group."""
    made = group(tmp_path, Recorder("mkdir"), version=2)
    made.apply(7, Limits(open_files=10))
    assert list((tmp_path / "changes").iterdir()) == []

    with pytest.raises(WorldFailed):
        made.apply(7, LIMITS)
    assert "cgroup/g" in (tmp_path / "changes/run.json").read_text()
    made.remove()
    assert "cgroup/g" not in (tmp_path / "changes/run.json").read_text()


def test_a_probe_says_why_not(tmp_path: Path) -> None:
    """An empty answer is leave to limit; else it is the line of the program that failed."""
    run = Recorder("memory.max")
    made = group(tmp_path, run, version=2)

    assert "memory.max" in made.probe(7)
    run._poison = "nothing"
    assert made.probe(7) == ""
