"""The program of a keeper and its node, brought to hosts that have only Python: two archives, named by the hash of what is in them.

``program`` is our package `cluster`; ``dependencies`` are wheels for the Python, processor and C library of the host, unpacked
(a wheel without scripts is a folder of modules). They are made here, lie in ``~/.reprise/bundles`` there, and are brought
once: after a change of our code only the first, 300 KB, goes over again. Programs that nobody brought for a week are removed
when a new one comes.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import shlex
import tarfile
import tempfile
import zipfile
from pathlib import Path

import msgspec

import cluster
from cluster.worlds.docker.wheels import ImagePython, fetch_wheels, pins
from cluster.worlds.errors import WorldFailed, WorldMissing
from cluster.worlds.host.clock_library import built_library
from cluster.worlds.local.leftovers import lists_directory
from cluster.worlds.ssh.connection import HostConnection

__all__ = ["Bundles", "HostPython", "find_python", "launch_script", "upload"]

_PYTHONS = ("python3", "python3.14", "python3.13", "python3.12", "python3.11")
_ASK = (
    "import sys, platform; sys.version_info >= (3, 11) or sys.exit(1); "
    "print(sys.executable, '%d.%d' % sys.version_info[:2], platform.machine(),"
    " platform.libc_ver()[1].partition('.')[2] or 0)"
)
_UNPACK = """
import os, shutil, sys, tarfile, tempfile, time
place = sys.argv[1]
os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
scratch = tempfile.mkdtemp(dir=os.path.dirname(place))
try:
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|gz") as archive:
        archive.extractall(scratch)
    if not os.path.exists(place):
        os.rename(scratch, place)
        os.utime(place)
    for old in os.scandir(os.path.dirname(place)):
        if old.name.startswith("program-") and old.stat().st_mtime < time.time() - 7 * 86400:
            shutil.rmtree(old.path)
finally:
    shutil.rmtree(scratch, ignore_errors=True)
"""
_PLACE = "$HOME/.reprise/bundles/{}"
"""As the shell there reads it."""
_EXTRA = ("mfusepy",)
"""What a node on a mounted disk needs beside a node's own dependencies."""


class HostPython(msgspec.Struct, frozen=True):
    """The Python of a host: where it is, and what fits it."""

    path: str
    fits: ImagePython


class Bundles(msgspec.Struct, frozen=True):
    """The two archives for one kind of host: names and bytes (gzipped tar)."""

    archives: tuple[tuple[str, bytes], ...]

    @staticmethod
    def make(python: ImagePython) -> Bundles:
        """Return the bundles for `python`; dependencies are fetched when they are needed first. Raises WorldFailed."""
        return Bundles((_program(python), _dependencies(python)))


def find_python(connection: HostConnection) -> HostPython:
    """Return the host's Python. Raises WorldMissing where there is none that can run a node."""
    tries = " || ".join(f"{name} -c {shlex.quote(_ASK)} 2>/dev/null" for name in _PYTHONS)
    exit_code, said = connection.run(tries)
    words = said.split()
    if exit_code != 0 or len(words) != 4:
        raise WorldMissing(
            f"{connection.place.shown} has no Python 3.11 or later", "apt-get install -y python3"
        )
    path, version, machine, glibc = words
    if glibc == "0":
        raise WorldMissing(f"{connection.place.shown} has no glibc: no binary wheels fit it")
    return HostPython(path, ImagePython(version, machine, int(glibc)))


def launch_script(python: HostPython, bundles: Bundles) -> str:
    """Return the script that becomes a keeper; the bundles are there."""
    path = ":".join(_PLACE.format(name) for name, _ in bundles.archives)
    return f'PYTHONPATH="{path}" exec {shlex.quote(python.path)} -m cluster.worlds.ssh.keeper'


def upload(connection: HostConnection, python: HostPython, bundles: Bundles) -> None:
    """Bring what is not there yet. Raises WorldFailed."""
    ask = [f'test -d "{_PLACE.format(name)}" || echo {name}' for name, _ in bundles.archives]
    _, lacking = connection.run("; ".join(ask))
    for name, archive in bundles.archives:
        if name not in lacking.split():
            continue
        unpack = f'{shlex.join([python.path, "-c", _UNPACK])} "{_PLACE.format(name)}"'
        exit_code, said = connection.run(unpack, archive)
        if exit_code != 0:
            last = said.rpartition("\n")[2]
            raise WorldFailed(f"{connection.place.shown} does not take our program: {last}")


def _program(python: ImagePython) -> tuple[str, bytes]:
    root = Path(cluster.__file__).parent
    files = {
        f"cluster/{path.relative_to(root).as_posix()}": path
        for path in sorted(root.rglob("*"))
        if path.suffix in {".py", ".c"} and path.is_file()
    }
    library = _clock_library(python)
    if library is not None:
        files[f"cluster/worlds/host/{library.name}"] = library
    content = io.BytesIO()
    digest = hashlib.sha256()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, path in files.items():
            archive.add(path, name, recursive=False)
            digest.update(f"{name}\0".encode() + path.read_bytes())
    return f"program-{digest.hexdigest()[:12]}", content.getvalue()


def _clock_library(python: ImagePython) -> Path | None:
    """The library of wrong wall clocks built here, where it fits there: then hosts need no compiler."""
    ours = int(platform.libc_ver()[1].partition(".")[2] or 0)
    if python.machine != platform.machine() or not 0 < ours <= python.glibc:
        return None
    try:
        return built_library(lists_directory() / "libraries")
    except WorldMissing:
        return None


def _dependencies(python: ImagePython) -> tuple[str, bytes]:
    wanted = pins(_EXTRA)
    words = "\0".join([*wanted, python.version, python.machine, str(python.glibc)])
    name = f"dependencies-{hashlib.sha256(words.encode()).hexdigest()[:12]}"
    kept = _cache() / f"{name}.tar.gz"
    if not kept.exists():
        with tempfile.TemporaryDirectory(prefix="reprise-wheels-") as scratch:
            fetch_wheels(Path(scratch) / "wheels", python, wanted)
            modules = Path(scratch) / "modules"
            for wheel in sorted((Path(scratch) / "wheels").glob("*.whl")):
                zipfile.ZipFile(wheel).extractall(modules)  # noqa: S202 - as pip does it
            kept.parent.mkdir(parents=True, exist_ok=True)
            unfinished = kept.with_suffix(f".{os.getpid()}")
            with tarfile.open(unfinished, "w:gz") as archive:
                archive.add(modules, ".")
            unfinished.rename(kept)
    return name, kept.read_bytes()


def _cache() -> Path:
    place = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(place).expanduser() / "reprise"
