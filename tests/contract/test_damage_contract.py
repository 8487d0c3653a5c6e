"""Damage to files means the same on a simulated disk and on a real directory: one suite for both trees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cluster.node.clock import NodeClock, WallClock
from cluster.storage.disk import Disk
from cluster.storage.real_disk import RealDisk
from cluster.storage.sim_disk import SimDisk
from cluster.worlds.damage import DamageImpossible, Damager, Tree
from cluster.worlds.host.files import DirectoryTree, swap_directories
from cluster.worlds.sim.files import SimTree
from cluster.worlds.sim.place import Place
from cluster.worlds.world import FileDamage

FILES = {
    "g0/kv/a.db": b"aaaa",
    "g0/kv/b.db": b"bb",
    "g0/wal/1.wal": b"log 1",
    "g0/wal/2.wal": b"log 22",
}


class Subject:
    """A disk as the node uses it, and the same as a tree to be damaged."""

    def __init__(self, open_disk: Callable[[], Disk], tree: Tree) -> None:
        self._open = open_disk
        self.damager = Damager(tree)
        disk = open_disk()
        for path, content in FILES.items():
            names = path.split("/")[:-1]
            for count in range(1, len(names) + 1):
                above = "/".join(names[:count])
                if not disk.exists(above):
                    disk.mkdir(above)
            file = disk.open(path, create=True)
            file.write(0, content)
            file.close()

    def damage(self, kind: Any, path: str = "", count: int = 1, seed: int = 0) -> dict[str, Any]:
        return self.damager.damage(FileDamage(kind=kind, path=path, count=count, seed=seed))

    def write(self, path: str, content: bytes) -> None:
        file = self._open().open(path, create=True)
        file.truncate(0)
        file.write(0, content)
        file.close()

    def contents(self) -> dict[str, bytes]:
        disk = self._open()
        found = {}
        for path in [*FILES, "g0/kv/new.db"]:
            if disk.exists(path):
                file = disk.open(path)
                found[path] = file.read(0, file.size())
                file.close()
        return found


def simulated(_: Path) -> Subject:
    place = Place("n1", 0, SimDisk(), NodeClock(), WallClock(0))
    return Subject(lambda: place.disk, SimTree(place))


def real(folder: Path) -> Subject:
    root = folder / "data"
    return Subject(lambda: RealDisk(root), DirectoryTree(root, folder / "shelf"))


@pytest.fixture(params=[simulated, real], ids=["sim", "directory"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    made: Subject = request.param(tmp_path)
    return made


def flipped_bits(before: dict[str, bytes], after: dict[str, bytes]) -> int:
    return sum(
        (x ^ y).bit_count()
        for path in before
        for x, y in zip(before[path], after[path], strict=True)
    )


def test_a_flip_inverts_as_many_bits_and_says_which(subject: Subject) -> None:
    """Exactly `count` distinct bits of the file meant differ, at the places that are told."""
    done = subject.damage("flip", "g0/kv/a.db", count=5, seed=3)

    assert flipped_bits(FILES, subject.contents()) == 5
    assert len({tuple(bit) for bit in done["bits"]}) == 5
    assert {path for path, _, _ in done["bits"]} == {"g0/kv/a.db"}


def test_the_seed_decides_the_bits(subject: Subject) -> None:
    """The same damage again inverts the same bits back."""
    subject.damage("flip", count=20, seed=4)
    subject.damage("flip", count=20, seed=4)

    assert subject.contents() == FILES


def test_a_pattern_means_the_first_match(subject: Subject) -> None:
    """A star stands inside one name; a directory means everything below it."""
    done = subject.damage("truncate", "g0/*/?.wal", count=2)

    assert done == {"kind": "truncate", "path": "g0/wal/1.wal", "before_bytes": 5, "after_bytes": 3}


def test_truncating_a_directory_cuts_its_last_file(subject: Subject) -> None:
    """Of a log in several files the end is cut; never more than there is."""
    subject.damage("truncate", "g0/wal", count=100)

    assert subject.contents()["g0/wal/2.wal"] == b""
    assert subject.contents()["g0/wal/1.wal"] == b"log 1"


def test_a_stale_copy_takes_the_place_of_what_came_later(subject: Subject) -> None:
    """What was kept is back, byte by byte; files that came later are gone, others untouched."""
    subject.damage("keep", "g0/kv")
    subject.write("g0/kv/a.db", b"newer")
    subject.write("g0/kv/new.db", b"new")
    subject.write("g0/wal/1.wal", b"newer")
    subject.damage("stale", "g0/kv")

    assert subject.contents() == {**FILES, "g0/wal/1.wal": b"newer"}


def test_a_whole_disk_can_be_put_back(subject: Subject) -> None:
    """The empty path is everything, and a wipe between keeping and restoring is survived."""
    subject.damage("keep")
    assert subject.damage("wipe") == {"kind": "wipe", "path": "", "files": 4}
    assert subject.contents() == {}
    subject.damage("stale")

    assert subject.contents() == FILES


def test_a_wipe_takes_everything_below(subject: Subject) -> None:
    """A wiped directory is empty, and still a directory; a wiped file is gone."""
    subject.damage("wipe", "g0/kv")
    subject.damage("wipe", "g0/wal/1.wal")

    assert subject.contents() == {"g0/wal/2.wal": b"log 22"}
    subject.write("g0/kv/new.db", b"new")


def test_what_is_not_there_is_no_damage(subject: Subject) -> None:
    """A pattern without match, a copy never kept, more bits than there are: refused, with what there is."""
    with pytest.raises(DamageImpossible, match=r"there is g0/kv/a\.db"):
        subject.damage("flip", "g1/*")
    with pytest.raises(DamageImpossible, match="kept: nothing"):
        subject.damage("stale", "g0/kv")
    with pytest.raises(DamageImpossible, match="32 bits, not 33"):
        subject.damage("flip", "g0/kv/a.db", count=33)
    subject.write("g0/kv/a.db", b"")
    with pytest.raises(DamageImpossible, match="empty"):
        subject.damage("truncate", "g0/kv/a.db")


def test_damage_outlives_a_power_loss_of_a_simulated_disk() -> None:
    """Damage is done to the medium, even while the node's own accesses fail: nothing un-synced is left to be undone."""
    place = Place("n1", 0, SimDisk(fsync_ns=5), NodeClock(), WallClock(0))
    subject = Subject(lambda: place.disk, SimTree(place))
    place.disk.faults.fail_fsync("")
    elapsed_ns = place.disk.elapsed_ns
    subject.damage("flip", "g0/kv/a.db", count=3)
    assert place.disk.elapsed_ns == elapsed_ns
    assert place.disk.rules
    damaged = subject.contents()
    place.disk.power_loss(None)

    assert flipped_bits(FILES, damaged) == 3
    assert subject.contents() == damaged


