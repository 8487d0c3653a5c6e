"""The program of a node and what it depends on, as wheels that fit the Python of a base image.

They are made on this machine, so that an image is built without a network. Dependencies have the versions that the harness
itself runs with: what simulation found is looked for with the same SQLite.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import msgspec

from cluster.worlds.errors import WorldFailed

__all__ = ["IMAGE", "ImagePython", "fetch_wheels", "make_wheels", "pins"]

IMAGE = Path(__file__).parents[2] / "image"
"""The folder of the Dockerfile."""

_QUIET = ("--quiet", "--disable-pip-version-check")
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


def pins(beside: Sequence[str] = ()) -> list[str]:
    """The dependencies of a node, and packages `beside`, with the versions that are installed here."""
    return [f"{name}=={version(name)}" for name in (*_DEPENDENCIES, *beside)]


def make_wheels(directory: Path, python: ImagePython) -> None:
    """Put wheels for `python` into the folders ``program`` and ``dependencies`` of `directory`. Raises WorldFailed with pip's words."""
    with tempfile.TemporaryDirectory(prefix="reprise-pip-") as scratch:
        _run(
            [
                *_pip(Path(scratch)),
                "wheel",
                *_QUIET,
                "--no-deps",
                "--wheel-dir",
                str(directory / "program"),
                str(IMAGE),
            ]
        )
    fetch_wheels(directory / "dependencies", python, pins())


def fetch_wheels(directory: Path, python: ImagePython, wanted: Sequence[str]) -> None:
    """Put wheels of `wanted` (``name==version``) for `python` into `directory`. Raises WorldFailed with pip's words."""
    fitting = ["--only-binary=:all:", "--python-version", python.version]
    for tag in python.platforms():
        fitting += ["--platform", tag]
    with tempfile.TemporaryDirectory(prefix="reprise-pip-") as scratch:
        _run(
            [
                *_pip(Path(scratch)),
                "download",
                *_QUIET,
                "--no-deps",
                *fitting,
                "--dest",
                str(directory),
                *wanted,
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
        raise WorldFailed(f"no wheels for the nodes; pip says: {done.stderr.strip()}")
