"""Compilation, where numba is installed; without it the same code runs as plain Python.

The rules of code that is compiled here: numbers, columns and named tuples of columns, no objects; no
arithmetic that overflows (Python's integers do not wrap); nothing is allocated, for references are not counted: with tuples of
columns that counting cost five to ten times what the search did. What is compiled is kept on disk, beside the module or, where that
cannot be written, in the user's cache (numba's order), so that only the first run on a machine pays; where nothing can be
written, every run pays.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

from harness.checkers.linearizable.calls import Column

__all__ = ["COMPILED", "column", "compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])

try:
    _numba: Any = import_module("numba")
except ImportError:
    _numba = None

COMPILED = _numba is not None
"""Whether compiled code is used."""


_OPTIONS = {"forceinline": True, "_nrt": False}
"""A call hands over every column of every tuple, which cost a quarter of the time: functions are put where they are called."""


def compiled(function: Function) -> Function:
    """Compile `function` at its first call, if that is possible."""
    if _numba is None:
        return function
    try:
        found: Function = _numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # numba found no place for a cache
        found = _numba.njit(**_OPTIONS)(function)
    return found


def column(numbers: Column) -> Any:
    """Return `numbers` in the form that is fastest for `compiled` code: a plain list where nothing is compiled."""
    return numbers if COMPILED else numbers.tolist()
