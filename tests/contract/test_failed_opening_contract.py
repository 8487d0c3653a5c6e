"""Whatever fails while a node opens, nothing of it stays open (specification B-S3, I21): exhaustively, operation by operation.

Goal: the same process can try again. Method: a real disk whose n-th operation answers EIO, for every n until opening succeeds;
descriptors are counted by what they lead to.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.machine.parts import Parts
from cluster.node.config import NodeConfig
from cluster.node.failures import REFUSALS
from cluster.node.node import Node
from cluster.node.requests import CrashOrder, Reply
from cluster.probe import SilentProbe
from cluster.raft.messages import Message
from cluster.storage.disk import DiskFault
from cluster.storage.real_disk import RealDisk
from cluster.storage.wal import LogDamaged, WriteAheadLog

LATER_NS = 10_000_000_000


class Silence:
    """An outbox that nobody reads."""

    def send(self, group: int, message: Message) -> None:
        """Say nothing."""

    def complete(self, request: int, reply: Reply) -> None:
        """Answer nothing."""


class FailingFile:
    """A file of a `FailingDisk`: every operation but closing may be the one that fails."""

    def __init__(self, disk: FailingDisk, file: Any) -> None:
        self._disk = disk
        self._file = file
        self.close = file.close

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self._disk.counted(getattr(self._file, name))


class FailingDisk:
    """A real disk whose operation number `failing` answers EIO."""

    def __init__(self, root: Path, failing: int) -> None:
        self._disk = RealDisk(root)
        self._left = failing

    def counted(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                raise DiskFault(errno.EIO, "planted", operation.__name__)
            return operation(*arguments, **options)

        return call

    def open(self, *arguments: Any, **options: Any) -> FailingFile:
        return FailingFile(self, self.counted(self._disk.open)(*arguments, **options))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self.counted(getattr(self._disk, name))


def unexpected(order: CrashOrder) -> None:
    """No crash point is armed here."""
    raise AssertionError(order)


def open_node(disk: Any, groups: int, **changes: Any) -> Node:
    return Node.open(
        NodeConfig(name="n1", peers=("n1",), groups=groups, **changes),
        disk=disk,
        parts=Parts(),
        outbox=Silence(),
        strike=unexpected,
        sink=None,
        orders=(),
        below=lambda bound: bound // 2,
        now_ns=0,
        wall_ns=lambda: 0,
    )


def used(root: Path) -> None:
    """Leave a data directory with entries and snapshots of two groups."""
    node = open_node(RealDisk(root), 2, snapshot_threshold=1)
    node.wake(LATER_NS)
    for _ in range(8):
        node.work(LATER_NS)
    node.close()


def open_below(root: Path) -> list[str]:
    """What this process has open below `root`, the lock file included."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    targets = [str(link.readlink()) for link in links]
    return sorted(target for target in targets if target.startswith(f"{root}/"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prepare", "changes"),
    [
        (Path.mkdir, {}),
        (used, {}),
        (used, {"force_restore_on_start": True}),
    ],
    ids=["a fresh directory", "a used one", "a store that is rebuilt"],
)
def test_nothing_stays_open_whatever_operation_fails(tmp_path, prepare, changes):
    """Two groups, every operation of opening them in turn: no file, no lock; and then the node opens after all."""
    prepare(tmp_path / "prepared")
    failures = 0
    while True:
        root = tmp_path / str(failures)
        shutil.copytree(tmp_path / "prepared", root)
        try:
            node = open_node(FailingDisk(root, failures + 1), 2, **changes)
        except REFUSALS:
            assert open_below(root) == [], f"operation {failures + 1}"
            failures += 1
            continue
        assert open_below(root)
        node.abandon()
        assert open_below(root) == []
        break
    assert failures > 100


def test_a_log_that_cannot_be_understood_is_closed(tmp_path):
    """A record of a kind that this version does not know: refused in words, and nothing stays open."""
    used(tmp_path)
    log, _ = WriteAheadLog.open(RealDisk(tmp_path), "g1/wal", SilentProbe(), 1 << 20)
    log.append([(9, b"")], sync=True)
    log.close()

    with pytest.raises(LogDamaged, match="g1/wal: unknown record kind 9: a newer version wrote it"):
        open_node(RealDisk(tmp_path), 2)

    assert open_below(tmp_path) == []


def test_a_snapshot_in_progress_is_closed_with_its_node(tmp_path):
    """A node that is given up in the middle of a snapshot leaves no file open; the next life removes the rest."""
    node = open_node(RealDisk(tmp_path), 1, snapshot_threshold=1)
    node.wake(LATER_NS)
    for _ in range(2):  # the store is read, then the first piece is written
        node.work(LATER_NS)
    unfinished = [name for name in open_below(tmp_path) if name.endswith(".tmp")]

    node.abandon()

    assert unfinished
    assert open_below(tmp_path) == []
    open_node(RealDisk(tmp_path), 1).close()
    assert list((tmp_path / "g0" / "snap").iterdir()) == []
