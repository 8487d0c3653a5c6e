"""Compilation, where numba is installed; without it the same code runs as plain Python.

The rules of code that is compiled here: numbers, columns and named tuples of columns, no objects; no
arithmetic that overflows (Python's integers do not wrap); nothing is allocated, for references are not counted: with tuples of
columns that counting cost five to ten times what the search did. What is compiled is kept on disk, beside the module or, where that
cannot be written, in the user's cache (numba's order), so that only the first run on a machine pays; where nothing can be
written, every run pays. Numba asks only whether the file of a function has changed, not those of what is inlined into it: so a
note beside the cache says what sources it is of, and all is compiled anew when one of them is another.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from harness.checkers.linearizable.calls import Column

__all__ = ["COMPILED", "SOURCES", "column", "compiled", "keep_only_current", "tell_of_compiling"]

Function = TypeVar("Function", bound=Callable[..., Any])

SOURCES = (
    "calls",
    "compiled",
    "encoding",
    "kernel",
    "places",
    "returns",
    "sweep",
    "vector_kernel",
    "vectors",
)
"""Modules whose code or constants are compiled."""

COMPILED = find_spec("numba") is not None
"""Whether compiled code is used."""

_tell: list[Callable[[], None]] = []
"""Whom to tell that compilation begins."""

_OPTIONS = {"forceinline": True, "_nrt": False}
"""A call hands over every column of every tuple, which cost a quarter of the time: functions are put where they are called."""


def compiled(function: Function) -> Function:
    """Compile `function` at its first call, if that is possible."""
    if not COMPILED:
        return function
    try:
        numba = _compiler()
        found: Any = numba.njit(cache=True, **_OPTIONS)(function)
        keep_only_current(Path(found.stats.cache_path))
    except ImportError:  # it is there, and does not fit what else is installed
        return function
    except (RuntimeError, OSError):  # no place for a cache, or not one to write to
        found = numba.njit(**_OPTIONS)(function)
    kept: Function = found
    return kept


@cache
def _compiler() -> Any:
    """Import the compiler, which takes half a second, so that only those wait who have something to compile."""
    numba: Any = import_module("numba")
    event: Any = import_module("numba.core.event")

    class Begun(event.Listener):  # type: ignore[misc]  # numba has no types
        def on_start(self, _: object) -> None:
            for tell in _tell:
                tell()

        def on_end(self, _: object) -> None:
            """Nobody waits for it."""

    event.register("numba:compile", Begun())
    return numba


def tell_of_compiling(tell: Callable[[], None]) -> None:
    """Let `tell` be called whenever compilation begins, which takes many seconds; what was kept on disk is loaded untold."""
    if tell not in _tell:
        _tell.append(tell)


@cache
def keep_only_current(folder: Path) -> None:
    """Delete what other sources were compiled to from a cache. Raises OSError where that cannot be done."""
    here = Path(__file__).parent
    sources = b"".join((here / f"{name}.py").read_bytes() for name in SOURCES)
    current, note = sha256(sources).hexdigest(), folder / "compiled-from"
    if note.exists() and note.read_text(encoding="ascii") == current:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.nb[ic]"):
        stale.unlink(missing_ok=True)
    note.write_text(current, encoding="ascii")


def column(numbers: Column) -> Any:
    """Return `numbers` in the form that is fastest for `compiled` code: a plain list where nothing is compiled."""
    return numbers if COMPILED else numbers.tolist()
