"""The facts of a run as what a page can show: single values, and tables where a fact is one.

A fact that maps names to numbers becomes a table of two columns, one that maps names to such maps a table with a
column for each inner name, so that a new fact is shown without a line here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from reports.phrases import fact_amount, fact_name

__all__ = ["Single", "Table", "singles", "tables"]


class Single(msgspec.Struct, frozen=True, kw_only=True):
    """One value in words; `nothing` is true for zero and for emptiness."""

    name: str
    value: str
    nothing: bool


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that is a table: the heads of all columns but the first, and the cells."""

    title: str
    heads: list[str]
    rows: list[list[str]]


def singles(facts: Mapping[str, Any], without: Iterable[str] = ()) -> list[Single]:
    """Every fact that is one value, in the order given."""
    left_out = frozenset(without)
    return [
        Single(name=fact_name(name), value=fact_amount(name, value), nothing=not value)
        for name, value in facts.items()
        if not isinstance(value, Mapping) and name not in left_out
    ]


def tables(facts: Mapping[str, Any]) -> list[Table]:
    """Every fact that is a table with something in it."""
    return [
        _table(name, value) for name, value in facts.items() if isinstance(value, Mapping) and value
    ]


def _table(name: str, fact: Mapping[str, Any]) -> Table:
    wide = {key: _flat(value) for key, value in fact.items() if isinstance(value, Mapping)}
    if not wide:
        rows = [[str(key), fact_amount(name, value)] for key, value in fact.items()]
        return Table(title=fact_name(name), heads=[], rows=rows)
    columns = list(dict.fromkeys(column for values in wide.values() for column in values))
    return Table(
        title=fact_name(name),
        heads=[head for head, _ in columns],
        rows=[
            [
                str(key),
                *(
                    "" if column not in values else fact_amount(column[1], values[column])
                    for column in columns
                ),
            ]
            for key, values in wide.items()
        ],
    )


def _flat(values: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """(words of the column, name of the fact that gives the unit) -> value, one level of nesting unfolded."""
    flat: dict[tuple[str, str], Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update({(f"{fact_name(name)} {key}", name): inner for key, inner in value.items()})
        else:
            flat[fact_name(name), name] = value
    return flat
