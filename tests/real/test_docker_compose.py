"""The cluster for people, as docs/containers.md describes it: up, put, get, a node killed, down."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import docker_lab
import pytest

pytestmark = [pytest.mark.real, pytest.mark.slow]

ROOT = Path(__file__).parents[2]


def compose(*words):
    """Run docker-compose on a project of this test's own; returns what it printed."""
    project = f"reprise-test-{os.getpid()}"
    done = subprocess.run(
        ["docker-compose", "-p", project, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(node, *words):
    """Ask the cluster from inside a node's container; returns the reply."""
    return json.loads(compose("exec", "-T", node, "python", "-m", "cluster.ask", *words))


def test_five_nodes_come_up_and_answer(require):
    """What one node was told, another answers, also after the first was killed and is back."""
    require("compose", "starts five nodes for people")
    docker_lab.image()
    try:
        compose("up", "-d")
        assert ask("n1", "put", "colour", "blue")["status"] == "ok"
        assert ask("n3", "get", "colour")["value"]["value"] == "blue"
        compose("kill", "n1")
        assert ask("n2", "put", "colour", "red")["status"] == "ok"
        compose("up", "-d")
        assert ask("n1", "get", "colour")["value"]["value"] == "red"
        assert "127.0.0.1:17001" in compose("port", "n1", "7000")
    finally:
        compose("down", "-v")
