"""Names that a user may get wrong: what is allowed, and which one was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final

import click

from harness.errors import UserMistake

__all__ = ["DURATION", "KEY_VALUE", "LIST", "unknown_word"]

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}


def unknown_word(kind: str, given: str, allowed: Iterable[str]) -> UserMistake:
    """The error for a name that does not exist: what was given, the nearest name, and all there are."""
    names = sorted(allowed)
    near = get_close_matches(given, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return UserMistake(f"no {kind} {given!r}{hint} There are: {', '.join(names) or 'none yet'}")


class _Duration(click.ParamType[float]):
    """``90``, ``500ms``, ``10m``, ``1.5h`` -> seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", str(value))
        if match is None or float(match[1]) == 0:
            self.fail(f"{value!r} is no duration; write 90, 500ms, 10m or 1h", param, ctx)
        return float(match[1]) * _SECONDS[match[2]]


class _List(click.ParamType[tuple[str, ...]]):
    """``kill,partition`` -> its names, without duplicates, in the order given."""

    name = "list"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = [name.strip() for name in str(value).split(",")]
        if not all(names):
            self.fail(f"{value!r} has an empty name between its commas", param, ctx)
        return tuple(dict.fromkeys(names))


class _KeyValue(click.ParamType[tuple[str, Any]]):
    """``KEY=VALUE`` -> (key, value); numbers and true/false become what they look like."""

    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not equals or not key.strip():
            self.fail(f"{value!r} is no KEY=VALUE", param, ctx)
        return key.strip(), _typed(text.strip())


def _typed(text: str) -> Any:
    if text in {"true", "false"}:
        return text == "true"
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if re.fullmatch(r"-?\d+\.\d+", text):
        return float(text)
    return text


DURATION: Final = _Duration()
LIST: Final = _List()
KEY_VALUE: Final = _KeyValue()
