"""What a run has changed on this host, written down before it is done; and the undoing of what a dead run left.

Each run keeps one file: who it is (process id and start time, because ids come back) and its open changes. A change is
recorded, then made, then undone, then struck off; so whatever is in force stands in a file, and a file whose harness is dead
holds what nobody will undo. Undoing is the same act in both cases (`undo`) and harmless when there is nothing to undo.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from cluster.worlds.errors import WorldFailed
from cluster.worlds.host.programs import Here
from cluster.worlds.local.leftovers import lists_directory, start_ticks

__all__ = ["Change", "ChangeLog", "changes_directory", "repair", "undo"]

ROOT_QDISC = "7e57:"
"""The handle of every root queue of ours: a queue with another one is not ours to remove."""


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One change of the host.

    `kind` names its row in the table of undoers, `name` the thing (``"bridge reprise_1a2b"``, a chain, a device, a file),
    `namespace` the network namespace it lies in, `before` what a file held.
    """

    kind: str
    name: str
    namespace: str = ""
    before: str = ""


class _Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pid: int
    started: int
    changes: list[Change]


class ChangeLog:
    """The open changes of one run, newest last. Make one for each world; `close` undoes what is left."""

    def __init__(self, directory: Path, run: str) -> None:
        """`run` names the file in `directory`; two runs never share one."""
        self._path = directory / f"{run}.json"
        self._changes: list[Change] = []

    def open(self, change: Change) -> None:
        """Record `change`, which is about to be made. Recording it twice does nothing."""
        if change not in self._changes:
            self._changes.append(change)
            self._write()

    def undo(self, change: Change) -> None:
        """Undo `change` and strike it off; one that is not open is left alone. Raises WorldFailed and keeps it."""
        if change in self._changes:
            undo(change)
            self._changes.remove(change)
            self._write()

    def close(self) -> None:
        """Undo everything that is open, newest first, and remove the file. What fails stays recorded, and is raised last."""
        failures: list[WorldFailed] = []
        for change in reversed(self._changes.copy()):
            try:
                self.undo(change)
            except WorldFailed as failure:
                failures.append(failure)
        if failures:
            raise WorldFailed("; ".join(str(failure) for failure in failures))
        self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        run = _Run(os.getpid(), start_ticks(os.getpid()), self._changes)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(run)))
        temporary.rename(self._path)


def changes_directory() -> Path:
    """Where this user's runs keep their changes; made when missing."""
    directory = lists_directory() / "changes"
    directory.mkdir(mode=0o700, exist_ok=True)
    return directory


def repair(directory: Path) -> list[str]:
    """Undo what runs whose harness is dead have left; returns one line for each change that was undone.

    Raises WorldFailed when a file cannot be read or a change not be undone: a run on such a host would prove nothing.
    """
    undone = []
    for path in sorted(directory.glob("*.json")):
        try:
            run = msgspec.json.decode(path.read_bytes(), type=_Run)
        except FileNotFoundError:
            continue
        except msgspec.DecodeError as error:
            raise WorldFailed(
                f"{path} is no list of changes ({error}); look at it and remove it"
            ) from error
        if run.started == start_ticks(run.pid) != 0:
            continue
        for change in reversed(run.changes):
            undo(change)
            undone.append(f"{change.kind} {change.name}: left by process {run.pid}, undone")
        path.unlink(missing_ok=True)
    return undone


def undo(change: Change) -> None:
    """Undo one change; does nothing when it is not in force. Raises WorldFailed."""
    here = Here(change.namespace)
    if here.exists():
        _UNDO[change.kind](change, here)


def _remove_table(change: Change, here: Here) -> None:
    here(["nft", "-f", "-"], f"table {change.name}\ndelete table {change.name}\n")


def _remove_chain(change: Change, here: Here) -> None:
    """Remove the jump to a chain of iptables' mangle table, and the chain, if they are there."""
    rules = here(["iptables-save", "-t", "mangle"]).splitlines()
    for rule in rules:
        if rule.startswith("-A ") and rule.endswith(f" -j {change.name}"):
            here(["iptables", "-w", "-t", "mangle", "-D", *rule.split()[1:]])
    if any(rule.startswith(f":{change.name} ") for rule in rules):
        here(["iptables", "-w", "-t", "mangle", "-F", change.name])
        here(["iptables", "-w", "-t", "mangle", "-X", change.name])


def _remove_queue(change: Change, here: Here) -> None:
    """Remove our root queue of a device; another one, or none, is left as it is."""
    shown = here(["tc", "qdisc", "show"])
    if any(f" {ROOT_QDISC} dev {change.name} " in f"{line} " for line in shown.splitlines()):
        here(["tc", "qdisc", "del", "dev", change.name, "root"])


def _restore_file(change: Change, here: Here) -> None:  # noqa: ARG001 - one shape for all
    """Write back what a file of the kernel held; one that is gone with its group needs nothing."""
    path = Path(change.name)
    if path.exists():
        try:
            path.write_text(change.before)
        except OSError as error:
            raise WorldFailed(f"{path}: cannot write {change.before!r} back: {error}") from error


def _unmount(change: Change, here: Here) -> None:
    """Take a mount away, in use or not; one that is not there needs nothing."""
    if os.path.ismount(change.name):
        here(["umount", "--lazy", change.name])


def _remove_group(change: Change, here: Here) -> None:
    """Remove a control group; what lives in it goes to the group above."""
    group = Path(change.name)
    if not group.exists():
        return
    above = str(group.parent / "cgroup.procs")
    for pid in (group / "cgroup.procs").read_text().split():
        try:
            here(["tee", above], pid)
        except WorldFailed:
            if Path(f"/proc/{pid}").exists():
                raise
    here(["rmdir", str(group)])


_UNDO: dict[str, Callable[[Change, Here], None]] = {
    "control-group": _remove_group,
    "iptables-chain": _remove_chain,
    "kernel-file": _restore_file,
    "mount": _unmount,
    "nft-table": _remove_table,
    "queue": _remove_queue,
}
"""Kind of change -> how it is undone."""