def test_damage_outlives_the_rolling_back_of_a_real_disk(tmp_path: Path) -> None:
    """The undo log of a node of ours is dropped: what was written counts as written."""
    root = tmp_path / "data"
    disk = RealDisk(root, undo_log=True)
    file = disk.open("a", create=True)
    file.write(0, b"un-synced")
    file.close()
    Damager(DirectoryTree(root, tmp_path / "shelf")).damage(
        FileDamage(kind="truncate", path="a", count=3)
    )
    RealDisk.recover_power_loss(root, None)

    assert (root / "a").read_bytes() == b"un-syn"


def test_swapping_exchanges_what_directories_hold(tmp_path: Path) -> None:
    """Two data directories change places without being renamed: they may be mounted somewhere."""
    first, second = tmp_path / "n1", tmp_path / "n2"
    for folder in (first, second):
        (folder / "g0").mkdir(parents=True)
        (folder / "g0" / folder.name).write_text(folder.name)
    nodes = [folder.stat().st_ino for folder in (first, second)]
    swap_directories(first, second)

    assert [path.name for path in first.rglob("n?")] == ["n2"]
    assert [path.name for path in second.rglob("n?")] == ["n1"]
    assert [folder.stat().st_ino for folder in (first, second)] == nodes


def test_a_copy_keeps_its_mode(tmp_path: Path) -> None:
    """A database that insists on the mode of its files finds them as they were."""
    root = tmp_path / "data"
    root.mkdir()
    (root / "key").write_text("secret")
    (root / "key").chmod(0o600)
    damager = Damager(DirectoryTree(root, tmp_path / "shelf"))
    for kind in ("keep", "wipe", "stale"):
        damager.damage(FileDamage(kind=kind))

    assert (root / "key").stat().st_mode & 0o777 == 0o600
