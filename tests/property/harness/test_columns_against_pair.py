"""Columns against the rule for one operation after the other, and formats against themselves, on random histories."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.columns import NEVER, Misfit, columns, events_from
from harness.conventions import CONVENTIONS
from harness.formats import jepsen_edn, jsonl
from harness.formats.edn import EdnDamaged, read_form, write_form
from harness.formats.lives import lives
from harness.formats.source import Source
from harness.history import HistoryDamaged, HistoryInvalid, pair
from harness.operation import NEMESIS, Operation
from harness.values import Character, Keyword, Parenthesised, Symbol, Tagged, Unordered, frozen

KINDS = st.sampled_from(["invoke", "ok", "ok", "invoke", "fail", "info"])
WORDS = st.from_regex(r"[a-z][a-z0-9.*!_?-]{0,8}(/[a-z]{1,4})?", fullmatch=True)
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
LETTERS = st.characters(codec="utf-8").filter(lambda letter: letter.isalnum())
KEYS = st.integers() | TEXT | WORDS.map(Keyword)
EDN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.fractions().filter(lambda ratio: ratio.denominator > 1)
    | st.floats(allow_nan=False)
    | TEXT
    | WORDS.map(Keyword)
    | WORDS.filter(lambda word: word not in {"nil", "true", "false"}).map(Symbol)
    | LETTERS.map(Character),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(Parenthesised)
        | st.lists(inner, max_size=4).map(Unordered)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.builds(Tagged, WORDS, inner)
    ),
    max_leaves=12,
)


def operations(values: Any) -> Any:
    """Well-formed single events, in any order."""
    one = st.builds(
        lambda process, kind, f, value, error, node: Operation(
            process=process, type=kind, f=f, value=value, error=error, node=node
        ),
        st.integers(NEMESIS, 4),
        KINDS,
        WORDS,
        values,
        TEXT,
        TEXT,
    )
    return st.lists(one, max_size=8)


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.integers(NEMESIS, 3), KINDS, st.sampled_from(["read", "read", "write"])),
        max_size=12,
    )
)
def test_columns_refuse_what_pair_refuses(events: list[tuple[int, Any, str]]) -> None:
    """A history is refused by both or by neither, and then both agree on what belongs together."""
    history = [
        Operation(index=index, time_ns=index, process=process, type=kind, f=f)
        for index, (process, kind, f) in enumerate(events)
        if process != NEMESIS
    ]
    try:
        others = pair(history)
    except HistoryInvalid:
        with pytest.raises(Misfit):
            columns(events_from(history), CONVENTIONS["register"])
        return

    found = columns(events_from(history), CONVENTIONS["register"])

    called = [place for place, one in enumerate(history) if one.type == "invoke"]
    returned = [others[place] for place in called]
    definite = [at if at >= 0 and history[at].type != "info" else NEVER for at in returned]
    assert found.called.tolist() == called
    assert found.returned.tolist() == definite


@pytest.mark.slow
@given(EDN)
def test_edn_round_trip(value: Any) -> None:
    """What is written reads as the same, type by type."""
    text = write_form(value)

    again, end = read_form(text)

    assert frozen(again) == frozen(value)
    assert write_form(again) == text
    assert end == len(text)


@pytest.mark.slow
@given(operations(EDN))
def test_edn_history_round_trip(history: list[Operation]) -> None:
    """A history survives being written in EDN; who goes on after info begins another life."""
    file = io.BytesIO()
    jepsen_edn.write(iter(history), file)
    file.seek(0)
    history = list(lives(Source(io.BytesIO(), Path("h")), iter(history)))

    again = list(jepsen_edn.read(Source(file, Path("h"))))

    assert [frozen(one.value) for one in again] == [frozen(one.value) for one in history]
    assert [(one.process, one.type, one.f, one.error, one.node) for one in again] == [
        (one.process, one.type, one.f, one.error, one.node) for one in history
    ]


@pytest.mark.slow
@given(operations(PLAIN))
def test_our_history_round_trip(history: list[Operation]) -> None:
    """A history survives being written in our own format."""
    file = io.BytesIO()
    jsonl.write(iter(history), file)
    file.seek(0)

    assert list(jsonl.read(Source(file, Path("h")))) == history


@pytest.mark.slow
@given(operations(PLAIN))
def test_events_are_the_same_with_and_without_operations(history: list[Operation]) -> None:
    """Columns straight from the file say what columns from the operations say."""
    file = io.BytesIO()
    jsonl.write(iter(history), file)
    file.seek(0)

    straight, through = jsonl.read_events(Source(file, Path("h"))), events_from(history)

    assert [straight.values[code] for code in straight.value] == [
        through.values[code] for code in through.value
    ]
    assert straight.process.tolist() == through.process.tolist()
    assert straight.type.tolist() == through.type.tolist()
    assert straight.index.tolist() == through.index.tolist()


@given(st.lists(st.sampled_from([" ", ",", "\n", "1", '"a"', "[", "]", "nil", ":k", ";c\n", "#_"])))
def test_shapes_cut_as_edn_reads(parts: list[str]) -> None:
    """What an operation's shape cuts out is what reading its map form by form gives, whatever the value."""
    line = "{:process 0, :type :ok, :f :read, :value " + "".join(parts) + "}\n"
    text = "{:process 0, :type :invoke, :f :read, :value nil}\n" + line
    try:
        expected = [None, read_form(line)[0]["value"]]
    except EdnDamaged:
        with pytest.raises(HistoryDamaged):
            list(jepsen_edn.read(Source(io.BytesIO(text.encode()), Path("h"))))
        return

    found = jepsen_edn.read(Source(io.BytesIO(text.encode()), Path("h")))

    assert [one.value for one in found] == expected
