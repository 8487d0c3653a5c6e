"""What a process or a group of processes may use at most: processor, memory, open files.

Groups are cgroups of either version: which file holds which limit, and in which words, is a table; the edge writes them and
records what they held. Open files are a limit of one process (prlimit(2)), which dies with it. (Room on a disk is a matter of
the disk: `cluster.worlds.host.power_disk`.)
"""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

from cluster.worlds.errors import WorldFailed
from cluster.worlds.host.repairs import Change, ChangeLog
from cluster.worlds.world import Limits

__all__ = ["GroupLimits", "group_files", "group_of", "limit_open_files"]

_PERIOD_US = 100_000
_NO_LIMIT = {1: "-1", 2: "max"}


def limit_open_files(pid: int, count: int) -> None:
    """Let process `pid` have no more than `count` open files; 0: as many as it may. Raises WorldFailed.

    What is open stays open. The hard limit is left, so that root is not needed to undo it. A process of another user is limited
    in its name: root alone may not everywhere (CAP_SYS_RESOURCE is missing on some machines).
    """
    try:
        hard = _hard_limit(Path(f"/proc/{pid}/limits").read_text())
        soft = min(count, hard) if count and hard != resource.RLIM_INFINITY else count or hard
        try:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        except PermissionError:
            _limit_as_owner(pid, soft, hard)
    except (FileNotFoundError, ProcessLookupError):
        return
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise WorldFailed(f"process {pid} cannot be given {count} open files: {error}") from error


def _hard_limit(shown: str) -> int:
    """Return the hard limit of open files in what ``/proc/PID/limits`` shows: root may read it where it may not ask."""
    line = next(line for line in shown.splitlines() if line.startswith("Max open files"))
    hard = line.split()[4]
    return resource.RLIM_INFINITY if hard == "unlimited" else int(hard)


def _limit_as_owner(pid: int, soft: int, hard: int) -> None:
    """Have prlimit(1) do it as the user that the process belongs to; only root may become that user."""
    owner = Path(f"/proc/{pid}").stat()
    words = [str(limit) if limit >= 0 else "unlimited" for limit in (soft, hard)]
    subprocess.run(
        ["prlimit", "--pid", str(pid), f"--nofile={':'.join(words)}"],
        user=owner.st_uid,
        group=owner.st_gid,
        capture_output=True,
        check=True,
    )


def group_files(version: int, limits: Limits) -> dict[str, str]:
    """Return the files of a cgroup, by their path below its mount's controller, and what each must hold for `limits`."""
    quota_us = limits.cpu_percent * _PERIOD_US // 100
    no_limit = _NO_LIMIT[version]
    memory = str(limits.memory_bytes or no_limit)
    if version == 1:
        return {
            "cpu/cpu.cfs_quota_us": str(quota_us or no_limit),
            "memory/memory.limit_in_bytes": memory,
        }
    return {"cpu.max": f"{quota_us or no_limit} {_PERIOD_US}", "memory.max": memory}


def group_of(membership: str) -> str:
    """Return the path of a process's cgroup, given what its ``/proc/PID/cgroup`` says (cgroups(7)).

    Of version 1 it is the one of the processor's controller; the others have the same path wherever limits are set.
    """
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            return path.lstrip("/")
    raise WorldFailed(f"no control group of a processor in {membership!r}")


class GroupLimits:
    """The limits of one cgroup: `group` is its path below the root of the hierarchy, such as ``docker/4f1b...``."""

    def __init__(
        self, group: str, changes: ChangeLog, *, root: Path = Path("/sys/fs/cgroup")
    ) -> None:
        self._changes = changes
        self._version = 2 if (root / "cgroup.controllers").exists() else 1
        self._root = root
        self._group = group
        self._made: dict[Path, Change] = {}

    def apply(self, limits: Limits) -> None:
        """Let the group have no more than this from now on; `Limits()` puts back what was. Raises WorldFailed.

        Of `limits` only `cpu_percent` (of one processor) and `memory_bytes` are a group's.
        """
        wanted = group_files(self._version, limits)
        free = group_files(self._version, Limits())
        for name, text in wanted.items():
            path = self._path(name)
            if text == free[name]:
                change = self._made.pop(path, None)
                if change is not None:
                    self._changes.undo(change)
                continue
            try:
                change = self._made.get(path) or Change(
                    "kernel-file", str(path), before=path.read_text().strip()
                )
                self._changes.open(change)
                self._made[path] = change
                path.write_text(text)
            except OSError as error:
                raise WorldFailed(f"{path} does not take {text!r}: {error}") from error

    def _path(self, name: str) -> Path:
        controller, _, file = name.rpartition("/")
        return self._root / controller / self._group / file
