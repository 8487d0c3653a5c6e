"""The keeper as a process: what it does for one node, and that it ends when nobody wants it any more.

Method: it is started here, over pipes instead of SSH, with a home of its own.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

import cluster
from cluster.node.config import NodeConfig
from cluster.node.process_config import ProcessConfig
from cluster.worlds.ssh.messages import Answer, Call, Ended, Frames, Piece, ToHarness, framed

pytestmark = [pytest.mark.real, pytest.mark.slow]

ROOT = Path(cluster.__file__).parent.parent
SHORT_LEASE = "import cluster.worlds.ssh.keeper as k; k.LEASE_S = 0.5; k.main()"
NODE = NodeConfig(name="n1", peers=("n1",), election_timeout_ns=50_000_000, inspection=True)


class Keeper:
    """A keeper, and what it has said."""

    def __init__(self, home: Path, program: str = "-mcluster.worlds.ssh.keeper") -> None:
        words = ["-c", program] if " " in program else [program]
        self.process = subprocess.Popen(
            [sys.executable, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(home), "TMPDIR": str(home)},
        )
        self.heard: list[Piece | Ended] = []
        self._frames = Frames(ToHarness)
        self._numbers = itertools.count()

    def ask(self, act: str, **arguments: object) -> Answer:
        """The keeper's answer; what it says meanwhile is kept."""
        number = next(self._numbers)
        self.process.stdin.write(framed(Call(number, act, arguments)))
        self.process.stdin.flush()
        while True:
            for message in self._messages():
                if isinstance(message, Answer) and message.number == number:
                    return message

    def open(self, **changes: object) -> dict:
        order = {
            "cluster": "lab", "node": "n1", "address": "127.0.0.1", "port": 0,
            "power_disk": False, "wall_clocks": False, **changes,
        }  # fmt: skip
        answer = self.ask("open", **order)
        assert not answer.failed
        assert not self.ask("shut_door").failed
        return answer.value

    def start(self, opened: dict) -> int:
        listen = tuple(opened["listen"])
        config = ProcessConfig(
            node=NODE, cluster="lab", listen=listen, peers={"n1": listen}, undo_log=True,
            data=f"{opened['home']}/data", trace=f"{opened['home']}/trace.jsonl",
            parent=opened["pid"],
        )  # fmt: skip
        answer = self.ask("start", config=msgspec.to_builtins(config))
        assert not answer.failed
        return answer.value

    def until(self, kind: type, name: str = "") -> None:
        """Wait until it has said something of this kind."""
        while not any(
            isinstance(said, kind) and name in ("", getattr(said, "name", ""))
            for said in self.heard
        ):
            list(self._messages())

    def _messages(self):
        data = os.read(self.process.stdout.fileno(), 1 << 16)
        assert data, "the keeper is gone"
        for message in self._frames.feed(data):
            if not isinstance(message, Answer):
                self.heard.append(message)
            yield message

    def end(self) -> int:
        """What it ends with, by itself."""
        code = self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()
        return code


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not Path(f"/proc/{pid}").exists()


def test_what_a_node_wrote_is_told_before_its_end(tmp_path):
    """Log and trace come while the node lives; the exit code of a killed one is told last."""
    keeper = Keeper(tmp_path)
    pid = keeper.start(keeper.open())
    keeper.until(Piece, "trace.jsonl")
    assert not keeper.ask("signal", number=9).failed
    keeper.until(Ended)

    assert keeper.heard[-1].exit_code == -9
    assert {said.name for said in keeper.heard[:-1]} <= {"node.log", "trace.jsonl"}
    assert is_gone(pid)
    assert not keeper.ask("close").failed
    assert not keeper.ask("forget").failed
    keeper.process.stdin.close()
    assert keeper.end() == 0
    assert list((tmp_path / ".reprise/runs").iterdir()) == []


@pytest.mark.parametrize("program", ["-mcluster.worlds.ssh.keeper", SHORT_LEASE])
def test_a_keeper_ends_its_node_when_its_harness_is_gone_or_silent(tmp_path, program):
    """The end of its input ends a keeper at once; silence does when the lease is over."""
    keeper = Keeper(tmp_path, program)
    pid = keeper.start(keeper.open())
    if program != SHORT_LEASE:
        keeper.process.stdin.close()

    assert keeper.end() == 0
    assert is_gone(pid)


def test_what_fails_is_answered_in_one_line(tmp_path):
    """A keeper goes on after a mistake of whoever asks, and names what went wrong."""
    keeper = Keeper(tmp_path)

    assert "not opened" in keeper.ask("start", config={}).failed
    assert keeper.ask("no such act").failed.startswith("no such act: KeyError")
    assert keeper.ask("read_clock").value > 0
    keeper.process.stdin.close()
    assert keeper.end() == 0


def test_a_mounted_disk_and_a_wrong_clock_work_through_a_keeper(tmp_path, require):
    """A disk that loses power is mounted for the node; it is damaged, packed and unpacked where it lies."""
    require("fuse", "mounts disks that lose power")
    keeper = Keeper(tmp_path)
    opened = keeper.open(power_disk=True, wall_clocks=True)
    assert os.path.ismount(f"{opened['home']}/data")
    keeper.start(opened)
    keeper.until(Piece, "trace.jsonl")
    assert not keeper.ask("clock", offset_ns=10**9, drift_ppm=0).failed
    assert not keeper.ask("disk_fault", kind="slow", extra_ns=1000).failed
    assert not keeper.ask("disk_heal").failed
    assert not keeper.ask("limit", open_files=100).failed
    keeper.ask("signal", number=9)
    keeper.until(Ended)
    for act, arguments in (
        ("lose_power", {}),
        ("dump", {}),
        ("damage", {"kind": "keep"}),
        ("pack", {}),
    ):
        assert not keeper.ask(act, **arguments).failed
    packed = b"".join(
        said.data for said in keeper.heard if getattr(said, "name", "") == "disk.tar.gz"
    )
    keeper.process.stdin.write(framed(Piece("disk.tar.gz", packed)))
    assert not keeper.ask("unpack").failed
    assert keeper.ask("dump").value["groups"]
    assert not keeper.ask("close").failed
    assert not os.path.ismount(f"{opened['home']}/data")
    keeper.process.stdin.close()
    assert keeper.end() == 0
