"""Large files, read at compiled speed: lines of one shape, cut by a loop over bytes, values known by their text.

A *shape* is the order in which the keys of an operation stand, and how its notation writes them. `Scanner` cuts line after line of
that shape into columns and stops in front of the first line that it does not understand: another order of keys, a value with more
than words, numbers, strings and brackets, a name it was not told. Whoever asked reads that line by the rule and goes on behind it,
so nothing is read in two ways. Each different text of a value gets one number; equal texts are compared byte by byte.

Used where numba is installed and the file is large (`scanning`). Code that is compiled follows
the rules of `harness.checkers.linearizable.compiled`: numbers below 2**63, nothing allocated.
"""

# ruff: noqa: PLR0917 - compiled functions know no keyword-only arguments

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from harness.checkers.linearizable.compiled import compiled
from harness.columns import Codes, Events
from harness.formats.scanning import PROCESS, TYPE, VALUE, F, NotScannable, Shape

__all__ = ["Scanner"]

_DIGITS_MAX: Final = 18
_NEWLINE, _SPACE, _QUOTE, _COMMA, _MINUS, _BACKSLASH = 10, 32, 34, 44, 45, 92
_OPEN_LIST, _CLOSE_LIST, _OPEN_MAP, _CLOSE_MAP = 91, 93, 123, 125
_COLON = 58
_HASH, _OPEN_PAREN, _CLOSE_PAREN, _SEMICOLON = 35, 40, 41, 59
_MASK: Final = (1 << 31) - 1
_PRIME: Final = 16_777_619
_LINE_BYTES_MIN: Final = 8
"""No line of an operation is shorter."""

_OTHERS_MAX: Final = 1_000
_OTHERS_SHARE_MAX: Final = 0.1
"""Where more lines than this had to be read by the rule, scanning does not pay."""

_TYPES: Final = 4
"""The first names of a shape are the types."""

_KINDS: Final = ("invoke", "ok", "fail", "info")


class _Shaped(NamedTuple):
    key: Any
    key_begin: Any
    field: Any
    optional: Any
    word: Any
    """The texts of types and fs, with their marks; types come first."""
    word_begin: Any


class _Rows(NamedTuple):
    number: Any
    """index, time and process of each row"""
    kind: Any
    f: Any
    value: Any


class _Texts(NamedTuple):
    """The different values: their texts, each with a line end behind it, and a table of hashes with open addresses."""

    byte: Any
    begin: Any
    hash: Any
    slot: Any


@compiled
def _value_end(text: Any, place: int, end: int) -> int:
    """Where the value that begins at `place` ends; -1 where it is not understood."""
    depth = 0
    while place < end:
        byte = text[place]
        if byte == _QUOTE:
            place += 1
            while place < end and text[place] != _QUOTE:
                if text[place] == _BACKSLASH:
                    place += 1
                if place < end and text[place] == _NEWLINE:
                    return -1
                place += 1
        elif byte in (_OPEN_LIST, _OPEN_MAP):
            depth += 1
        elif byte == _CLOSE_LIST or (byte == _CLOSE_MAP and depth > 0):
            depth -= 1
            if depth == 0:
                return place + 1
            if depth < 0:
                return -1
        elif byte == _CLOSE_MAP or (depth == 0 and byte in (_COMMA, _SPACE)):
            return place
        elif byte in (_HASH, _SEMICOLON, _BACKSLASH, _OPEN_PAREN, _CLOSE_PAREN) or byte < _SPACE:
            return -1
        place += 1
    return -1


@compiled
def _is_plain(text: Any, begin: int, stop: int) -> bool:
    """Whether ``text[begin:stop]`` is a string without escapes or a keyword, so that it may be passed over."""
    if text[begin] != _QUOTE and text[begin] != _COLON:
        return False
    for place in range(begin + 1, stop - 1):
        if text[place] == _BACKSLASH or text[place] < _SPACE:
            return False
    return text[begin] == _COLON or (stop - begin > 1 and text[stop - 1] == _QUOTE)


@compiled
def _is_at(text: Any, place: int, end: int, word: Any, begin: int, stop: int) -> bool:
    """Whether the bytes ``word[begin:stop]`` stand at `place`."""
    if place + stop - begin > end:
        return False
    for step in range(stop - begin):  # noqa: SIM110 - a generator cannot be compiled
        if text[place + step] != word[begin + step]:
            return False
    return True


