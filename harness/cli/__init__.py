"""The command line: one module per command, and here only the door.

What every command shares: exit codes (`exits`), how errors are told (`main`), progress (`progress`). A
command's module imports what it needs inside the function that needs it, so that ``reprise --help``
starts in the time click takes; `tests/unit/cli` holds a list of what must not be imported.

Every error ends as one line on standard error. `UserMistake` and click's usage errors are the user's
(254), everything else is ours (255) and leaves its traceback in a file that the line names.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from harness.cli.guard import guarded

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line with `arguments` (None: those of the process) and return the exit code."""
    return guarded(list(sys.argv[1:] if arguments is None else arguments))
