"""A control group of our own for one process, on a host where nobody made one for it; see `limits` for what its files hold.

It lies at the root of each hierarchy (the cgroup of a container, where the harness's host is one), is made at the first limit and
removed with the last: its processes go to the group above. Programs write the files, so that ``sudo -n`` will do.
"""

from __future__ import annotations

from pathlib import Path

from cluster.worlds.errors import WorldFailed
from cluster.worlds.host.limits import group_files
from cluster.worlds.host.programs import Here, Runner
from cluster.worlds.host.repairs import Change, ChangeLog
from cluster.worlds.world import Limits

__all__ = ["OwnGroup"]

_ROOT = Path("/sys/fs/cgroup")


class OwnGroup:
    """The group `name`."""

    def __init__(
        self, name: str, changes: ChangeLog, *, root: Path = _ROOT, run: Runner | None = None
    ) -> None:
        """`root` is where the hierarchies are mounted, `run` runs programs there; both are this host's."""
        self._name = name
        self._changes = changes
        self._root = root
        self._run = run or Here()
        self._version = 2 if (root / "cgroup.controllers").exists() else 1

    def apply(self, pid: int, limits: Limits) -> None:
        """Let process `pid`, and what it starts, have no more processor and memory than `limits` from now on. Raises WorldFailed."""
        if not limits.cpu_percent and not limits.memory_bytes:
            self.remove()
            return
        files = group_files(self._version, limits)
        for change in self._changes_of(files):
            self._changes.open(change)
            self._run(["mkdir", "-p", change.name])
        for name, text in files.items():
            self._run(["tee", str(self._place(name) / Path(name).name)], text)
        for change in self._changes_of(files):
            self._run(["tee", f"{change.name}/cgroup.procs"], str(pid))

    def remove(self) -> None:
        """Lift all limits; a second call does nothing. Raises WorldFailed."""
        for change in self._changes_of(group_files(self._version, Limits())):
            self._changes.undo(change)

    def probe(self, pid: int) -> str:
        """Return why process `pid` cannot be limited, found by doing it with ample limits; ``""`` when it can."""
        try:
            self.apply(pid, Limits(cpu_percent=100_000))
        except WorldFailed as failure:
            return str(failure)
        finally:
            self.remove()
        return ""

    def _changes_of(self, files: dict[str, str]) -> list[Change]:
        places = dict.fromkeys(self._place(name) for name in files)
        return [Change("control-group", str(place)) for place in places]

    def _place(self, file: str) -> Path:
        """The group's folder in the hierarchy that has `file`."""
        return self._root / file.rpartition("/")[0] / self._name
