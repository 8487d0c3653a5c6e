"""A name for the control socket that the kernel takes, however deep its folder lies: names of sockets end at 107 bytes.

Both ends call it, the one that binds and the one that connects; what they say to each other stands in `messages`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["short_name"]


@contextmanager
def short_name(path: Path) -> Iterator[str]:
    """Give a name of `path` that holds inside this block: through a descriptor of its folder."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
