"""What this machine lacks is said in one line, with what to do, before anything starts: exit code 254 and an empty store.

Method: the command in a process of its own, on this machine made poorer: another PATH, another daemon, a /dev without FUSE, and a
user namespace in which nobody is root.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import cluster

pytestmark = [pytest.mark.real, pytest.mark.slow]

ROOT = Path(cluster.__file__).parent.parent
NO_FUSE = (
    "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/urandom c 1 9"
)


def refusal(tmp_path: Path, *words: str, front: tuple[str, ...] = (), **changes: str) -> str:
    """The one line with which a run of `words` is refused; `front` stands before the command, `changes` in its environment."""
    store = tmp_path / "store"
    command = [sys.executable, "-m", "harness.cli", "run", "register", "--store", str(store)]
    done = subprocess.run(
        [*front, *command, *words],
        cwd=ROOT,
        env={**os.environ, **changes},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 254, done
    assert not store.exists()
    [line] = [line for line in done.stderr.splitlines() if "reaching" not in line]
    return line


def needs_root(require: Callable[[str, str], str]) -> None:
    require("namespaces", "takes something away from a process of its own")


def test_a_daemon_that_does_not_run_is_missed(
    tmp_path: Path, require: Callable[[str, str], str]
) -> None:
    """Nobody listens, nobody may listen in, or it is another machine's: each has a line and a remedy of its own."""
    needs_root(require)
    nowhere = f"unix://{tmp_path}/none.sock"
    closed = tmp_path / "closed.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(closed))
    closed.chmod(0)

    line = refusal(tmp_path, "--world", "docker", DOCKER_HOST=nowhere)
    assert "does not answer" in line or "not installed" in line
    assert "; try: " in line
    line = refusal(tmp_path, "--world", "docker", DOCKER_HOST="tcp://192.0.2.1:2375")
    assert "another machine's daemon" in line
    assert "try: unset DOCKER_HOST" in line
    script = "from cluster.worlds.docker.daemon import connect; connect()"
    done = subprocess.run(
        ["unshare", "--user", sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "DOCKER_HOST": f"unix://{closed}"},
        capture_output=True,
        text=True,
        check=False,
    )
    listener.close()
    assert f"this user may not speak to the Docker daemon at {closed}" in done.stderr


def test_who_is_not_root_may_not_break_containers(
    tmp_path: Path, require: Callable[[str, str], str]
) -> None:
    """In a namespace of users where we are nobody the world docker is refused; sudo is the remedy."""
    needs_root(require)

    line = refusal(tmp_path, "--world", "docker", front=("unshare", "--user"))
    assert "only root may" in line
    assert "try: sudo" in line


def test_a_program_that_is_missing_is_named(
    tmp_path: Path, require: Callable[[str, str], str]
) -> None:
    """Without nft no link can be cut, without fusermount3 no disk be mounted: the package is named."""
    needs_root(require)

    line = refusal(tmp_path, "--world", "docker", PATH=str(tmp_path))
    assert "nft is missing" in line
    assert "try: apt-get install -y nftables" in line
    require("fuse", "mounts disks that lose power")
    line = refusal(tmp_path, "--world", "local", "-o", "disk=mounted", PATH=str(tmp_path))
    assert "fusermount3 is missing" in line
    assert "try: apt-get install -y fuse3" in line


def test_disks_that_cannot_be_mounted_are_refused(
    tmp_path: Path, require: Callable[[str, str], str]
) -> None:
    """Without /dev/fuse, and without the right to mount, which is found by mounting."""
    needs_root(require)
    require("fuse", "mounts disks that lose power")
    words = ("--world", "local", "-o", "disk=mounted")
    shell = shutil.which("sh") or "sh"

    front = ("unshare", "--mount", shell, "-c", f'{NO_FUSE} && exec "$0" "$@"')
    line = refusal(tmp_path, *words, front=front)
    assert "there is no /dev/fuse" in line
    assert "try: modprobe fuse" in line
    line = refusal(tmp_path, *words, front=("unshare", "--user"))
    assert "FUSE could not mount" in line
    assert "--cap-add SYS_ADMIN" in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "the world ssh needs hosts: --hosts"),
        (("--hosts", "root@127.0.0.1:9"), "127.0.0.1:9 cannot be reached: [Errno 111]"),
        (("--hosts", "no.such.host.invalid"), "no.such.host.invalid:22 cannot be reached"),
        (("--hosts", "h", "--ssh-key", "/nowhere"), "'--ssh-key': File '/nowhere' does not exist"),
    ],
)
def test_hosts_that_are_not_there_are_refused(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    """None named, nobody listens, no such name, no such key; what keys and host keys can be is held in test_ssh_world."""
    assert said in refusal(tmp_path, "--world", "ssh", *words)
