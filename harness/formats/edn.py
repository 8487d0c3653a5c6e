"""EDN, Clojure's notation for data: text to values and back, and nothing about histories.

Reading is one compiled expression that finds the next token, whatever white space, commas and comments stand before
it, and a stack of the collections that are open. Bare tokens (numbers, keywords, symbols) are looked up in a memory of
those seen before. Writing is a table by type. What JSON has no word for is a class of `harness.values`.

Grammar: https://github.com/edn-format/edn, with Clojure's ratios, ``##Inf`` and character names. Unknown tags are
kept. The decimals of ``1.5M`` become floats, big integers are integers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from harness.errors import UserMistake
from harness.values import (
    Character,
    Keyword,
    Parenthesised,
    Symbol,
    Tagged,
    Unordered,
    frozen_all,
    thawed,
)

__all__ = ["EdnDamaged", "EdnUnfinished", "atoms", "read_form", "skip_blank", "write_form"]

DEPTH_MAX: Final = 1_000
"""Collections may be nested so deeply."""

DIGITS_MAX: Final = 4_000
"""A number may have so many; Python itself refuses a few more."""

ATOMS_KEPT_MAX: Final = 1 << 17
"""So many bare tokens are remembered; then they are forgotten at once."""

_BLANK: Final = re.compile(r"(?:[\s,]++|;[^\n]*+)*+")

_TOKEN: Final = re.compile(
    r"""(?:[\s,]++|;[^\n]*+)*+
    (?: (?P<atom>[^\s,;"\\()\[\]{}#][^\s,;"\\()\[\]{}]*+ | \#\#-?[A-Za-z]++)
      | (?P<open>\#?\{|[\[(])
      | (?P<close>[\])}])
      | (?P<string>"(?:[^"\\]|\\.)*+")
      | (?P<discard>\#_)
      | (?P<tag>\#[A-Za-z][^\s,;"\\()\[\]{}]*+)
      | (?P<character>\\(?:u[0-9a-fA-F]{4}|[A-Za-z]++|.))
    )""",
    re.VERBOSE | re.DOTALL,
)

_NUMBER: Final = re.compile(r"[+-]?\d+(?:(N?)|(/\d+)|((?:\.\d*)?(?:[eE][+-]?\d+)?M?))\Z")

_WORDS: Final[dict[str, Any]] = {
    "nil": None,
    "true": True,
    "false": False,
    "##Inf": float("inf"),
    "##-Inf": float("-inf"),
    "##NaN": float("nan"),
}

_CHARACTERS: Final = {
    "newline": "\n",
    "return": "\r",
    "space": " ",
    "tab": "\t",
    "backspace": "\b",
    "formfeed": "\f",
}
_CHARACTER_NAMES: Final = {character: name for name, character in _CHARACTERS.items()}

_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "\\": "\\"}
_ESCAPED: Final = str.maketrans(
    {character: f"\\{letter}" for letter, character in _ESCAPES.items()}
)

_CLOSERS: Final = {"[": "]", "(": ")", "{": "}", "#{": "}"}
_DISCARD: Final = "#_"


class EdnDamaged(UserMistake):
    """Text that is no EDN. `position` is where in the text."""

    def __init__(self, what: str, position: int) -> None:
        super().__init__(what)
        self.position = position


class EdnUnfinished(EdnDamaged):
    """The text ends inside a form; more of it may mend that."""


def skip_blank(text: str, position: int) -> int:
    """The position behind white space, commas and comments."""
    found = _BLANK.match(text, position)
    assert found is not None
    return found.end()


class _Atoms(dict[str, Any]):
    """Bare token -> its value. Raises EdnDamaged at the beginning of its text."""

    def __missing__(self, token: str) -> Any:
        value = _new_atom(token)
        if len(self) > ATOMS_KEPT_MAX:
            self.clear()
            self.update(_WORDS)
        self[token] = value
        return value


atoms: Final = _Atoms(_WORDS)
"""The value of every bare token; those that were looked up lately are remembered."""


def _new_atom(token: str) -> Any:
    if token[0] == ":":
        if len(token) == 1 or token[1] == ":":
            raise EdnDamaged(f"{token!r} is no keyword", 0)
        return Keyword(token[1:])
    number = _NUMBER.match(token)
    if number is not None and len(token) > DIGITS_MAX:
        raise EdnDamaged(f"a number has more than {DIGITS_MAX:,} digits", 0)
    if number is not None:
        big, ratio, _ = number.groups()
        if big is not None:
            return int(token.rstrip("N"))
        if ratio is not None:
            below = int(ratio[1:])
            if not below:
                raise EdnDamaged(f"{token!r} divides by zero", 0)
            return Fraction(int(token[: -len(ratio)]), below)
        return float(token.rstrip("M"))
    if token[0].isdigit() or token[0] == "#" or (token[0] in "+-" and token[1:2].isdigit()):
        raise EdnDamaged(f"{token!r} is no number", 0)
    return Symbol(token)


def read_form(text: str, position: int = 0) -> tuple[Any, int]:
    """The form that begins at `position`, and the position behind it. Raises EdnUnfinished, EdnDamaged."""
    stack: list[tuple[str, list[Any]]] = []
    items: list[Any] = []
    """Of the innermost collection that is open."""
    while True:
        token = _TOKEN.match(text, position)
        if token is None:
            raise _no_token(text, position)
        kind = token.lastgroup
        assert kind is not None
        start, position = token.start(kind), token.end()
        if kind == "atom":
            try:
                value = atoms[token["atom"]]
            except EdnDamaged as error:
                error.position = start
                raise
        elif kind == "close":
            opener = stack.pop()[0] if stack else ""
            if token["close"] != _CLOSERS.get(opener):
                raise EdnDamaged(f"{token['close']!r} closes {opener or 'nothing'!r}", start)
            value = _collection(opener, items, start)
            items = stack[-1][1] if stack else []
        elif kind in ("open", "discard", "tag"):
            items = []
            stack.append((token[kind], items))
            if len(stack) > DEPTH_MAX:
                raise EdnDamaged(f"holds more than {DEPTH_MAX:,} collections in one another", start)
            continue
        else:
            value = (_string if kind == "string" else _character)(token[kind], start)
        done, items = _prefixed(stack, items, value)
        if done is not _NONE:
            return done, position


_NONE: Final = object()
"""No form is complete yet."""


def _prefixed(
    stack: list[tuple[str, list[Any]]], items: list[Any], value: Any
) -> tuple[Any, list[Any]]:
    """Hand `value` to the tags and discards in front of it, and what is left to the open collection."""
    while stack and stack[-1][0] not in _CLOSERS:
        prefix = stack.pop()[0]
        items = stack[-1][1] if stack else []
        if prefix == _DISCARD:
            return _NONE, items
        value = Tagged(prefix[1:], value)
    if not stack:
        return value, items
    items.append(value)
    return _NONE, items


def _no_token(text: str, position: int) -> EdnDamaged:
    start = skip_blank(text, position)
    if start == len(text) or text[start] in '"#\\':
        return EdnUnfinished("ends in the middle of a form", start)
    return EdnDamaged(f"cannot be read from {text[start : start + 20]!r} on", start)


def _collection(opener: str, items: list[Any], position: int) -> Any:
    if opener == "[":
        return items
    if opener == "(":
        return Parenthesised(items)
    if opener == "#{":
        return Unordered(items)
    if len(items) % 2:
        raise EdnDamaged("holds a map with a key that has no value", position)
    keys = frozen_all(items[::2])
    found = dict(zip(keys, items[1::2], strict=True))
    if len(found) < len(keys):
        raise EdnDamaged("holds a map with the same key twice", position)
    return found


def _string(token: str, position: int) -> str:
    inner = token[1:-1]
    if "\\" not in inner:
        return inner

    def unescaped(found: re.Match[str]) -> str:
        letter = found[1]
        if len(letter) == 5:
            return chr(int(letter[1:], 16))
        if letter not in _ESCAPES:
            raise EdnDamaged(f"holds a string with the unknown escape '\\{letter}'", position)
        return _ESCAPES[letter]

    return _ESCAPE.sub(unescaped, inner)


def _character(token: str, position: int) -> Character:
    name = token[1:]
    if len(name) == 1:
        return Character(name)
    if name[0] == "u" and len(name) == 5:
        return Character(chr(int(name[1:], 16)))
    if name not in _CHARACTERS:
        raise EdnDamaged(f"{token!r} is no character", position)
    return Character(_CHARACTERS[name])


def _write_float(value: float) -> str:
    if value != value:  # noqa: PLR0124 - what is not equal to itself is no number
        return "##NaN"
    if value in (float("inf"), float("-inf")):
        return "##Inf" if value > 0 else "##-Inf"
    return repr(value)


def _write_items(opener: str) -> Callable[[Any], str]:
    closer = _CLOSERS[opener]
    return lambda items: f"{opener}{' '.join([write_form(item) for item in items])}{closer}"


def _write_map(items: dict[Any, Any]) -> str:
    pairs = [f"{write_form(thawed(key))} {write_form(item)}" for key, item in items.items()]
    return f"{{{', '.join(pairs)}}}"


_WRITERS: Final[dict[type, Callable[[Any], str]]] = {
    type(None): lambda _: "nil",
    bool: lambda value: "true" if value else "false",
    int: str,
    float: _write_float,
    Fraction: lambda value: f"{value.numerator}/{value.denominator}",
    str: lambda value: f'"{value.translate(_ESCAPED)}"',
    Keyword: lambda value: f":{value}",
    Symbol: str,
    Character: lambda value: f"\\{_CHARACTER_NAMES.get(value, value)}",
    list: _write_items("["),
    tuple: _write_items("["),
    Parenthesised: _write_items("("),
    Unordered: _write_items("#{"),
    dict: _write_map,
    Tagged: lambda value: f"#{value.tag} {write_form(value.value)}",
}


def write_form(value: Any) -> str:
    """`value` as EDN on one line. Raises TypeError for what is no plain data."""
    writer = _WRITERS.get(type(value))
    if writer is None:
        raise TypeError(f"{type(value).__name__} is no plain data")
    return writer(value)
