"""Exit codes, as in Jepsen; nothing else."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

__all__ = ["Exit", "exit_for"]


class Exit(IntEnum):
    """What the shell is told."""

    VALID = 0
    INVALID = 1
    UNKNOWN = 2
    INTERRUPTED = 130
    MISTAKE = 254
    """Wrong arguments, or a world that lacks a capability."""
    INTERNAL = 255
    """A defect of the harness, or a replay that was not byte-identical."""


_FOR_VALID: dict[Any, Exit] = {True: Exit.VALID, False: Exit.INVALID, "unknown": Exit.UNKNOWN}


def exit_for(valid: Any, *, interrupted: bool = False) -> Exit:
    """The exit code of a verdict (True, False or ``"unknown"``); any other value is a KeyError.

    Work that was interrupted says so, whatever it had found.
    """
    return Exit.INTERRUPTED if interrupted else _FOR_VALID[valid]
