"""Values of operations that JSON has no word for, and the form in which any value can be compared.

Histories of other tools hold keywords, symbols, characters, sets, ratios and tagged values. Each is here a subclass of
the plain type that a checker expects (a `Keyword` is a string without its colon), so that checkers need not know of
them, while a writer still can. Nothing here reads or writes text.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import msgspec

__all__ = [
    "ATOMS",
    "Character",
    "Keyword",
    "Parenthesised",
    "Symbol",
    "Tagged",
    "Unordered",
    "frozen",
    "frozen_all",
    "plain",
    "thawed",
]


class Keyword(str):
    """``:read`` or ``:jepsen.random/seed``, without the colon."""

    __slots__ = ()


class Symbol(str):
    """A bare word."""

    __slots__ = ()


class Character(str):
    """One character: a backslash and the letter, or the name, in EDN."""

    __slots__ = ()


class Parenthesised(list[Any]):
    """A list where a vector is the rule: ``(1 2)``."""

    __slots__ = ()


class Unordered(list[Any]):
    """A set, ``#{1 2}``, in the order in which it was written; equal to another in any order once frozen."""

    __slots__ = ()


class Tagged(msgspec.Struct, frozen=True):
    """``#tag value``: kept as it is, whatever the tag."""

    tag: str
    value: Any


ATOMS: Final = frozenset([int, str, float, type(None), Keyword, Symbol, Character, Fraction])
"""Types whose values can be compared as they are."""


def frozen(value: Any) -> Any:
    """Return `value` in a form that can be a dictionary key; equal exactly where the values are.

    A keyword equals the string of its letters and 1 equals 1.0, but true does not equal 1.
    """
    kind = type(value)
    if kind in ATOMS:
        return value
    if kind is bool:
        return (bool, value)
    if kind is Unordered:
        return (set, frozenset([frozen(item) for item in value]))
    if isinstance(value, (list, tuple)):
        return tuple([frozen(item) for item in value])
    if kind is dict:
        return (dict, frozenset([(key, frozen(item)) for key, item in value.items()]))
    if kind is Tagged:
        return (Tagged, value.tag, frozen(value.value))
    return value


def frozen_all(values: list[Any]) -> list[Any]:
    """Return every value in the form of `frozen`; the list itself where its values can be compared as they are."""
    if ATOMS.issuperset(map(type, values)):
        return values
    return [value if type(value) in ATOMS else frozen(value) for value in values]


def thawed(key: Any) -> Any:
    """Return a value that `frozen` gives `key` for; the items of sets and maps come sorted by how they look."""
    if type(key) is not tuple:
        return key
    kind = key[0] if key else None
    if kind is bool:
        return key[1]
    if kind is Tagged:
        return Tagged(key[1], thawed(key[2]))
    if kind is set:
        return Unordered([thawed(item) for item in sorted(key[1], key=repr)])
    if kind is dict:
        return {name: thawed(item) for name, item in sorted(key[1], key=repr)}
    return [thawed(item) for item in key]


def plain(value: Any) -> Any:
    """Return what JSON keeps of a value that it does not know; the hook of an encoder.

    Words become strings, a ratio ``"1/3"``, a tagged value an object of its tag and value. Anything else is a TypeError.
    """
    if isinstance(value, (str, Fraction)):
        return str(value)
    if isinstance(value, Tagged):
        return {"tag": value.tag, "value": value.value}
    raise TypeError(f"{type(value).__name__} is no plain data")
