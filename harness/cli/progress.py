"""Progress of long work, on standard error: a rich bar on a terminal, plain lines otherwise.

Standard output belongs to results alone, so that ``--json`` and a pipe work. The clock is read here and
nowhere below: plain lines come at most every few seconds, and always for the first and the last step.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TextIO

__all__ = ["PLAIN_LINE_INTERVAL_NS", "PlainProgress", "Progress", "progress"]

PLAIN_LINE_INTERVAL_NS: Final = 5_000_000_000


class Progress(Protocol):
    """Told by the worker how far it is."""

    def at(self, done: int, note: str = "") -> None:
        """`done` of the total is done; `note` is a short remark that may change each time."""

    def say(self, line: str) -> None:
        """A line that stays: a seed that failed, a world that came up."""


class PlainProgress:
    """One line now and then: ``searching 40/100  3 failed``."""

    def __init__(
        self, what: str, total: int, stream: TextIO, now_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._what = what
        self._total = total
        self._stream = stream
        self._now_ns = now_ns
        self._next_ns = 0

    def at(self, done: int, note: str = "") -> None:
        """See `Progress`."""
        now_ns = self._now_ns()
        if now_ns < self._next_ns and done != self._total:
            return
        self._next_ns = now_ns + PLAIN_LINE_INTERVAL_NS
        of_total = f"/{self._total}" if self._total else ""
        self.say(f"{self._what} {done}{of_total}" + (f"  {note}" if note else ""))

    def say(self, line: str) -> None:
        """See `Progress`."""
        print(line, file=self._stream, flush=True)


class _Silence:
    """``--quiet``: only results are printed."""

    def at(self, done: int, note: str = "") -> None:
        """Say nothing."""

    def say(self, line: str) -> None:
        """Say nothing."""


@contextmanager
def progress(what: str, total: int, *, quiet: bool) -> Iterator[Progress]:
    """A progress for `total` steps of work called `what` (``"searching"``), closed when the block ends.

    A `total` of 0 is one that nobody knows.
    """
    if quiet or sys.stderr is None:
        yield _Silence()
    elif not sys.stderr.isatty():
        yield PlainProgress(what, total, sys.stderr)
    else:
        with _rich(what, total) as bar:
            yield bar


@contextmanager
def _rich(what: str, total: int) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total or None, note="")

        class _Terminal:
            def at(self, done: int, note: str = "") -> None:
                bar.update(task, completed=done, note=note)

            def say(self, line: str) -> None:
                bar.console.print(line, markup=False, highlight=False)

        yield _Terminal()
