"""What the storage tests share: a probe that strikes, and draws."""

from __future__ import annotations

import random

import pytest

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
