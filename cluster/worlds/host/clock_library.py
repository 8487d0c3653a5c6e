"""Wrong wall clocks for real programs: the library that is preloaded into them, and the file that says how wrong.

The library (``clock_library.c``, where the reading is defined) is built by the host's C compiler when it is first needed and
kept by the hash of its source. Each node has a file of its own that its process maps; writing it moves the clock at once, in
every process that has it. No clock of the machine is ever set.
"""

from __future__ import annotations

import mmap
import os
import platform
import shutil
import struct
import subprocess
import time
from hashlib import blake2b
from pathlib import Path

from cluster.worlds.errors import WorldFailed, WorldMissing

__all__ = ["ClockFile", "built_library", "environment"]

SOURCE = Path(__file__).with_suffix(".c")
_COMPILERS = ("cc", "gcc", "clang")
_CLOCK = struct.Struct("=Qqqq")
"""``struct clock``: version, offset, since when, drift."""


def built_library(cache: Path) -> Path:
    """Return the library, built into `cache` unless it lies there or beside its source. Raises WorldMissing without a C compiler."""
    source = SOURCE.read_bytes()
    name = blake2b(source + platform.machine().encode(), digest_size=8).hexdigest()
    library = cache / f"reprise-clock-{name}.so"
    for built in (library, SOURCE.with_name(library.name)):
        if built.exists():
            return built
    compiler = next(filter(shutil.which, _COMPILERS), None)
    if compiler is None:
        raise WorldMissing(
            "wrong wall clocks need a C compiler, to build the library that tells the time",
            "apt-get install gcc libc6-dev",
        )
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = library.with_suffix(f".{os.getpid()}")
    done = subprocess.run(
        [
            compiler,
            "-O2",
            "-Wall",
            "-shared",
            "-fPIC",
            "-o",
            unfinished,
            SOURCE,
            "-ldl",
            "-lpthread",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise WorldFailed(f"{compiler} cannot build {SOURCE.name}: {done.stderr.strip()}")
    unfinished.rename(library)
    return library


def environment(library: Path | str, clock: Path | str) -> dict[str, str]:
    """Return what a program must find in its environment; both paths as it sees them."""
    return {"LD_PRELOAD": str(library), "REPRISE_CLOCK": str(clock)}


class ClockFile:
    """How wrong one node's wall clock is. The file is made right, and may be mapped before anything is set."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(_CLOCK.pack(0, 0, 0, 0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _CLOCK.size)
        self._version = 0

    def set(self, offset_ns: int, drift_ppm: int) -> None:
        """Let the clock be off by `offset_ns` from now on, and drift from there by parts per million; zeros put it right.

        Readers take the values between two equal even versions.
        """
        since_ns = time.monotonic_ns()
        self._write_version()
        _CLOCK.pack_into(self._shared, 0, self._version, offset_ns, since_ns, drift_ppm)
        self._write_version()

    def close(self) -> None:
        """Let go of the file; what it says stays."""
        self._shared.close()

    def _write_version(self) -> None:
        self._version += 1
        struct.pack_into("=Q", self._shared, 0, self._version)
