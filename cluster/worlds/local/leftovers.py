"""What a dead run left running, and how the next one ends it.

Nodes ask the kernel to die with their harness, so normally nothing is left. This is the second net: each run
lists its processes in a file of its own, and a world that starts first looks for lists whose harness is dead
and kills what is still alive of them, and only that. A process id alone proves nothing, because ids come
back: a process is the one on the list when its start time and its command line are those of the list.
"""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import msgspec

from cluster.worlds.errors import WorldFailed

__all__ = ["ProcessList", "end_leftovers", "lists_directory", "start_ticks"]


class _Listed(msgspec.Struct, frozen=True):
    """A process: its id, when it started (clock ticks since the machine did) and a word of its command line."""

    pid: int
    started: int
    word: str


class _List(msgspec.Struct, frozen=True):
    harness: _Listed
    processes: list[_Listed]


def lists_directory() -> Path:
    """Where this user's runs keep their lists; made when missing."""
    directory = Path(tempfile.gettempdir()) / f"reprise-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.stat().st_uid != os.getuid():
        raise WorldFailed(
            f"{directory} belongs to somebody else; set TMPDIR to a directory of your own"
        )
    return directory


def start_ticks(pid: int) -> int:
    """When process `pid` started, in clock ticks since boot; 0 when there is none (a zombie is none)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    fields = stat.rpartition(")")[2].split()
    return 0 if fields[0] in "ZX" else int(fields[19])


class ProcessList:
    """The list of one world's processes."""

    def __init__(self, directory: Path, name: str) -> None:
        self._path = directory / f"{name}.json"
        self._harness = _Listed(os.getpid(), start_ticks(os.getpid()), "")
        self._processes: dict[int, _Listed] = {}

    def add(self, pid: int, word: str) -> None:
        """List a process just started; `word` is an argument on its command line that nobody else has."""
        self._processes[pid] = _Listed(pid, start_ticks(pid), word)
        self._write()

    def remove(self, pid: int) -> None:
        """Take a process that has ended off the list."""
        self._processes.pop(pid, None)
        self._write()

    def close(self) -> None:
        """Remove the list; a second call does nothing."""
        self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        content = msgspec.json.encode(_List(self._harness, list(self._processes.values())))
        temporary = self._path.with_suffix(".tmp")
        temporary.write_bytes(content)
        temporary.rename(self._path)


def end_leftovers(directory: Path) -> list[int]:
    """Kill what dead runs left and remove their lists; returns the ids of the processes killed."""
    killed = []
    for path in sorted(directory.glob("*.json")):
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_List)
        except FileNotFoundError:
            continue
        except msgspec.DecodeError as error:
            raise WorldFailed(
                f"{path} is no list of processes ({error}); look at it and remove it"
            ) from error
        if _alive(found.harness):
            continue
        for process in found.processes:
            if _alive(process) and _has_word(process):
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)
        path.unlink(missing_ok=True)
    return killed


def _alive(process: _Listed) -> bool:
    return process.started == start_ticks(process.pid) != 0


def _has_word(process: _Listed) -> bool:
    try:
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return process.word.encode() in words
