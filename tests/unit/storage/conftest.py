"""What the storage tests share: a probe that strikes, a disk that dies, and the end of a life."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from descriptors import closing_files_below

from cluster.probe import Crash, SilentProbe


class StrikingProbe(SilentProbe):
    """Strikes at the nth pass of one point, remembers what was reached, and checks every claim."""

    def __init__(self, disk, point: str = "", nth: int = 1, kind: str = "kill") -> None:
        self.disk = disk
        self.point = point
        self.left = nth
        self.kind = kind
        self.reached: list[str] = []
        self.claims: list[tuple[str, str]] = []
        self.false_claims: list[str] = []

    def reach(self, point: str) -> None:
        self.reached.append(point)
        if point == self.point:
            self.left -= 1
            if self.left == 0:
                raise Crash(point, self.kind)

    def armed(self, point: str) -> bool:
        return point == self.point and self.left == 1

    def claim(self, durable_id: str, path: str) -> None:
        self.claims.append((durable_id, path))
        self.false_claims += self.disk.unsynced(path)


class Deadline:
    """Raises Crash at the nth call, and counts the calls that come after it."""

    def __init__(self, calls: int) -> None:
        self.left = calls
        self.calls_of_the_dead: Counter[str] = Counter()

    def pass_by(self, call: str) -> None:
        if self.left <= 0:
            self.calls_of_the_dead[call] += 1
            return
        self.left -= 1
        if self.left == 0:
            raise Crash(call, "kill")


class DeadlyFile:
    """A file whose calls, but for close, bring the end nearer."""

    def __init__(self, file, deadline: Deadline) -> None:
        self._file = file
        self._deadline = deadline
        self.close = file.close

    def __getattr__(self, name):
        def call(*arguments):
            self._deadline.pass_by(name)
            return getattr(self._file, name)(*arguments)

        return call


class DeadlyDisk:
    """A disk of which the same is true."""

    def __init__(self, disk, deadline: Deadline) -> None:
        self._disk = disk
        self._deadline = deadline

    def open(self, *arguments, **options):
        self._deadline.pass_by("open")
        return DeadlyFile(self._disk.open(*arguments, **options), self._deadline)

    def __getattr__(self, name):
        def call(*arguments):
            self._deadline.pass_by(name)
            return getattr(self._disk, name)(*arguments)

        return call


@pytest.fixture
def deadly():
    """A disk that raises `Crash` at the nth call, and its deadline."""

    def make(disk, calls):
        deadline = Deadline(calls)
        return DeadlyDisk(disk, deadline), deadline

    return make


@pytest.fixture
def striking():
    """The class of the probe."""
    return StrikingProbe


@pytest.fixture
def strike():
    """End a simulated node's life as `kind` says: ``kill``, ``power`` (random) or ``lost`` (nothing un-synced stays)."""

    def end(disk, kind, seed=0):
        if kind == "kill":
            disk.kill()
        else:
            disk.power_loss(None if kind == "lost" else random.Random(seed).randrange)

    return end


@pytest.fixture(autouse=True)
def _no_file_stays_open(tmp_path: Path) -> Iterator[None]:
    """Disks are killed by forgetting them: their files are closed behind each test."""
    with closing_files_below(tmp_path):
        yield
