"""Transactions of ``history.edn``, many lines at once: what most of a large history consists of.

A run of lines that differ in nothing but numbers and in the micro-operations of their transactions is cut by one expression a line,
and the values of all of them are made JSON by replacing words, which a JSON parser then reads in one go. Only a value made
of brackets, integers, ``nil`` and the words ``:append``, ``:r`` and ``:w`` is read in this way; whatever the replacing
would get wrong is no JSON. All else is left to `jepsen_edn`, which is the rule.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from harness.operation import Operation

__all__ = ["Run", "no_run", "run_at"]

_PATTERNS: Final = {
    "index": r"(-?\d{1,18})",
    "time": r"(-?\d{1,18})",
    "type": r":(invoke|ok|fail|info)",
    "process": r"(\d{1,18})",
    "f": r":(txn)",
    "value": r"(\[.*\])",
}
_ORDERS: Final = (
    ("index", "time", "type", "process", "f", "value"),
    ("type", "f", "value", "process", "time", "index"),
    ("type", "f", "value", "time", "process", "index"),
    ("process", "type", "f", "value", "index", "time"),
    ("type", "process", "f", "value", "time", "index"),
    ("type", "process", "f", "value", "index"),
    ("index", "type", "process", "f", "value"),
    ("process", "type", "f", "value"),
    ("type", "f", "value", "process"),
)
"""In what order Jepsen of different ages, elle-cli and hand-written histories have the keys."""

_LINES: Final = tuple(
    (order, re.compile(r"\{" + ",? ".join(f":{key} {_PATTERNS[key]}" for key in order) + r"\}\n"))
    for order in _ORDERS
)
_WORDS: Final = ((b":append", b'"append"'), (b":r", b'"r"'), (b":w", b'"w"'), (b"nil", b"null"))
_WITHOUT_RESULT: Final = re.compile(rb'\["r",[^,\]]*\]')
"""A read that has no place for what it sees."""

_PLAIN: Final = b"[] \n-0123456789"
_values = msgspec.json.Decoder(list[list[Any]])


class Run(msgspec.Struct, frozen=True):
    """Operations of consecutive lines, and where in the text they end.

    `operations` is empty where the lines up to there must be read one by one.
    """

    operations: list[Operation]
    end: int


def run_at(text: str, begin: int) -> Run:
    """Return what can be read at once from `begin` on, where a line must begin."""
    for order, line in _LINES:
        found = line.match(text, begin)
        if found is None:
            continue
        rows = []
        end = begin
        while found is not None:
            rows.append(found.groups())
            end = found.end()
            found = line.match(text, end)
        columns = dict(zip(order, zip(*rows, strict=True), strict=True))
        values = _decoded(columns["value"])
        if values is None:
            return Run([], end)
        unknown = ["-1"] * len(rows)
        return Run(
            [
                Operation(
                    index=int(index),
                    time_ns=int(time_ns),
                    process=int(process),
                    type=kind,
                    f="txn",
                    value=value,
                )
                for index, time_ns, process, kind, value in zip(
                    columns.get("index", unknown),
                    columns.get("time", unknown),
                    columns["process"],
                    columns["type"],
                    values,
                    strict=True,
                )
            ],
            end,
        )
    return Run([], begin)


def no_run(_: str, begin: int) -> Run:
    """Return that nothing is read at once."""
    return Run([], begin)


def _decoded(values: tuple[str, ...]) -> list[list[Any]] | None:
    """Return the values as data; None where one is no plain transaction."""
    text = "\n".join(values).encode()
    words = text.translate(None, _PLAIN)
    for word, _ in _WORDS:
        words = words.replace(word, b"")
    if words:
        return None
    text = text.replace(b" ", b",")
    for word, json in _WORDS:
        text = text.replace(word, json)
    if _WITHOUT_RESULT.search(text):
        return None
    try:
        return _values.decode(b"[" + text.replace(b"\n", b",") + b"]")
    except msgspec.MsgspecError:
        return None
