"""Limits of real processes and disks: a group's processor and memory, open files, and room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.worlds.host.limits import GroupLimits, group_files, limit_open_files
from cluster.worlds.host.repairs import ChangeLog, repair
from cluster.worlds.world import Limits

MEGABYTE = 1_000_000


def test_the_words_of_both_versions_of_cgroups() -> None:
    """A quota of a tenth of a second in the kernel's words, and those for no limit."""
    limits = Limits(cpu_percent=25, memory_bytes=MEGABYTE)

    assert group_files(1, limits) == {
        "cpu/cpu.cfs_quota_us": "25000",
        "memory/memory.limit_in_bytes": "1000000",
    }
    assert group_files(2, limits) == {"cpu.max": "25000 100000", "memory.max": "1000000"}
    assert group_files(1, Limits()) == {
        "cpu/cpu.cfs_quota_us": "-1",
        "memory/memory.limit_in_bytes": "-1",
    }
    assert group_files(2, Limits()) == {"cpu.max": "max 100000", "memory.max": "max"}


@pytest.fixture
def changes(tmp_path: Path) -> ChangeLog:
    return ChangeLog(tmp_path, "run")


def make_group(root: Path, *, version: int) -> dict[str, Path]:
    """A group ``g`` without limits, as a kernel would show it."""
    found = {}
    for name, text in group_files(version, Limits()).items():
        controller, _, file = name.rpartition("/")
        path = root / controller / "g" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
        found[name] = path
    if version == 2:
        (root / "cgroup.controllers").write_text("cpu memory\n")
    return found


@pytest.mark.parametrize("version", [1, 2])
def test_a_limit_is_written_and_put_back(tmp_path: Path, changes: ChangeLog, version: int) -> None:
    """What a group had comes back with `Limits()`, file by file; another limit in between does not become what was."""
    files = make_group(tmp_path / "groups", version=version)
    before = {name: path.read_text().strip() for name, path in files.items()}
    group = GroupLimits("g", changes, root=tmp_path / "groups")
    for limits in (Limits(cpu_percent=20, memory_bytes=MEGABYTE), Limits(cpu_percent=50)):
        group.apply(limits)
        wanted = group_files(version, limits)
        assert {name: path.read_text().strip() for name, path in files.items()} == wanted
    group.apply(Limits())

    assert {name: path.read_text().strip() for name, path in files.items()} == before


def test_a_killed_harness_leaves_no_limit(tmp_path: Path, changes: ChangeLog) -> None:
    """The next start puts back what a group had."""
    files = make_group(tmp_path / "groups", version=2)
    GroupLimits("g", changes, root=tmp_path / "groups").apply(Limits(cpu_percent=20))
    record = tmp_path / "run.json"
    record.write_bytes(record.read_bytes().replace(b'"started": ', b'"started": 9'))

    assert len(repair(tmp_path)) == 1
    assert files["cpu.max"].read_text() == "max 100000"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as started:
        yield started
        started.kill()


@pytest.mark.real
@pytest.mark.slow
def test_open_files_of_another_process_are_limited(sleeper: subprocess.Popen[bytes]) -> None:
    """The soft limit is what was asked, never more than the hard one; zero lifts it; a process that is gone is left alone."""

    def limits() -> list[str]:
        text = Path(f"/proc/{sleeper.pid}/limits").read_text()
        return next(line for line in text.splitlines() if line.startswith("Max open files")).split()

    limit_open_files(sleeper.pid, 50)
    assert limits()[3] == "50"
    hard = limits()[4]
    limit_open_files(sleeper.pid, 10**9)
    assert limits()[3:5] == [hard, hard]
    limit_open_files(sleeper.pid, 0)
    assert limits()[3] == hard
    sleeper.kill()
    sleeper.wait()
    limit_open_files(sleeper.pid, 50)


@pytest.mark.real
@pytest.mark.slow
def test_a_real_group_takes_its_limits(
    changes: ChangeLog, require: Callable[[str, str], str]
) -> None:
    """The kernel shows the quota that was written, and the one from before when it is lifted."""
    require("namespaces", "changes a control group: that takes root, as networks do")
    root = Path("/sys/fs/cgroup")
    controller = "" if (root / "cgroup.controllers").exists() else "cpu"
    name = f"reprise-test-{os.getpid()}"
    groups = [
        root / part / name for part in ([controller] if not controller else ["cpu", "memory"])
    ]
    for group in groups:
        group.mkdir()
    try:
        file = groups[0] / ("cpu.cfs_quota_us" if controller else "cpu.max")
        before = file.read_text()
        limits = GroupLimits(name, changes)
        limits.apply(Limits(cpu_percent=20))
        assert file.read_text().split()[0] == "20000"
        limits.apply(Limits())
        assert file.read_text() == before
    finally:
        for group in groups:
            group.rmdir()
