"""The same scenario in several worlds, side by side. Words and a table; nothing is judged here.

Worlds are compared by verdict and by the facts that a pass rests on. Amounts differ where time is real, so only a fact that
one world has seen and another has not is pointed out: there the scenario was not the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

__all__ = ["compare", "tell_comparison"]

_FACTS: Final = (
    ("crash_points_hit", "crash points"),
    ("replayed_entries", "replayed"),
    ("kills", "kills"),
    ("power_losses", "power"),
    ("restarts", "restarts"),
    ("leader_changes", "leaders"),
)
"""Fact -> head of its column."""

_WORDS: Final[dict[Any, str]] = {True: "valid", False: "invalid", "unknown": "unknown"}
_NANOSECONDS: Final = 1e9


def compare(summaries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each summary: ``world, verdict, wall_s, facts, only_elsewhere, report``.

    `wall_s` is seconds of the run (simulated ones in `sim`, where one seed was run) or of the search. `only_elsewhere` names the
    facts that were seen in another world and not here. A summary with ``failed`` is a run that could not be carried out.
    """
    seen = [_facts(summary) for summary in summaries]
    anywhere = {fact for facts in seen for fact, amount in facts.items() if amount}
    return [
        {
            "world": summary["world"],
            "verdict": "failed" if "failed" in summary else _WORDS[summary["valid"]],
            "wall_s": summary.get("wall_s", round(summary.get("duration_ns", 0) / _NANOSECONDS, 3)),
            "facts": facts,
            "only_elsewhere": [
                fact for fact, _ in _FACTS if fact in anywhere and not facts.get(fact)
            ],
            "report": summary.get("report", summary.get("failed", "")),
        }
        for summary, facts in zip(summaries, seen, strict=True)
    ]


def tell_comparison(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the rows as a table, and below it what one world did not see."""
    heads = ["world", "verdict", "seconds", *(head for _, head in _FACTS), "report"]
    table = [heads, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(heads))]
    lines = ["  ".join(_padded(line, widths)).rstrip() for line in table]
    lines += [
        f"  {row['world']} did not see: {', '.join(row['only_elsewhere'])}"
        for row in rows
        if row["only_elsewhere"] and row["verdict"] != "failed"
    ]
    verdicts = {row["verdict"] for row in rows}
    same = f"all {len(rows)} worlds say {rows[0]['verdict']}"
    lines.append(same if len(verdicts) == 1 else "the worlds do not agree")
    click.echo("\n".join(lines))


def _facts(summary: Mapping[str, Any]) -> dict[str, int]:
    """The compared facts that the run has, tables summed."""
    facts = summary.get("facts", {})
    found = {fact: facts[fact] for fact, _ in _FACTS if fact in facts}
    return {
        fact: sum(value.values()) if isinstance(value, Mapping) else value
        for fact, value in found.items()
    }


def _cells(row: Mapping[str, Any]) -> list[str]:
    facts = [str(row["facts"].get(fact, "-")) for fact, _ in _FACTS]
    return [
        row["world"],
        row["verdict"],
        f"{row['wall_s']:.1f}",
        *facts,
        row["report"].split("\n")[0],
    ]


def _padded(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Words to the left, numbers to the right."""
    numbers = range(2, 3 + len(_FACTS))
    return [
        cell.rjust(width) if column in numbers else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
