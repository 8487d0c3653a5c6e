"""The trace file of a real node: one JSON line per event, written before the node goes on.

A line is handed to the kernel at once and never synced: the page cache outlives a killed process, and
what a node did before it died is exactly what one wants to read. A process killed inside a write
leaves a torn last line; the next one to open the file cuts it off, and readers stop before it.
"""

from __future__ import annotations

import os
import time

import msgspec

from cluster.trace import Event

__all__ = ["TraceFile"]

_TAIL_BYTES = 1 << 16


class TraceFile:
    """Stamps events and appends them. Call it with an event; it is a node's `sink`."""

    def __init__(self, path: str, run_start_ns: int) -> None:
        """Open the file at `path`, making it when missing. `run_start_ns` is zero of its times."""
        self._run_start_ns = run_start_ns
        self._encoder = msgspec.json.Encoder()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._cut_torn_line()

    def __call__(self, event: Event) -> None:
        """Write one event, stamped with the time since the run began."""
        msgspec.structs.force_setattr(event, "at_ns", time.monotonic_ns() - self._run_start_ns)
        line = self._encoder.encode(event) + b"\n"
        written = os.write(self._descriptor, line)
        while written < len(line):
            written += os.write(self._descriptor, line[written:])

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _cut_torn_line(self) -> None:
        size = os.fstat(self._descriptor).st_size
        whole = size
        while whole > 0:
            start = max(0, whole - _TAIL_BYTES)
            newline = os.pread(self._descriptor, whole - start, start).rfind(b"\n")
            if newline >= 0:
                whole = start + newline + 1
                break
            whole = start
        if whole < size:
            os.ftruncate(self._descriptor, whole)
