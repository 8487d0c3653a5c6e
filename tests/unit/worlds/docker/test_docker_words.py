"""What the docker world decides without a daemon: subnets, whose a label is, what goes into the image, what is missing."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from pathlib import Path

import pytest

import cluster
from cluster.node.requests import Request
from cluster.worlds.docker import daemon
from cluster.worlds.docker.image import program_files
from cluster.worlds.docker.leftovers import is_dead, labels, this_harness
from cluster.worlds.docker.lines import ContainerLine
from cluster.worlds.docker.network import POOL, free_subnets, routed
from cluster.worlds.docker.wheels import IMAGE, ImagePython
from cluster.worlds.errors import WorldMissing
from harness.campaign import places
from harness.errors import UserMistake
from harness.scenario import Scenario

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
br-1\t0000D50A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


def network(text: str) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(text)


def test_a_subnet_is_taken_that_nobody_uses():
    """Routes and other networks of Docker are avoided, a wide one that covers many subnets of ours, too."""
    assert routed(ROUTES) == [network("172.17.0.0/16"), network("10.213.0.0/24")]
    assert next(iter(free_subnets(routed(ROUTES)))) == network("10.213.1.0/24")
    assert next(iter(free_subnets([network("10.213.0.0/17")]))) == network("10.213.128.0/24")
    assert list(free_subnets([POOL])) == []


def test_a_label_says_whether_its_harness_is_dead():
    """Ours lives; one with our id that started earlier is dead; one of another boot is; of another namespace nobody knows."""
    boot, namespace, pid, started = this_harness().split(" ")

    assert labels("run")["reprise.harness"] == this_harness()
    assert not is_dead(this_harness())
    assert is_dead(f"{boot} {namespace} {pid} {int(started) - 1}")
    assert is_dead(f"another {namespace} {pid} {started}")
    assert not is_dead(f"{boot} pid:[1] {pid} {int(started) - 1}")


def test_the_image_holds_all_of_a_node_and_nothing_of_its_worlds():
    """Every part of `cluster` is in the wheel but the worlds and the image itself: a new part must be decided upon."""
    root = Path(cluster.__file__).parent
    packed = {path.relative_to(root).parts[0] for path in program_files()}
    parts = {path.name for path in root.iterdir() if path.name != "__pycache__"}

    assert parts - packed == {"image", "worlds"}
    assert packed <= parts


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.sshd"])
def test_any_builder_takes_the_dockerfiles(name):
    """No mounts of RUN, no options of COPY that only BuildKit knows, no here-documents, no syntax line."""
    text = (IMAGE / name).read_text()

    assert text.count("ARG BASE_IMAGE=") == 1
    for word in ("--mount", "--link", "--chmod", "<<", "# syntax"):
        assert word not in text


def test_wheels_fit_the_python_of_the_image():
    """The newest glibc comes first, and the old name of 2.17 last."""
    tags = ImagePython("3.11", "x86_64", 36).platforms()

    assert tags[0] == "manylinux_2_36_x86_64"
    assert "manylinux_2_17_x86_64" in tags
    assert tags[-1] == "manylinux2014_x86_64"


def test_a_daemon_that_is_not_there_is_said_with_the_remedy(monkeypatch, tmp_path):
    """No socket, another machine's daemon, no root, no nft: each is one line and a command, before anything starts."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://somewhere:2375")
    with pytest.raises(WorldMissing, match="another machine's daemon") as refused:
        daemon.connect()
    assert refused.value.remedy == "unset DOCKER_HOST"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setattr(daemon.shutil, "which", lambda _program: None)
    with pytest.raises(WorldMissing, match="not installed") as missing:
        daemon.connect()
    assert missing.value.remedy == "apt-get install -y docker.io"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(WorldMissing, match="nft is missing"):
        daemon.require_host()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(WorldMissing, match="only root"):
        daemon.require_host()
    with pytest.raises(
        UserMistake, match=r"the world docker cannot run here: only root.*; try: sudo"
    ):
        places.prepare(Scenario(workload="registry", world="docker"), print)


def test_a_node_that_is_down_refuses_at_once():
    """While no process is there, a call is refused for certain and nothing is sent."""

    class Never:
        node = "n1"

        async def call(self, request, timeout_ns):
            raise AssertionError

    reply = asyncio.run(ContainerLine(Never(), lambda: False).call(Request("status", {}), 1))

    assert (reply.status, reply.code) == ("refused", "Unavailable")
