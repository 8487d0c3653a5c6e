"""Giving back what a dead process would: file descriptors that a test's "killed" disks left open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["closing_files_below"]


@contextmanager
def closing_files_below(folder: Path) -> Iterator[None]:
    """Close every descriptor of this process that still leads below `folder` when the block ends.

    A test kills a real disk by forgetting it; the kernel of a killed process would close its files. Without this a
    long test session runs out of small descriptor numbers, and `select` fails far away from the cause.
    """
    try:
        yield
    finally:
        for descriptor in list(Path("/proc/self/fd").iterdir()):
            try:
                target = descriptor.readlink()
            except OSError:
                continue
            if target.is_relative_to(folder):
                os.close(int(descriptor.name))
