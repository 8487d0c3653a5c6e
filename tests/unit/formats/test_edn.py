"""EDN, value by value: what is read, what is written, and what is refused."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from harness.formats.edn import EdnDamaged, EdnUnfinished, read_form, skip_blank, write_form
from harness.values import Character, Keyword, Parenthesised, Symbol, Tagged, Unordered

FORMS = {
    "nil": None,
    "true": True,
    "false": False,
    "0": 0,
    "-17": -17,
    "+5": 5,
    "123456789012345678901234567890N": 123456789012345678901234567890,
    "1.5": 1.5,
    "-2e3": -2000.0,
    "2.50M": 2.5,
    "1/3": Fraction(1, 3),
    "##Inf": math.inf,
    "##-Inf": -math.inf,
    '"a b"': "a b",
    r'"tab\tline\nquote\"back\\\u00e9"': 'tab\tline\nquote"back\\é',
    r"\a": Character("a"),
    r"\newline": Character("\n"),
    r"\u0041": Character("A"),
    r"\(": Character("("),
    ":read": Keyword("read"),
    ":jepsen.random/seed": Keyword("jepsen.random/seed"),
    "word": Symbol("word"),
    "+": Symbol("+"),
    "->x": Symbol("->x"),
    "[1 [2, 3] []]": [1, [2, 3], []],
    "(1 2)": Parenthesised([1, 2]),
    '{:a 1, "b" [2]}': {"a": 1, "b": [2]},
    "{[1 2] 3}": {(1, 2): 3},
    "#{1 2}": Unordered([1, 2]),
    '#inst "2020-01-01"': Tagged("inst", "2020-01-01"),
    '#uuid "f81d"': Tagged("uuid", "f81d"),
    "#unknown.tag/x [1]": Tagged("unknown.tag/x", [1]),
    "#a #b 1": Tagged("a", Tagged("b", 1)),
    "[1 #_ 2 3]": [1, 3],
    "[#_ #_ 1 2 3]": [3],
    "#_ [1 2] 4": 4,
    "; a comment\n ,, 5": 5,
    '; "not a string"\n "s"': "s",
}


@pytest.mark.parametrize("text", FORMS)
def test_form_is_read(text: str) -> None:
    """Every kind of form becomes its value, of its own type, and nothing is left."""
    value, end = read_form(text)

    assert value == FORMS[text]
    assert type(value) is type(FORMS[text])
    assert end == len(text)


@pytest.mark.parametrize("text", FORMS)
def test_form_is_written(text: str) -> None:
    """What was read and written reads as the same."""
    again, _ = read_form(write_form(FORMS[text]))

    assert again == FORMS[text]
    assert type(again) is type(FORMS[text])


def test_no_number_is_written_as_one() -> None:
    """Not-a-number survives, although it equals nothing."""
    value, _ = read_form(write_form(math.nan))

    assert math.isnan(value)


def test_true_and_one_are_two_keys() -> None:
    """A map may hold true and 1, which Python would take for one key, and writes them again."""
    value, _ = read_form("{1 :a, true :b}")

    assert len(value) == 2
    assert write_form(value) == "{1 :a, true :b}"


def test_collections_may_be_keys() -> None:
    """A key that is a set, map or tagged value is written as it was."""
    text = "{#{1 2} 3, {:a 1} 4, #t 5 6}"

    assert write_form(read_form(text)[0]) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("]", "closes"),
        ("[1 }", r"'}' closes '\['"),
        ("{:a}", "key that has no value"),
        ("{:a 1 :a 2}", "same key twice"),
        ("1x", "is no number"),
        ("1/0", "divides by zero"),
        (r'"\q"', "unknown escape"),
        (r"\nowhere", "is no character"),
        (":", "is no keyword"),
        ("##Nix", "is no number"),
        ("9" * 5_000, "4,000 digits"),
        ("[" * 1_001, "in one another"),
    ],
)
def test_damage_is_named(text: str, words: str) -> None:
    """What is no EDN is refused with its reason."""
    with pytest.raises(EdnDamaged, match=words):
        read_form(text)


@pytest.mark.parametrize("text", ["", "[1 2", '"abc', "{:a", "#tag", "#_", "#{1", '["a\\'])
def test_unfinished_is_another_thing(text: str) -> None:
    """A text that ends inside a form says so: more of it may come."""
    with pytest.raises(EdnUnfinished):
        read_form(text)


def test_blank_is_skipped() -> None:
    """White space, commas and comments separate forms."""
    assert skip_blank("  ,\n; x\n 5", 0) == 9


def test_only_plain_data_is_written() -> None:
    """A value that EDN has no notation for is a TypeError, not its repr."""
    with pytest.raises(TypeError, match="object is no plain data"):
        write_form([object()])