@compiled
def _number_of(text: Any, begin: int, stop: int, texts: _Texts, now: Any) -> int:
    """The number of the value ``text[begin:stop]``, a new one if it is new. `now` counts texts and their bytes."""
    found = 0
    for place in range(begin, stop):
        found = ((found ^ int(text[place])) * _PRIME) & _MASK
    last = len(texts.slot) - 1
    slot = found & last
    while texts.slot[slot] >= 0:
        number = texts.slot[slot]
        alike = texts.hash[number] == found
        alike = alike and texts.begin[number + 1] - 1 - texts.begin[number] == stop - begin
        if alike and _is_at(
            texts.byte, texts.begin[number], texts.begin[number + 1], text, begin, stop
        ):
            return int(number)
        slot = (slot + 1) & last
    number = now[0]
    texts.slot[slot] = number
    texts.hash[number] = found
    at = texts.begin[number]
    for place in range(begin, stop):
        texts.byte[at] = text[place]
        at += 1
    texts.byte[at] = _NEWLINE
    texts.begin[number + 1] = at + 1
    now[0] = number + 1
    return int(number)


@compiled
def _filled(texts: _Texts, count: int) -> None:
    """Put the hashes of `count` texts into an empty table."""
    last = len(texts.slot) - 1
    for number in range(count):
        slot = texts.hash[number] & last
        while texts.slot[slot] >= 0:
            slot = (slot + 1) & last
        texts.slot[slot] = number


@compiled
def _ends(text: Any, place: int, end: int) -> bool:
    """Whether a bare word may end at `place`."""
    return place < end and text[place] in (_COMMA, _SPACE, _CLOSE_MAP)


@compiled
def _integer_at(text: Any, place: int, end: int) -> tuple[int, int]:
    """The whole number at `place`, and where it ends; -1 where there is none."""
    sign = 1
    if place < end and text[place] == _MINUS:
        sign = -1
        place += 1
    number, digits = 0, 0
    while place < end and 48 <= text[place] <= 57 and digits <= _DIGITS_MAX:
        number = number * 10 + int(text[place]) - 48
        digits += 1
        place += 1
    if digits in (0, _DIGITS_MAX + 1) or not _ends(text, place, end):
        return 0, -1
    if digits > 1 and text[place - digits] == 48:
        return 0, -1
    return sign * number, place


@compiled
def _name_at(
    text: Any, place: int, end: int, shape: _Shaped, first: int, behind: int
) -> tuple[int, int]:
    """Which of the names from `first` on stands at `place`, and where it ends; -1 where none does."""
    for word in range(first, behind):
        begin, stop = shape.word_begin[word], shape.word_begin[word + 1]
        if _is_at(text, place, end, shape.word, begin, stop):
            after = place + stop - begin
            if _ends(text, after, end):
                return word - first, after
    return 0, -1


@compiled
def _field(
    text: Any, place: int, end: int, shape: _Shaped, field: int, rows: _Rows, row: int
) -> int:
    """Put the field at `place` where it belongs, if it is a number or a name; returns where it ends, -1 where it is none."""
    if field == TYPE:
        found, after = _name_at(text, place, end, shape, 0, _TYPES)
        rows.kind[row] = found
    elif field == F:
        found, after = _name_at(text, place, end, shape, _TYPES, len(shape.word_begin) - 1)
        rows.f[row] = found
    else:
        found, after = _integer_at(text, place, end)
        if field == PROCESS and found < 0:
            return -1
        rows.number[field, row] = found
    return after


@compiled
def _scan(
    text: Any, place: int, end: int, shape: _Shaped, rows: _Rows, texts: _Texts, now: Any, nil: int
) -> int:
    """Cut lines from `place` on into `rows`; returns where the first line that is not understood begins. `now[1]` counts rows."""
    while place < end:
        at = place + 1
        row = now[1]
        if text[place] != _OPEN_MAP:
            return place
        rows.number[0, row], rows.number[1, row], rows.number[2, row] = -1, -1, 0
        rows.kind[row], rows.f[row] = 0, -1
        value_begin, value_end = -1, -1
        for which in range(len(shape.field)):
            here = at
            while here < end and text[here] in (_COMMA, _SPACE):
                here += 1
            begin, stop = shape.key_begin[which], shape.key_begin[which + 1]
            if not _is_at(text, here, end, shape.key, begin, stop):
                if shape.optional[which]:
                    continue
                return place
            here += stop - begin
            while here < end and text[here] == _SPACE:
                here += 1
            field = shape.field[which]
            if field < VALUE:
                at = _field(text, here, end, shape, field, rows, row)
            else:
                at = _value_end(text, here, end)
                if field == VALUE:
                    value_begin, value_end = here, at
                elif at > here and not _is_plain(text, here, at):
                    return place
            if at <= here:
                return place
        if at + 1 >= end or text[at] != _CLOSE_MAP or text[at + 1] != _NEWLINE or rows.f[row] < 0:
            return place
        rows.value[row] = (
            nil if value_begin < 0 else _number_of(text, value_begin, value_end, texts, now)
        )
        now[1] = row + 1
        place = at + 2
    return place


