"""The program of a node and what it depends on, as wheels that fit the Python of a base image.

They are made on this machine, so that an image is built without a network. Dependencies have the versions that the harness
itself runs with: what simulation found is looked for with the same SQLite.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import msgspec

from cluster.worlds.errors import WorldFailed

__all__ = ["IMAGE", "ImagePython", "make_wheels", "pins"]

IMAGE = Path(__file__).parents[2] / "image"
"""The folder of the Dockerfile."""

_DEPENDENCIES = ("apsw", "crc32c", "msgspec")


class ImagePython(msgspec.Struct, frozen=True):
    """The Python of an image: its version (3.11), the machine (x86_64), and the minor version of its glibc 2."""

    version: str
    machine: str
    glibc: int

    def platforms(self) -> list[str]:
        """The tags of wheels that it can take, the newest first (PEP 600)."""
        newest_first = range(self.glibc, 4, -1)
        tags = [f"manylinux_2_{minor}_{self.machine}" for minor in newest_first]
        return [*tags, f"manylinux2014_{self.machine}"]


def pins() -> list[str]:
    """The dependencies of a node with the versions that are installed here."""
    return [f"{name}=={version(name)}" for name in _DEPENDENCIES]


def make_wheels(directory: Path, python: ImagePython) -> None:
    """Put wheels for `python` into the folders ``program`` and ``dependencies`` of `directory`. Raises WorldFailed with pip's words."""
    with tempfile.TemporaryDirectory(prefix="reprise-pip-") as scratch:
        pip = _pip(Path(scratch))
        target = ["--quiet", "--disable-pip-version-check"]
        _run(
            [
                *pip,
                "wheel",
                *target,
                "--no-deps",
                "--wheel-dir",
                str(directory / "program"),
                str(IMAGE),
            ]
        )
        fitting = ["--only-binary=:all:", "--python-version", python.version]
        for tag in python.platforms():
            fitting += ["--platform", tag]
        _run(
            [
                *pip,
                "download",
                *target,
                "--no-deps",
                *fitting,
                "--dest",
                str(directory / "dependencies"),
                *pins(),
            ]
        )


def _pip(scratch: Path) -> list[str]:
    """How pip is called; an environment made by uv has none, so one is borrowed."""
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    venv.create(scratch / "venv", with_pip=True)
    return [str(scratch / "venv" / "bin" / "python"), "-m", "pip"]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise WorldFailed(f"the node image lacks its wheels; pip says: {done.stderr.strip()}")
