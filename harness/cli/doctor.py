"""``reprise doctor``: what this machine can do, world by world, and the one command that installs what is missing.

Each check is a function that returns what it found, or raises `_Missing` with the reason and the remedy. The
checks try the thing itself (a commit, a bound port, a signal) rather than look for its name.
"""

from __future__ import annotations

import json as json_text
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import click

from harness.cli.exits import Exit

__all__ = ["command", "examine"]


class _Missing(Exception):
    """Something does not work here; `remedy` is the command that installs it, or empty."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.remedy = remedy


def _sim() -> str:
    try:
        import apsw
        import crc32c  # noqa: F401 - that it can be loaded is the finding
    except ImportError as error:
        raise _Missing(str(error), "rm -rf .venv && ./reprise --version") from None
    with apsw.Connection(":memory:") as connection:
        connection.execute("create table probe(x); insert into probe values (1)")
    return f"SQLite {apsw.sqlite_lib_version()} through apsw {apsw.apsw_version()}"


def _local() -> str:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", 0))
        except OSError as error:
            raise _Missing(f"no port on 127.0.0.1: {error}") from None
    with tempfile.TemporaryFile() as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            raise _Missing(f"fsync in {tempfile.gettempdir()} fails: {error}") from None
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    child.send_signal(signal.SIGSTOP)
    child.send_signal(signal.SIGKILL)
    if child.wait() != -signal.SIGKILL:
        raise _Missing("a process could not be killed")
    return f"loopback, signals, fsync in {tempfile.gettempdir()}"


def _docker() -> str:
    from cluster.worlds.docker.daemon import connect, require_host
    from cluster.worlds.errors import WorldMissing

    try:
        client = connect()
        try:
            version = client.version()["Version"]
        finally:
            client.close()
        require_host()
    except WorldMissing as missing:
        raise _Missing(str(missing), missing.remedy) from None
    return f"Docker {version}, root, nft"


def _node_image() -> str:
    from cluster.worlds.docker.base import OFFICIAL
    from cluster.worlds.docker.daemon import connect
    from cluster.worlds.docker.image import present_image
    from cluster.worlds.errors import WorldMissing

    try:
        client = connect()
        try:
            tag = present_image(client)
        finally:
            client.close()
    except WorldMissing as missing:
        raise _Missing(str(missing), missing.remedy) from None
    if tag is None and shutil.which("mmdebstrap") is None:
        raise _Missing(
            f"not built; where no registry has {OFFICIAL}, mmdebstrap makes a base",
            "apt-get install -y mmdebstrap",
        )
    if tag is None:
        raise _Missing("not built, or stale; runs build it", "./reprise image")
    return tag


def _ssh() -> str:
    from cluster.worlds.errors import WorldFailed, WorldMissing
    from cluster.worlds.ssh.crew import examine
    from harness.campaign.places import reach_of

    try:
        import paramiko
        import tenacity  # noqa: F401 - that it can be loaded is the finding
    except ImportError as error:
        raise _Missing(str(error), "pip install 'reprise-harness[worlds]'") from None
    reach = reach_of(os.environ)
    if not reach.hosts:
        return f"paramiko {paramiko.__version__}; REPRISE_HOSTS=user@host,... examines hosts too"
    try:
        found = examine(reach, len(reach.hosts))
    except WorldMissing as missing:
        raise _Missing(str(missing), missing.remedy) from None
    except WorldFailed as failure:
        raise _Missing(str(failure)) from None
    return "; ".join(
        f"{host}: {_able(one.missing)}" for host, one in zip(reach.hosts, found, strict=True)
    )


_EXTRAS: Final = {
    "cut": "cuts by the kernel",
    "link-faults": "bad links",
    "limits": "limits",
    "disk": "mounted disks",
    "realtime": "wrong wall clocks",
}
"""What hosts may lack -> in words."""


def _able(missing: Mapping[str, tuple[str, str]]) -> str:
    """What a host can do beside running nodes, and why it cannot do the rest, in words."""
    able = ", ".join(["nodes", *(shown for word, shown in _EXTRAS.items() if word not in missing)])
    lacks = [
        f"no {_EXTRAS[word]}: {reason}{f' ({remedy})' if remedy else ''}"
        for word, (reason, remedy) in missing.items()
    ]
    return " - ".join([able, *lacks])


def _mounted_disks() -> str:
    from cluster.worlds.errors import WorldFailed, WorldMissing
    from cluster.worlds.host.power_disk.power_disk import PowerDisk

    with tempfile.TemporaryDirectory() as folder:
        try:
            with PowerDisk(Path(folder, "source"), Path(folder, "mount")) as disk:
                Path(disk.mount, "probe").write_bytes(b"x")
                disk.power_loss()
        except WorldMissing as missing:
            raise _Missing(str(missing), missing.remedy) from None
        except WorldFailed as failure:
            raise _Missing(str(failure)) from None
    return "FUSE: nodes may have disks that lose power (-o disk=mounted)"


def _kernel_disks() -> str:
    from cluster.worlds.errors import WorldMissing
    from cluster.worlds.host.loop_disk import require_loop_disks

    try:
        require_loop_disks()
    except WorldMissing as missing:
        raise _Missing(f"{missing}; tests against them are skipped", missing.remedy) from None
    return "ext4 and xfs on loop devices, root"


def _browser() -> str:
    found = shutil.which("chromium")
    if found is None:
        raise _Missing("no chromium; the report's tests are skipped", "apt-get install -y chromium")
    return found


_WORLDS: Final[dict[str, Callable[[], str]]] = {"sim": _sim, "local": _local}
"""Worlds that need nothing; without them the examination fails."""
_BESIDE: Final[dict[str, Callable[[], str]]] = {
    "docker": _docker,
    "node image": _node_image,
    "mounted disks": _mounted_disks,
    "kernel disks": _kernel_disks,
    "ssh": _ssh,
    "report tests": _browser,
}


def examine() -> dict[str, dict[str, str]]:
    """What was found: name -> ``state`` (works, missing), ``detail``, ``install``."""
    return {name: _tried(check) for name, check in {**_WORLDS, **_BESIDE}.items()}


def _tried(check: Callable[[], str]) -> dict[str, str]:
    try:
        return {"state": "works", "detail": check(), "install": ""}
    except _Missing as missing:
        return {"state": "missing", "detail": str(missing), "install": missing.remedy}


@click.command(name="doctor")
@click.option("--json", is_flag=True, help="Print the findings as one line of JSON.")
def command(json: bool) -> int:
    """Say what this machine can do, world by world, and what to install."""
    found = examine()
    if json:
        click.echo(json_text.dumps(found))
    else:
        for name, one in found.items():
            click.echo(f"{name:<14}{one['state']:<21}{one['detail']}".rstrip())
            if one["install"]:
                click.echo(f"{'':<14}{one['install']}")
    works = all(found[world]["state"] == "works" for world in _WORLDS)
    return Exit.VALID if works else Exit.MISTAKE
