"""Nodes started by a person, and a question to them from a shell."""

from __future__ import annotations

import json
import sys
from typing import ClassVar

import pytest

from cluster import ask
from cluster.node import by_hand
from cluster.node.process_config import read_process_config
from cluster.node.requests import Reply, Request


def test_each_start_of_a_directory_is_counted(tmp_path, monkeypatch):
    """The configuration is written, names the next incarnation, and this process becomes the node."""
    started = []
    monkeypatch.setattr(by_hand.os, "execv", lambda _program, words: started.append(words))
    words = ["--name", "n2", "--nodes", "n1=a:7000,n2=b:7001", "--directory", str(tmp_path)]
    by_hand.main(words)
    by_hand.main(words)
    config = read_process_config(str(tmp_path / "config.json"))

    assert (config.node.name, config.node.incarnation) == ("n2", 2)
    assert config.node.peers == ("n1", "n2")
    assert (config.listen, config.peers["n1"]) == (("0.0.0.0", 7001), ("a", 7000))
    assert not config.node.crash_points
    assert started[0][:3] == [sys.executable, "-m", "cluster.node.main"]


@pytest.mark.parametrize("nodes", ["n1=a:7000", "n2", "n2=b:x", "=b:1"])
def test_nonsense_is_refused_with_the_usage(tmp_path, nodes, capsys):
    """A list without this node, without a port or without a name starts nothing."""
    with pytest.raises(SystemExit) as ended:
        by_hand.main(["--name", "n2", "--nodes", nodes, "--directory", str(tmp_path)])

    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


class Lines:
    """Stands for `NodeConnection`: n1 follows, n2 leads, n3 is away."""

    asked: ClassVar[list[str]] = []

    def __init__(self, node, address, cluster, name):
        self.node = node

    async def call(self, request: Request, timeout_ns: int) -> Reply:
        Lines.asked.append(self.node)
        if self.node == "n2":
            return Reply("ok", {"value": request.kind})
        if self.node == "n3":
            return Reply("refused", code="Unavailable")
        return Reply("refused", code="NotLeader", leader="n2")

    def close(self) -> None:
        pass


def test_a_question_finds_the_leader(monkeypatch, capsys):
    """A node that is away leads to the next, a follower to the leader; the answer is one line of JSON and the exit code."""
    monkeypatch.setattr(ask, "NodeConnection", Lines)
    monkeypatch.setattr(ask, "PAUSE_S", 0)
    Lines.asked = []

    assert ask.main(["--nodes", "n3=c:1,n1=a:1,n2=b:1", "put", "colour", "blue"]) == 0
    assert json.loads(capsys.readouterr().out) == {"status": "ok", "value": {"value": "kv"}}
    assert Lines.asked == ["n3", "n1", "n2"]
    assert ask.main(["--nodes", "n3=c:1", "get", "colour"]) == 1
