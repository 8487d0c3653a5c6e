"""What a run could leave on this machine, by name: for proofs that it leaves nothing. Looks only."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from cluster.worlds.local.leftovers import lists_directory

SETTLE_S = 20.0
"""How long what a run made may take to be gone."""


def machine() -> set[str]:
    """Everything on this machine that a run could leave, by name."""
    found = {f"file {path}" for path in lists_directory().rglob("*")}
    found |= {
        f"mount {line.split(' ')[4]}"
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if "reprise" in line
    }
    found |= {f"process {one}" for one in _processes()}
    for what, command in _LISTS.items():
        if shutil.which(command[0]):
            lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found |= {f"{what} {line}" for line in lines.splitlines() if "reprise" in line.lower()}
    return found


_LISTS = {
    "nft": ["nft", "list", "tables"],
    "iptables": ["iptables-save", "-t", "mangle"],
    "queue": ["tc", "qdisc", "show"],
    "container": ["docker", "ps", "--all", "--filter", "label=reprise.run", "--format", "reprise {{.Names}}"],
    "network": ["docker", "network", "ls", "--filter", "label=reprise.run", "--format", "reprise {{.Name}}"],
}  # fmt: skip


def _processes() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(word.startswith(("cluster.node.main", "cluster.worlds.")) for word in words):
            yield f"{path.parent.name} {' '.join(words)}"


def left(before: set[str]) -> list[str]:
    """What is there now and was not `before`, once everything had its time to go."""
    deadline_s = time.monotonic() + SETTLE_S
    while (more := machine() - before) and time.monotonic() < deadline_s:
        time.sleep(0.5)
    return sorted(more)
