"""Programs of this host: run to their end, inside a network namespace where one is named.

The one room of `host` that starts ``nft``, ``tc``, ``ip`` and their like. A `Runner` is how the other rooms see it. Who is not
root runs them through ``sudo -n`` where that is allowed without a question (`elevation`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

from cluster.worlds.errors import WorldFailed

__all__ = ["Here", "Runner", "elevation", "inside", "missing_programs"]

_OWN_NAMESPACE = "/proc/self/ns/net"
_TIMEOUT_S = 30.0
"""No program used here takes a second; one that hangs must not hold a run for ever."""


class Runner(Protocol):
    """Runs one program to its end on the machine it stands for."""

    def __call__(self, words: Sequence[str], text: str = "") -> str:
        """Run `words` with `text` as standard input; return standard output. Raises WorldFailed, in one line."""


class Here:
    """A `Runner` on this machine, inside the network namespace at `namespace` (``/run/netns/x``; ``""``: our own)."""

    def __init__(self, namespace: str = "") -> None:
        self.namespace = namespace

    def __call__(self, words: Sequence[str], text: str = "") -> str:
        """See `Runner`."""
        command = [*elevation(), *inside(self.namespace, words)]
        try:
            done = subprocess.run(
                command, input=text, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
            )
        except FileNotFoundError:
            raise WorldFailed(
                f"{command[0]} is not installed on this host: install it, or leave the fault out"
            ) from None
        except subprocess.TimeoutExpired:
            raise WorldFailed(f"{' '.join(command)}: no end after {_TIMEOUT_S:g} s") from None
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().replace("\n", "; ")
            raise WorldFailed(f"{' '.join(command)}: exit code {done.returncode}: {said}")
        return done.stdout

    def exists(self) -> bool:
        """Whether the namespace still is there."""
        return not self.namespace or Path(self.namespace).exists()

    def is_elsewhere(self) -> bool:
        """Whether the namespace is there, and not the one that we live in."""
        place = Path(self.namespace)
        return bool(self.namespace) and place.exists() and not place.samefile(_OWN_NAMESPACE)


@cache
def elevation() -> tuple[str, ...]:
    """Return the words in front of a program that needs root: none for root, nor for who may not become root unasked."""
    if os.geteuid() == 0 or shutil.which("sudo") is None:
        return ()
    sudo = ("sudo", "-n")
    asked = subprocess.run([*sudo, "true"], capture_output=True, check=False)
    return sudo if asked.returncode == 0 else ()


def inside(namespace: str, words: Sequence[str]) -> list[str]:
    """Return the command that runs `words` inside a network namespace."""
    entry = ["nsenter", f"--net={namespace}", "--"] if namespace else []
    return [*entry, *words]


def missing_programs(names: Sequence[str]) -> list[str]:
    """Return those of `names` that are not installed."""
    return [name for name in names if shutil.which(name) is None]
