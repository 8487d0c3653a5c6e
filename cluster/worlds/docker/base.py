"""The image that the node image stands on: the official Python image, or one made of this machine's Debian sources.

Where a registry answers, the official image is pulled. Where none does, mmdebstrap makes a small Debian with Python from
the sources that this machine uses itself, and its name holds a hash of what is in it: it is made once. (It keeps the
machine's sources file, so it is nothing to publish.)
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.worlds.docker.wheels import IMAGE
from cluster.worlds.errors import WorldFailed, WorldMissing

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["OFFICIAL", "base_image", "bootstrap_tag", "known_base"]

OFFICIAL = "python:3.11-slim-bookworm"
"""The default of the Dockerfile; any image with glibc and Python 3.11 or later will do."""

SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LABEL = "reprise=base"


def known_base(client: DockerClient, wanted: str) -> str | None:
    """Return the reference of a base that is here already: `wanted`, or with ``""`` any; None when there is none."""
    from docker.errors import ImageNotFound  # noqa: PLC0415 - an extra

    for reference in [wanted] if wanted else [OFFICIAL, bootstrap_tag()]:
        try:
            client.images.get(reference)
        except ImageNotFound:
            continue
        return reference
    return None


def base_image(client: DockerClient, wanted: str, say: Callable[[str], None]) -> str:
    """Return the reference of a base, pulled or made when none is here. Raises WorldMissing and WorldFailed."""
    from docker.errors import APIError  # noqa: PLC0415 - an extra

    known = known_base(client, wanted)
    if known is not None:
        return known
    reference = wanted or OFFICIAL
    say(f"pulling {reference}")
    try:
        client.images.pull(reference)
    except APIError as error:
        if wanted:
            raise WorldMissing(
                f"the image {wanted} is not here and cannot be pulled: {error.explanation}"
            ) from None
        say(f"no registry has it for us ({error.explanation})")
        return _bootstrap(client, say)
    return reference


def bootstrap_tag() -> str:
    """The name of the base that is made here: it changes with what goes into it."""
    content = "\n".join([_suite(), *_packages(), *_arguments()])
    return f"reprise-base:{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def _bootstrap(client: DockerClient, say: Callable[[str], None]) -> str:
    program = shutil.which("mmdebstrap")
    if program is None:
        raise WorldMissing(
            f"no registry has {OFFICIAL}, and mmdebstrap is missing, which makes a base of Debian's packages",
            "apt-get install -y mmdebstrap",
        )
    sources = next((path for path in SOURCES if path.exists()), None)
    if sources is None:
        raise WorldMissing(
            f"no registry has {OFFICIAL}, and this machine has no Debian sources to make a base of",
            "reprise image --base IMAGE",
        )
    tag = bootstrap_tag()
    say(f"making {tag} of the packages that {sources} offers (half a minute, once)")
    with tempfile.TemporaryDirectory(prefix="reprise-base-") as scratch:
        archive = Path(scratch) / "base.tar"
        with sources.open("rb") as offered:
            done = subprocess.run(
                [program, *_arguments(), _suite(), str(archive), "-"],
                stdin=offered,
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode != 0:
            raise WorldFailed(
                f"mmdebstrap made no base from {sources}:\n{done.stderr.strip()[-2000:]}"
            )
        name, _, hashed = tag.partition(":")
        client.api.import_image_from_file(
            str(archive), name, hashed, changes=[f"ENV {PATH}", f"LABEL {LABEL}"]
        )
    return tag


def _suite() -> str:
    """The release of this machine's own system, which its sources offer; ``stable`` where it does not say."""
    said = Path("/etc/os-release")
    lines = said.read_text().splitlines() if said.exists() else []
    words = dict(line.split("=", 1) for line in lines if "=" in line)
    return words.get("VERSION_CODENAME", "stable").strip('"')


def _packages() -> list[str]:
    return (IMAGE / "base-packages.txt").read_text().split()


def _arguments() -> list[str]:
    """Options of mmdebstrap. Old snapshots of an archive count as valid: many machines install from one."""
    return [
        "--quiet",
        "--variant=minbase",
        f"--include={','.join(_packages())}",
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Check-Valid-Until "false"',
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
    ]
