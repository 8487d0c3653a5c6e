"""The write-ahead log against a list: random appends, rolls, kills and power losses.

Whatever happens, recovery returns a prefix of what was appended that holds everything acknowledged,
damage under acknowledged frames is refused, and nothing appears that was never appended.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cluster.probe import Crash, SilentProbe
from cluster.storage.sim_disk import SimDisk
from cluster.storage.wal import LogDamaged, WriteAheadLog

RECORDS = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=700)), max_size=3)


def open_log(disk, probe=None):
    return WriteAheadLog.open(disk, "raft", probe or SilentProbe(), 4000)


def flat(frames):
    return [record for records, _ in frames for record in records]


class Striking(SilentProbe):
    """Dies at the point that it is told."""

    point = ""

    def reach(self, point: str) -> None:
        if point == self.point:
            raise Crash(point, "power")

    def armed(self, point: str) -> bool:
        return point == self.point


class LogMachine(RuleBasedStateMachine):
    """A log beside a list.

    `frames` are the records appended, each with `acknowledged` as it was then: how many frames were said
    to be durable. That is what a frame can bear witness to.
    """

    @initialize()
    def begin(self) -> None:
        self.disk = SimDisk()
        self.probe = Striking()
        self.frames = []
        self.acknowledged = 0
        self.reopen([])

    def reopen(self, in_hand) -> None:
        """Recover; `in_hand` are frames that were being written when the node died."""
        self.log, records = open_log(self.disk, self.probe)
        possible = self.frames + in_hand
        for count in range(self.acknowledged, len(possible) + 1):
            if flat(possible[:count]) == records:
                self.frames = possible[:count]
                self.acknowledged = count
                return
        raise AssertionError(f"{len(records)} records are no prefix with all acknowledged ones")

    @rule(records=RECORDS, sync=st.booleans())
    def append(self, records, sync) -> None:
        self.log.append(records, sync=sync)
        self.frames.append((records, self.acknowledged))
        if sync:
            self.acknowledged = len(self.frames)

    @rule()
    def sync(self) -> None:
        self.log.sync()
        self.acknowledged = len(self.frames)

    @rule(records=RECORDS)
    def roll(self, records) -> None:
        self.log.roll(records)
        self.frames.append((records, len(self.frames)))
        self.acknowledged = len(self.frames)

    @rule()
    def kill(self) -> None:
        self.disk.kill()
        self.reopen([])

    @rule(seed=st.integers(0, 1 << 30))
    def power_loss(self, seed) -> None:
        self.disk.power_loss(random.Random(seed).randrange)
        self.reopen([])

    @rule(
        records=RECORDS,
        point=st.sampled_from(["wal.torn_tail", "wal.after_write_before_fsync"]),
        seed=st.none() | st.integers(0, 1 << 30),
    )
    def die_in_append(self, records, point, seed) -> None:
        self.probe.point = point
        with pytest.raises(Crash):
            self.log.append(records, sync=True)
        self.probe.point = ""
        if seed is None:
            self.disk.kill()
        else:
            self.disk.power_loss(random.Random(seed).randrange)
        self.reopen([(records, self.acknowledged)])

    @precondition(lambda self: self.frames)
    @rule(data=st.data())
    def damage(self, data) -> None:
        """A flipped bit: the log is refused, or only frames are missing that nothing bears witness to."""
        image = self.disk.image()
        name = data.draw(st.sampled_from(image.list("raft")))
        size = image.open(f"raft/{name}").size()
        byte, bit = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, 7))
        image.flip_bit(f"raft/{name}", byte, bit)
        try:
            _, records = open_log(image)
        except LogDamaged:
            return
        witnessed = self.frames[-1][1]
        prefixes = [flat(self.frames[:n]) for n in range(witnessed, len(self.frames) + 1)]
        assert records in prefixes

    @invariant()
    def acknowledged_is_durable(self) -> None:
        """An image that loses its power now still has every acknowledged record."""
        if hasattr(self, "disk"):
            image = self.disk.image()
            image.power_loss(None)
            durable = flat(self.frames[: self.acknowledged])
            assert open_log(image)[1] == durable


LogMachine.TestCase.settings = settings(
    max_examples=80, stateful_step_count=25, deadline=None, derandomize=True, database=None
)
test_the_log_follows_a_list = pytest.mark.slow(LogMachine.TestCase)
