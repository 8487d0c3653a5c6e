"""What tests of the ssh world share: containers that run an SSH server, hosts to practise on, and how they are reached.

Containers are made once a session and removed at its end; each test gets worlds of its own on them. No node runs in them
before the keeper of a world starts one.
"""

from __future__ import annotations

import atexit
import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cluster.node.config import NodeConfig
from cluster.worlds.docker.daemon import connect, require_host
from cluster.worlds.docker.image import host_image
from cluster.worlds.docker.leftovers import labels, remove_leftovers, this_harness
from cluster.worlds.docker.network import make_network
from cluster.worlds.errors import WorldMissing
from cluster.worlds.ssh.places import Reach
from cluster.worlds.ssh.world import SshOptions, SshWorld

COUNT = 4
PLAIN = "plain"
"""A user of the hosts who is not root."""
TRUSTED = "trusted"
"""Another, who may become root unasked."""
_MAY_SUDO = f"{TRUSTED} ALL=(ALL) NOPASSWD: ALL"


_LET_GROUPS_BE_MADE = """
for place in $(grep ' - cgroup' /proc/self/mountinfo | cut -d ' ' -f 5); do
  mount -o remount,bind,rw "$place"
done
"""
"""Docker mounts them for reading; on a machine of its own root may write."""


class Lab:
    """Hosts, and the files of somebody who may log in to them."""

    def __init__(self, count: int = COUNT) -> None:
        """Start `count` hosts."""
        self.folder = Path(tempfile.mkdtemp(prefix="reprise-ssh-"))
        self.key = self.folder / "key"
        self.known_hosts = self.folder / "known_hosts"
        self._client = connect()
        self._run = f"ssh-lab-{this_harness().rpartition(' ')[2]}"
        remove_leftovers(self._client)
        atexit.register(self.close)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True
        )
        names = [f"h{number}" for number in range(1, count + 1)]
        self._network, addresses = make_network(self._client, self._run, names)
        self.addresses = [addresses[name] for name in names]
        image = host_image(self._client, "", print)
        self.containers = [
            self._start(image, name, str(self._network.name), addresses[name]) for name in names
        ]
        self.known_hosts.write_text("".join(map(self._host_key, range(count))))

    def reach(self, user: str = "root", **changes: Any) -> Reach:
        """How the hosts are reached."""
        return Reach(
            **{
                "hosts": tuple(f"{user}@{address}" for address in self.addresses),
                "key": str(self.key),
                "known_hosts": str(self.known_hosts),
                **changes,
            }
        )

    def run(self, host: int, *words: str) -> str:
        """What a command says on host number `host`, counted from 0."""
        return self.containers[host].exec_run(list(words)).output.decode()

    def close(self) -> None:
        """Remove everything; the interpreter is ending, so nothing is done side by side."""
        for container in self.containers:
            container.remove(force=True, v=True)
        self._network.remove()
        self._client.close()
        shutil.rmtree(self.folder)

    def _start(self, image: str, name: str, network: str, address: str) -> Any:
        container = self._client.containers.create(
            image,
            name=f"reprise-{self._run}-{name}",
            hostname=name,
            labels=labels(self._run),
            cap_add=["NET_ADMIN", "SYS_ADMIN"],
            devices=["/dev/fuse"],
            init=True,
            network=network,
            networking_config={
                network: self._client.api.create_endpoint_config(ipv4_address=address)
            },
        )
        public_key = self.key.with_suffix(".pub").read_bytes()
        container.put_archive("/root", _authorized(public_key))
        container.start()
        for user in (PLAIN, TRUSTED):
            container.exec_run(
                ["useradd", "--create-home", "--shell", "/bin/bash", "-p", "*", user]
            )
            container.put_archive(f"/home/{user}", _authorized(public_key))
            container.exec_run(["chown", "-R", f"{user}:", f"/home/{user}/.ssh"])
        container.exec_run(["sh", "-c", f"echo '{_MAY_SUDO}' >/etc/sudoers.d/lab"])
        container.exec_run(["sh", "-c", _LET_GROUPS_BE_MADE])
        return container

    def _host_key(self, host: int) -> str:
        script = "while ! test -s /etc/ssh/ssh_host_ed25519_key.pub; do sleep 0.05; done; cat /etc/ssh/ssh_host_ed25519_key.pub"
        kind, key, *_ = self.run(host, "sh", "-c", script).split()
        return f"{self.addresses[host]} {kind} {key}\n"


def _authorized(public_key: bytes) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        folder = tarfile.TarInfo(".ssh")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o700
        archive.addfile(folder)
        file = tarfile.TarInfo(".ssh/authorized_keys")
        file.mode, file.size = 0o600, len(public_key)
        archive.addfile(file, io.BytesIO(public_key))
    return content.getvalue()


@cache
def lab() -> Lab:
    """The hosts; skips the test where there can be none."""
    try:
        require_host()
        return Lab()
    except WorldMissing as missing:
        pytest.skip(f"{missing}: it runs hosts in containers")


def world(
    directory: Path, config: NodeConfig, nodes: Sequence[str] = (), **options: Any
) -> SshWorld:
    """An ssh world of `nodes`; where none are named, of those in `config`."""
    return SshWorld(
        nodes or config.peers,
        directory=directory,
        config=config,
        options=SshOptions(**{"reach": lab().reach(), **options}),
    )
