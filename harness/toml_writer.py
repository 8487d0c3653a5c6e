"""Writes TOML: the other half of the standard library's `tomllib`, for the few shapes that our
files have.

Plain values come first, then ``[tables]``, then ``[[arrays of tables]]``; whatever is nested deeper
is written in line, a list of tables one table a line. `tomllib.loads(dumps(value)) == value` for every dict of strings, integers,
floats but NaN, booleans, lists and dicts with string keys.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["dumps"]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+\Z")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def dumps(document: Mapping[str, Any]) -> str:
    """Return `document` as TOML. Raises TypeError naming the first value that TOML cannot hold."""
    plain: list[str] = []
    tables: list[str] = []
    for key, value in document.items():
        if isinstance(value, dict) and value:
            tables.append(f"\n[{_key(key)}]\n{_lines(value)}")
        elif _is_array_of_tables(value):
            tables.extend(f"\n[[{_key(key)}]]\n{_lines(table)}" for table in value)
        else:
            plain.append(f"{_key(key)} = {_value(value)}\n")
    return "".join(plain) + "".join(tables)


def _lines(table: Mapping[str, Any]) -> str:
    return "".join([f"{_key(key)} = {_long(value)}\n" for key, value in table.items()])


def _long(value: Any) -> str:
    """A value that may have several lines."""
    if _is_array_of_tables(value) and len(value) > 1:
        return "[\n" + "".join([f"  {_value(table)},\n" for table in value]) + "]"
    return _value(value)


def _is_array_of_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _key(key: str) -> str:
    return key if _BARE_KEY.match(key) else _string(key)


def _string(text: str) -> str:
    return '"' + "".join([_character(character) for character in text]) + '"'


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if ord(character) < 0x20 or character == "\x7f":
        return f"\\u{ord(character):04X}"
    return character


def _float(number: float) -> str:
    if math.isfinite(number):
        return repr(number)
    return str(number)  # inf, -inf, nan: TOML spells them as Python does


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join([_value(one) for one in value]) + "]"
    if isinstance(value, dict):
        pairs = ", ".join([f"{_key(key)} = {_value(one)}" for key, one in value.items()])
        return "{ " + pairs + " }" if pairs else "{}"
    raise TypeError(f"TOML has no way to write {value!r}, a {type(value).__name__}")