class Scanner:
    """Gathers the events of one file; see the module. What is not understood comes in through `add`."""

    def __init__(self, shape: Shape, nil: bytes) -> None:
        """`nil`: the text of no value."""
        self._shape = shape
        self._fs = Codes()
        self._blocks: list[tuple[Any, ...]] = []
        self._others: list[Any] = []
        """Values of the events that came through `add`."""
        self._texts = _Texts(
            byte=np.empty(1 << 16, np.uint8),
            begin=np.zeros(1 << 12, np.int64),
            hash=np.empty(1 << 12, np.int64),
            slot=np.full(1 << 13, -1, np.int32),
        )
        self._now = np.zeros(2, np.int64)
        self._scanned = 0
        self._shaped = self._with_words()
        self._rows = _rows_for(0)
        first = np.frombuffer(nil, np.uint8)
        _number_of(first, 0, len(first), self._texts, self._now)

    def _with_words(self) -> _Shaped:
        """The shape with the names that are known by now."""
        shape = self._shape
        words = [
            shape.before_name + name.encode() + shape.behind_name for name in (*_KINDS, *self._fs)
        ]
        return _Shaped(
            key=np.frombuffer(b"".join(shape.keys), np.uint8),
            key_begin=np.cumsum([0, *map(len, shape.keys)]),
            field=np.array(shape.fields, np.int64),
            optional=np.array(shape.optional, np.bool_),
            word=np.frombuffer(b"".join(words), np.uint8),
            word_begin=np.cumsum([0, *map(len, words)]),
        )

    def scan(self, content: bytes, place: int) -> int:
        """Cut lines of `content` from `place` on; returns where the first begins that is not understood."""
        text = np.frombuffer(content, np.uint8)
        lines_max = (len(text) - place) // _LINE_BYTES_MIN + 1
        if len(self._rows.kind) < lines_max:
            self._rows = _rows_for(lines_max)
        self._grow(lines_max, len(text) - place)
        self._now[1] = 0
        stopped = _scan(text, place, len(text), self._shaped, self._rows, self._texts, self._now, 0)
        count = int(self._now[1])
        self._scanned += count
        if count:
            rows = self._rows
            columns = (
                rows.number[2],
                rows.kind,
                rows.f,
                rows.value,
                rows.number[1],
                rows.number[0],
            )
            self._blocks.append(tuple(column[:count].copy() for column in columns))
        return int(stopped)

    def add(self, one: Any) -> None:
        """Add an `Operation` that was read by the rule. Raises NotScannable where there are too many of those."""
        if len(self._others) >= max(_OTHERS_MAX, _OTHERS_SHARE_MAX * self._scanned):
            raise NotScannable
        known = len(self._fs)
        f = self._fs[one.f]
        self._others.append(one.value)
        numbers = (
            one.process,
            _KINDS.index(one.type),
            f,
            -len(self._others),
            one.time_ns,
            one.index,
        )
        kinds = (np.int64, np.int8, np.int32, np.int32, np.int64, np.int64)
        self._blocks.append(
            tuple(np.array([n], kind) for n, kind in zip(numbers, kinds, strict=True))
        )
        if len(self._fs) > known:
            self._shaped = self._with_words()

    def _grow(self, lines: int, size: int) -> None:
        """Make room for so many values and bytes more."""
        texts, count = self._texts, int(self._now[0])
        used = int(texts.begin[count])
        values = count + min(lines, size // _LINE_BYTES_MIN) + 2
        byte, begin, hashes, slot = texts
        if used + size + lines > len(byte):
            byte = np.concatenate([byte[:used], np.empty(used + 2 * (size + lines), np.uint8)])
        if values + 1 > len(begin):
            begin = np.concatenate([begin[: count + 1], np.zeros(2 * values, np.int64)])
            hashes = np.concatenate([hashes[:count], np.empty(2 * values + 1, np.int64)])
        wanted = 1 << (2 * values).bit_length()
        if wanted > len(slot):
            slot = np.full(2 * wanted, -1, np.int32)
            self._texts = _Texts(byte, begin, hashes, slot)
            _filled(self._texts, count)
        self._texts = _Texts(byte, begin, hashes, slot)

    def texts(self) -> bytes:
        """The texts of all values, one a line."""
        return bytes(self._texts.byte[: self._texts.begin[self._now[0]]])

    def events(self, originals: list[Any]) -> Events:
        """All events; `originals` are the values of `texts`."""
        columns = zip(*self._blocks, strict=True)
        process, kind, f, value, time_ns, index = (np.concatenate(column) for column in columns)
        return Events(
            process=process,
            type=kind,
            f=f,
            value=np.where(value < 0, len(originals) - 1 - value, value).astype(np.int32),
            time_ns=time_ns,
            index=index,
            fs=[str(name) for name in self._fs],
            values=[*originals, *self._others],
        )


def _rows_for(count: int) -> _Rows:
    return _Rows(
        number=np.empty((3, count), np.int64),
        kind=np.empty(count, np.int8),
        f=np.empty(count, np.int32),
        value=np.empty(count, np.int32),
    )
