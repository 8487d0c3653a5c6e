"""The node image: found by the hash of what goes into it, built when it is missing or stale.

What goes in: the program of a node, the Dockerfile, the versions of its dependencies, the base. The tag is that hash, so a
stale image is simply not found; ``reprise-node:latest`` is the newest one, for docker-compose.yml.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.worlds.docker.base import base_image, known_base
from cluster.worlds.docker.wheels import IMAGE, ImagePython, make_wheels, pins
from cluster.worlds.errors import WorldFailed

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["NAME", "USER_ID", "host_image", "node_image", "present_image", "program_files"]

NAME = "reprise-node"
USER_ID = 10001
"""Whom nodes run as; also said in the Dockerfile."""

_LABEL = "reprise=image"

_ASK_PYTHON = (
    "import sys, platform; print('%d.%d' % sys.version_info[:2], platform.machine(),"
    " platform.libc_ver()[1].partition('.')[2] or 0)"
)


def node_image(client: DockerClient, base: str, say: Callable[[str], None]) -> str:
    """Return the tag of the node image on `base` (``""``: any), building what is missing; `say` tells what is done.

    Raises WorldMissing and WorldFailed.
    """
    tag = present_image(client, base)
    if tag is not None:
        return tag
    base = base_image(client, base, say)
    tag = _tag(client, base, "Dockerfile")
    say(f"building {tag}")
    with tempfile.TemporaryDirectory(prefix="reprise-image-") as scratch:
        make_wheels(Path(scratch), _python_of(client, base))
        _build(client, Path(scratch), "Dockerfile", base, tag)
    client.images.get(tag).tag(NAME, "latest")
    _remove_old(client, tag)
    return tag


def present_image(client: DockerClient, base: str = "") -> str | None:
    """Return the tag of the node image on `base` (``""``: any) if it is there and up to date."""
    known = known_base(client, base)
    return _present(client, known, "Dockerfile") if known else None


def host_image(client: DockerClient, base: str, say: Callable[[str], None]) -> str:
    """Return the tag of an image with Python and an SSH server, and nothing of ours: a host for the world `ssh`."""
    base = base_image(client, base, say)
    tag = _present(client, base, "Dockerfile.sshd")
    if tag is not None:
        return tag
    tag = _tag(client, base, "Dockerfile.sshd")
    say(f"building {tag}")
    with tempfile.TemporaryDirectory(prefix="reprise-image-") as scratch:
        _build(client, Path(scratch), "Dockerfile.sshd", base, tag)
    return tag


def program_files() -> list[Path]:
    """The files of a node's program, in a fixed order: what the build configuration names."""
    config = tomllib.loads((IMAGE / "pyproject.toml").read_text())
    named = config["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    roots = [(IMAGE / source).resolve() for source in named]
    return sorted(
        path
        for root in roots
        for path in ([root] if root.is_file() else root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    )


def _remove_old(client: DockerClient, newest: str) -> None:
    """Remove images of this name that nobody can want any more: a day old, another hash, in no container."""
    from docker.errors import APIError  # noqa: PLC0415 - an extra

    yesterday = datetime.now(UTC) - timedelta(days=1)
    for image in client.images.list(NAME, filters={"label": _LABEL}):
        made = datetime.fromisoformat(image.attrs["Created"][:19] + "+00:00")
        for tag in image.tags:
            if made < yesterday and tag not in (newest, f"{NAME}:latest"):
                with suppress(APIError):  # a container of somebody's stands on it
                    client.images.remove(tag)


def _present(client: DockerClient, base: str, dockerfile: str) -> str | None:
    from docker.errors import ImageNotFound  # noqa: PLC0415 - an extra

    tag = _tag(client, base, dockerfile)
    try:
        client.images.get(tag)
    except ImageNotFound:
        return None
    return tag


def _tag(client: DockerClient, base: str, dockerfile: str) -> str:
    inputs = [IMAGE / dockerfile]
    words = [str(client.images.get(base).id)]
    name = f"{NAME}-sshd"
    if dockerfile == "Dockerfile":
        inputs += [IMAGE / "pyproject.toml", *program_files()]
        words += pins()
        name = NAME
    return f"{name}:{_hash_of(inputs, words)}"


def _hash_of(files: Iterable[Path], words: Iterable[str]) -> str:
    digest = hashlib.sha256()
    root = IMAGE.parent
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root)}\0{len(content)}\0".encode() + content)
    for word in words:
        digest.update(f"{word}\0".encode())
    return digest.hexdigest()[:12]


def _python_of(client: DockerClient, base: str) -> ImagePython:
    from docker.errors import ContainerError  # noqa: PLC0415 - an extra

    try:
        said = client.containers.run(
            base, ["python3", "-c", _ASK_PYTHON], remove=True, network_mode="none"
        )
        version, machine, glibc = said.decode().split()
    except (ContainerError, ValueError) as error:
        raise WorldFailed(f"{base} has no Python that a node could run on: {error}") from None
    if int(glibc) == 0:
        raise WorldFailed(f"{base} has no glibc; take a base of Debian's or Ubuntu's kind")
    return ImagePython(version, machine, int(glibc))


def _build(client: DockerClient, context: Path, dockerfile: str, base: str, tag: str) -> None:
    from docker.errors import BuildError  # noqa: PLC0415 - an extra

    shutil.copy(IMAGE / dockerfile, context / "Dockerfile")
    try:
        client.images.build(
            path=str(context),
            tag=tag,
            buildargs={"BASE_IMAGE": base},
            labels=dict([_LABEL.split("=")]),
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        said = "".join(line.get("stream", "") for line in error.build_log)
        raise WorldFailed(f"{tag} could not be built: {error}\n{said[-2000:]}") from None
